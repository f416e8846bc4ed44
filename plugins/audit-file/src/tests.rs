//! Tests of writing; the boundary is tested by the daemon's loader.

use super::*;

const LUID: &str = "018f2f7e-9d2a-7c3b-8a4e-0123456789ab";

fn files(folder: &Path) -> Files {
    let template = Template::new(format!("{}/audit/{{site}}.jsonl", folder.display())).expect("valid path");
    Files { template, rotation: Rotation::default(), open: HashMap::new() }
}

fn batch(events: serde_json::Value) -> Vec<u8> {
    serde_json::to_vec(&serde_json::json!({ "batch_id": "b", "events": events })).expect("JSON")
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).expect("reads");
    text.lines().map(|line| serde_json::from_str(line).expect("whole JSON")).collect()
}

#[test]
fn events_go_to_their_sites_file_in_order() {
    let scratch = tempfile::tempdir().expect("scratch folder");
    let mut files = files(scratch.path());
    let site = format!("/sites/{LUID}");
    let answer = files
        .deliver(&batch(serde_json::json!([
            { "id": "1", "source": site }, { "id": "2", "source": "/directory" }, { "id": "3", "source": site }
        ])))
        .expect("delivered");
    let answer: Delivered = serde_json::from_slice(&answer).expect("answer");
    assert_eq!(answer, Delivered { accepted_through: Some("3".into()), rejected: Vec::new() });
    let of_site = lines(&scratch.path().join(format!("audit/{LUID}.jsonl")));
    assert_eq!(of_site.iter().filter_map(event_id).collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(lines(&scratch.path().join("audit/directory.jsonl")).len(), 1);
}

#[test]
fn an_event_without_id_makes_the_batch_invalid_and_writes_nothing() {
    let scratch = tempfile::tempdir().expect("scratch folder");
    let refused = files(scratch.path()).deliver(&batch(serde_json::json!([{ "id": "1" }, {}])));
    assert_eq!(refused.expect_err("refused").status(), patd_sdk::abi::status::INVALID);
    assert!(!scratch.path().join("audit").exists());
}

#[test]
fn a_log_moved_away_gets_a_new_file() {
    let scratch = tempfile::tempdir().expect("scratch folder");
    let mut files = files(scratch.path());
    let log = scratch.path().join("audit/directory.jsonl");
    files.deliver(&batch(serde_json::json!([{ "id": "1" }]))).expect("delivered");
    std::fs::rename(&log, scratch.path().join("old")).expect("rotates");
    files.deliver(&batch(serde_json::json!([{ "id": "2" }]))).expect("delivered");
    assert_eq!(lines(&log).iter().filter_map(event_id).collect::<Vec<_>>(), ["2"]);
}

#[test]
fn start_repairs_every_sites_file() {
    let scratch = tempfile::tempdir().expect("scratch folder");
    let mut files = files(scratch.path());
    let log = scratch.path().join("audit/directory.jsonl");
    std::fs::create_dir(scratch.path().join("audit")).expect("folder");
    std::fs::write(&log, "{\"id\":\"1\"}\n{\"id\":\"to").expect("writes");
    files.repair_all().expect("repairs");
    assert_eq!(lines(&log).len(), 1);
}

#[test]
fn a_log_with_another_in_its_place_is_left_alone() {
    let scratch = tempfile::tempdir().expect("scratch folder");
    let mut files = files(scratch.path());
    let log = scratch.path().join("audit/directory.jsonl");
    let moved = scratch.path().join("moved");
    files.deliver(&batch(serde_json::json!([{ "id": "1" }]))).expect("delivered");
    std::fs::rename(&log, &moved).expect("moves");
    std::fs::write(&log, "{\"id\":\"new\"}\n").expect("writes");
    files.deliver(&batch(serde_json::json!([{ "id": "2" }]))).expect("delivered");
    std::fs::remove_file(&log).expect("deletes");
    files.deliver(&batch(serde_json::json!([{ "id": "3" }]))).expect("delivered");
    assert_eq!(lines(&moved).iter().filter_map(event_id).collect::<Vec<_>>(), ["1"]);
    assert_eq!(lines(&log).iter().filter_map(event_id).collect::<Vec<_>>(), ["3"]);
}

#[test]
fn a_log_is_rotated_between_batches_and_every_event_is_in_one_of_the_files() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = tempfile::tempdir().expect("scratch folder");
    let mut files = files(scratch.path());
    files.rotation = Rotation { max_size: Some(40), max_files: None };
    for number in 0..9 {
        files.deliver(&batch(serde_json::json!([{ "id": format!("event {number}") }]))).expect("delivered");
    }
    let folder = scratch.path().join("audit");
    let mut ids = Vec::new();
    for name in [
        "directory.jsonl.1",
        "directory.jsonl.2",
        "directory.jsonl.3",
        "directory.jsonl.4",
        "directory.jsonl",
    ] {
        let path = folder.join(name);
        assert!(path.metadata().expect("is there").len() <= 40, "{name}");
        assert_eq!(path.metadata().expect("is there").permissions().mode() & 0o777, 0o600);
        ids.extend(lines(&path).iter().filter_map(event_id).map(str::to_owned));
    }
    let wanted: Vec<_> = (0..9).map(|number| format!("event {number}")).collect();
    assert_eq!(ids, wanted);
    assert_eq!(folder.read_dir().expect("lists").count(), 5);
}
