//! What is in a mail, and to whom it goes.

use serde_json::json;

use crate::server::{Server, header};
use crate::{LONG, deliver, event, plain};

#[test]
fn a_mail_has_both_parts_and_the_event_s_id_and_says_that_a_machine_wrote_it() {
    let server = Server::plain();
    let sink = plain(server.port);
    let answer = deliver(&sink, &[(event("id-1"), &["ann@people.example"])], LONG);
    assert_eq!(answer.payload, json!({ "accepted_through": "id-1", "rejected": [] }), "{}", answer.detail);
    let mail = server.mail();
    assert_eq!(
        (&mail["sender"], &mail["type"]),
        (&json!("patd@patd.example"), &json!("multipart/alternative"))
    );
    assert_eq!(mail["recipients"], json!(["ann@people.example"]));
    assert_eq!(mail["date"], "2026-11-24T08:00:00+00:00");
    assert_eq!(mail["defects"], json!([]));
    assert_eq!(header(&mail, "subject"), ["A personal access token was made in your name"]);
    assert_eq!(header(&mail, "auto-submitted"), ["auto-generated"]);
    assert_eq!(header(&mail, "from"), ["patd <patd@patd.example>"]);
    let id = header(&mail, "message-id").remove(0);
    assert!(id.starts_with("<id-1.") && id.ends_with("@patd.example>"), "{id}");
    let (text, html) = (mail["text"].as_str().expect("text"), mail["html"].as_str().expect("HTML"));
    assert!(text.contains("user agent: <b>ünï</b>  X: y") && text.contains("address: 192.0.2.1"), "{text}");
    assert!(html.contains("ünï") && !html.contains("<b>") && html.contains("192.0.2.1"), "{html}");
    sink.stop();
}

#[test]
fn names_and_types_of_any_form_make_no_header_and_no_recipient() {
    let server = Server::plain();
    let sink = plain(server.port);
    let mut hostile = event("id-1");
    hostile["type"] = json!("patd.x\r\nBcc: other@people.example\r\n\r\nbody");
    let name = "A\r\nBcc: other@people.example\r\n\r\n<script>";
    let recipients = json!({ "id-1": [
        { "email": "ann@people.example", "name": name },
        { "email": "bob@people.example\r\nRCPT TO:<other@people.example>", "name": "B" },
        { "email": "c d@people.example" }, { "email": "" }, { "email": "<e@people.example>, f@people.example" },
    ] });
    let payload = json!({ "batch_id": "b", "events": [hostile], "recipients": recipients });
    let answer = sink.ask(patd_sdk::abi::op::DELIVER, payload.to_string().as_bytes(), LONG);
    assert_eq!(answer.payload["accepted_through"], "id-1", "{}", answer.detail);
    let mail = server.mail();
    assert_eq!(mail["recipients"], json!(["ann@people.example"]));
    assert_eq!(mail["to"].as_array().map(Vec::len), Some(1));
    assert_eq!(mail["to"][0][1], "ann@people.example");
    let mut names: Vec<&str> =
        mail["headers"].as_array().expect("headers").iter().filter_map(|one| one[0].as_str()).collect();
    names.sort_unstable();
    let known =
        ["auto-submitted", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"];
    assert_eq!(names, known);
    assert!(server.rest().is_empty(), "addresses that are none get no mail");
    sink.stop();
}

#[test]
fn each_recipient_gets_a_mail_of_their_own_and_a_second_delivery_is_the_same_mail() {
    let server = Server::plain();
    let sink = plain(server.port);
    let events = [(event("id-1"), &["ann@people.example", "bob@people.example"][..])];
    let mut ids = Vec::new();
    for _ in 0..2 {
        assert_eq!(deliver(&sink, &events, LONG).payload["accepted_through"], "id-1");
        // Another event between, so that the sink has forgotten the first.
        assert_eq!(
            deliver(&sink, &[(event("id-2"), &["eve@people.example"])], LONG).payload["accepted_through"],
            "id-2"
        );
        for address in ["ann@people.example", "bob@people.example", "eve@people.example"] {
            let mail = server.mail();
            assert_eq!(mail["recipients"], json!([address]));
            assert_eq!(mail["to"].as_array().map(Vec::len), Some(1), "nobody sees another");
            ids.push((header(&mail, "message-id").remove(0).to_owned(), mail["date"].clone()));
        }
    }
    assert_eq!(ids[..3], ids[3..]);
    assert_ne!(ids[0], ids[1]);
    sink.stop();
}

#[test]
fn what_concerns_nobody_is_accepted_without_a_mail_and_without_a_server() {
    let sink = plain(1);
    let answer = deliver(&sink, &[(event("1"), &[]), (event("2"), &[])], LONG);
    assert_eq!(answer.payload, json!({ "accepted_through": "2", "rejected": [] }), "{}", answer.detail);
    sink.stop();
}
