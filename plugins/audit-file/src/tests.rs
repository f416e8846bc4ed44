//! Tests of writing; the boundary is tested by the daemon's loader.

use super::*;

const LUID: &str = "018f2f7e-9d2a-7c3b-8a4e-0123456789ab";

fn files(folder: &Path) -> Files {
    let template = Template::new(format!("{}/audit/{{site}}.jsonl", folder.display())).expect("valid path");
    Files { template, open: HashMap::new() }
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
