//! Services: the audit file really writes, and the faulty sink costs its callers an error, never more.

use std::time::Duration;

use patd_abi::op;
use patd_plugin_host::adapt::PluginSink;
use patd_plugin_host::{CallError, Kind, LoadErrorKind, ServiceHandle};
use patd_service::ports::{AuditSink, SinkError};
use serde_json::json;

use crate::world::World;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

async fn started(plugin: &str, config: serde_json::Value) -> ServiceHandle {
    let image = World::new().load(plugin).expect("loads");
    let handle = ServiceHandle::create(&image, Kind::Audit, "sink", &config).expect("creates");
    handle.start(Vec::new(), LONG).await.expect("starts");
    handle
}

async fn sinner(sin: &str) -> ServiceHandle {
    started("faulty", json!({ "sin": sin })).await
}

async fn deliver(handle: &ServiceHandle, timeout: Duration) -> Result<Vec<u8>, CallError> {
    handle.call(op::DELIVER, b"{\"batch_id\":\"b\",\"events\":[]}".to_vec(), timeout).await
}

#[tokio::test]
async fn the_audit_file_writes_whole_lines_and_stops() {
    let scratch = tempfile::tempdir().expect("scratch folder");
    let path = scratch.path().join("audit/{site}.jsonl");
    let sink = PluginSink::new(started("audit-file", json!({ "path": path })).await, LONG);
    let luid = "018f2f7e-9d2a-7c3b-8a4e-0123456789ab";
    let events = vec![
        json!({ "id": "1", "source": format!("/sites/{luid}"), "type": "patd.token.minted" }),
        json!({ "id": "2", "source": "/directory", "type": "patd.user.joined" }),
    ];
    sink.deliver(events.clone()).await.expect("delivered");
    sink.deliver(Vec::new()).await.expect("nothing is delivered");
    let read = |name: &str| std::fs::read_to_string(scratch.path().join("audit").join(name)).expect("reads");
    assert_eq!(read(&format!("{luid}.jsonl")), format!("{}\n", events[0]));
    assert_eq!(read("directory.jsonl"), format!("{}\n", events[1]));
    sink.stop().await.expect("stops");
    let refused = sink.deliver(events).await;
    assert!(matches!(refused, Err(SinkError::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn deliveries_at_once_are_all_written() {
    let scratch = tempfile::tempdir().expect("scratch folder");
    let path = scratch.path().join("log");
    let sink =
        std::sync::Arc::new(PluginSink::new(started("audit-file", json!({ "path": path })).await, LONG));
    let many: Vec<_> = (0..64)
        .map(|number| {
            let sink = std::sync::Arc::clone(&sink);
            tokio::spawn(async move { sink.deliver(vec![json!({ "id": number.to_string() })]).await })
        })
        .collect();
    for one in many {
        one.await.expect("runs").expect("delivered");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("reads").lines().count(), 64);
    sink.stop().await.expect("stops");
}

#[tokio::test]
async fn a_sink_whose_folder_cannot_be_made_is_unavailable_and_recovers() {
    let scratch = tempfile::tempdir().expect("scratch folder");
    std::fs::write(scratch.path().join("audit"), "in the way").expect("writes");
    let path = scratch.path().join("audit/log");
    let sink = PluginSink::new(started("audit-file", json!({ "path": path })).await, LONG);
    let refused = sink.deliver(vec![json!({ "id": "1" })]).await;
    assert!(matches!(refused, Err(SinkError::Unavailable(_))), "{refused:?}");
    std::fs::remove_file(scratch.path().join("audit")).expect("removes");
    sink.deliver(vec![json!({ "id": "1" })]).await.expect("delivered");
}

#[tokio::test]
async fn what_is_not_started_is_unavailable_and_unknown_operations_say_so() {
    let image = World::new().load("audit-file").expect("loads");
    let config = json!({ "path": "/nonexistent/log" });
    let handle = ServiceHandle::create(&image, Kind::Audit, "sink", &config).expect("creates");
    assert!(matches!(deliver(&handle, LONG).await, Err(CallError::Unavailable(_))));
    handle.start(Vec::new(), LONG).await.expect("starts");
    let unknown = handle.call(9999, Vec::new(), LONG).await;
    assert!(matches!(unknown, Err(CallError::Unsupported(_))), "{unknown:?}");
    let nonsense = handle.call(op::DELIVER, b"[".to_vec(), LONG).await;
    assert!(matches!(nonsense, Err(CallError::Invalid(_))), "{nonsense:?}");
    handle.stop(LONG).await.expect("stops");
}

#[tokio::test]
async fn a_panic_anywhere_is_answered_and_quarantines_the_instance_alone() {
    for sin in ["panic_in_call", "panic_in_submit"] {
        let handle = sinner(sin).await;
        assert_eq!(deliver(&handle, LONG).await, Err(CallError::Panic), "{sin}");
        assert!(handle.is_quarantined());
        assert!(matches!(deliver(&handle, LONG).await, Err(CallError::Unavailable(_))));
        let neighbour = sinner("none").await;
        assert!(deliver(&neighbour, LONG).await.is_ok());
        handle.stop(LONG).await.expect("stops all the same");
    }
}

#[tokio::test]
async fn a_request_that_is_never_answered_times_out_and_the_late_answer_is_counted() {
    let handle = sinner("never_completes").await;
    for _ in 0..5 {
        // More than its max_in_flight of 2, so time-outs give their permits back.
        assert_eq!(deliver(&handle, SHORT).await, Err(CallError::Timeout));
    }
    assert_eq!(handle.spurious_completions(), 0);
    // Destroying drops the kept completions, which answer then.
    handle.stop(LONG).await.expect("stops");
    assert_eq!(handle.spurious_completions(), 5);
}

#[tokio::test]
async fn above_its_limit_a_sink_is_busy() {
    let handle = sinner("never_completes").await;
    let hanging: Vec<_> = (0..2)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { deliver(&handle, LONG).await })
        })
        .collect();
    // Until both hang, a third may itself be handed over and time out.
    while deliver(&handle, SHORT).await != Err(CallError::Busy) {}
    for one in hanging {
        one.abort();
    }
}

#[tokio::test]
async fn a_second_answer_to_one_request_is_counted_and_changes_nothing() {
    let handle = sinner("completes_twice").await;
    assert!(deliver(&handle, LONG).await.is_ok());
    assert_eq!(handle.spurious_completions(), 1);
    assert!(deliver(&handle, LONG).await.is_ok());
}

#[tokio::test]
async fn an_answer_for_another_instances_request_reaches_nobody() {
    let victim = sinner("never_completes").await;
    let waiting = tokio::spawn({
        let victim = victim.clone();
        async move { deliver(&victim, Duration::from_millis(500)).await }
    });
    tokio::task::yield_now().await;
    // The victim's number is among those just before its own.
    let forger = started("faulty", json!({ "sin": "completes_foreign", "reach": 1000 })).await;
    assert!(deliver(&forger, LONG).await.is_ok());
    assert!(forger.spurious_completions() > 1);
    assert_eq!(waiting.await.expect("runs"), Err(CallError::Timeout));
    assert_eq!(victim.spurious_completions(), 0);
}

#[tokio::test]
async fn garbage_an_unknown_status_and_a_flood_are_failures() {
    let sink = PluginSink::new(sinner("garbage").await, LONG);
    let refused = sink.deliver(vec![json!({ "id": "1" })]).await;
    assert!(matches!(refused, Err(SinkError::Unavailable(_))), "{refused:?}");
    for sin in ["unknown_status", "flood", "ok_with_error"] {
        let answer = deliver(&sinner(sin).await, LONG).await;
        assert!(matches!(answer, Err(CallError::Internal(_))), "{sin}: {answer:?}");
    }
}

#[tokio::test]
async fn a_partly_accepted_batch_is_not_delivered() {
    let sink = PluginSink::new(sinner("accepts_nothing").await, LONG);
    let refused = sink.deliver(vec![json!({ "id": "1" })]).await;
    assert!(matches!(refused, Err(SinkError::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn a_sink_that_does_not_start_gives_its_reason() {
    let image = World::new().load("faulty").expect("loads");
    let config = json!({ "sin": "no_start" });
    let handle = ServiceHandle::create(&image, Kind::Audit, "sink", &config).expect("creates");
    let error = handle.start(Vec::new(), LONG).await.expect_err("must be refused");
    assert_eq!(error.kind(), LoadErrorKind::Start);
    assert!(error.to_string().contains("asked not to start"), "{error}");
}

#[tokio::test]
async fn an_instance_can_be_made_started_and_stopped_again_and_again() {
    let scratch = tempfile::tempdir().expect("scratch folder");
    let path = scratch.path().join("log");
    for number in 0..20 {
        let sink = PluginSink::new(started("audit-file", json!({ "path": path })).await, LONG);
        sink.deliver(vec![json!({ "id": number.to_string() })]).await.expect("delivered");
        sink.stop().await.expect("stops");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("reads").lines().count(), 20);
}
