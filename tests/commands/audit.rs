//! `patd audit verify`: what was tampered with is named, by line where there is one.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::refusals::patd;
use crate::harness::{Daemon, sample};

/// The report on one file, and the exit code.
fn verify(daemon: &Daemon, file: &std::path::Path) -> (Value, Option<i32>) {
    let ended = patd(daemon).run(&["audit", "verify", "--output", "json"], "");
    let answer = ended.json();
    assert_eq!(answer["ok"], ended.code == Some(0), "{answer}");
    let report =
        answer["files"].as_array().expect("files").iter().find(|report| report["file"] == json!(file));
    (report.unwrap_or_else(|| panic!("nothing of {}: {answer}", file.display())).clone(), ended.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_audit_file_passes_and_a_dropped_changed_doubled_or_broken_line_is_named() {
    let daemon = Daemon::start("").await;
    let facts = sample(&daemon).await;
    daemon.stop().await;
    let luid = facts.text("/sites/acme/luid");
    let file: PathBuf = daemon.data_dir().join(format!("audit/{luid}.jsonl"));
    let text = std::fs::read_to_string(&file).expect("the audit file");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() >= 5, "{text}");
    let id = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["id"].clone();
    let write = |lines: &[&str]| std::fs::write(&file, lines.join("\n") + "\n").expect("written");

    let (report, code) = verify(&daemon, &file);
    assert_eq!((code, &report["found"], &report["events"]), (Some(0), &json!(lines.len()), &report["found"]));

    write(&[&lines[..1], &lines[2..]].concat());
    let (report, code) = verify(&daemon, &file);
    assert_eq!((code, &report["missing"]), (Some(1), &json!([id(lines[1])])), "dropped: {report}");

    let changed = lines[2].replace("127.0.0.1", "192.0.2.9").replace("\"reason\"", "\"because\"");
    let changed = changed.replace("\"system\"", "\"operator\"").replace("patd.user.", "patd.token.");
    assert_ne!(changed, lines[2]);
    write(&[&lines[..2], &[changed.as_str()], &lines[3..]].concat());
    let (report, code) = verify(&daemon, &file);
    assert_eq!((code, &report["changed_lines"]), (Some(1), &json!([3])), "changed: {report}");

    write(&[&lines[..], &lines[..1]].concat());
    let (report, code) = verify(&daemon, &file);
    let doubled = json!([{"line": lines.len() + 1, "id": id(lines[0])}]);
    assert_eq!((code, &report["duplicates"]), (Some(0), &doubled), "delivery is at least once: {report}");

    write(&[&lines[..3], &["{\"id\":"], &lines[3..]].concat());
    let (report, code) = verify(&daemon, &file);
    assert_eq!((code, &report["broken_lines"]), (Some(1), &json!([4])), "broken: {report}");

    std::fs::remove_file(&file).expect("it goes");
    let (report, code) = verify(&daemon, &file);
    assert_eq!(report["missing"].as_array().map(Vec::len), Some(lines.len()));
    assert_eq!(code, Some(1));
    patd(&daemon).run(&["audit", "verify"], "").with_code(1).says(&["cut", luid]);
}
