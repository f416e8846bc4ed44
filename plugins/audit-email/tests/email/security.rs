//! TLS and logins: no mail and no password where they are not safe.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use patd_plugin_host::probe::Running;
use patd_sdk::abi::{op, status};
use serde_json::{Value, json};

use crate::server::Server;
use crate::{LONG, deliver, event, sink, try_start};

const PASSWORD: &str = "canary-correct-horse";

fn config(scheme: &str, port: u16, folder: &Path, further: &Value) -> Value {
    let mut config = json!({
        "smtp": format!("{scheme}://127.0.0.1:{port}"), "from": "patd@patd.example", "ca_file": folder.join("ca.pem"),
    });
    for (key, value) in further.as_object().expect("a table") {
        config[key] = value.clone();
    }
    config
}

fn refused(sink: Running, part: &str) {
    let answer = deliver(&sink, &[(event("1"), &["ann@people.example"])], LONG);
    assert_eq!(answer.status, status::UNAVAILABLE);
    assert!(answer.detail.contains(part), "{}", answer.detail);
    assert!(!answer.detail.contains("canary") && !sink.log().contains("canary"), "{}", answer.detail);
    sink.stop();
}

#[test]
fn with_starttls_and_a_login_mails_go_encrypted_and_in_the_user_s_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::protected(folder.path(), "starttls", &["--password", PASSWORD]);
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).expect("written");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("mode");
    for login in [
        json!({ "username": "patd", "password": PASSWORD }),
        json!({ "username": "patd", "password_file": file }),
    ] {
        let sink = sink(&config("smtp", server.port, folder.path(), &login));
        assert_eq!(sink.ask(op::HEALTH, b"", LONG).status, status::OK);
        let answer = deliver(&sink, &[(event("1"), &["ann@people.example"])], LONG);
        assert_eq!(answer.status, status::OK, "{}", answer.detail);
        let mail = server.mail();
        assert_eq!((&mail["tls"], &mail["login"]), (&json!(true), &json!("patd")));
        sink.stop();
    }
    let wrong = json!({ "username": "patd", "password": "canary-wrong" });
    refused(sink(&config("smtp", server.port, folder.path(), &wrong)), "535");
    refused(sink(&config("smtp", server.port, folder.path(), &json!({}))), "530");
    assert!(server.rest().is_empty());
}

#[test]
fn smtps_is_encrypted_from_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::protected(folder.path(), "tls", &[]);
    let sink = sink(&config("smtps", server.port, folder.path(), &json!({})));
    let answer = deliver(&sink, &[(event("1"), &["ann@people.example"])], LONG);
    assert_eq!(answer.status, status::OK, "{}", answer.detail);
    assert_eq!(server.mail()["recipients"], json!(["ann@people.example"]));
    sink.stop();
}

#[test]
fn a_server_without_starttls_gets_neither_mail_nor_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::plain();
    let login = json!({ "username": "patd", "password": PASSWORD, "ca_file": null });
    refused(sink(&config("smtp", server.port, folder.path(), &login)), "STARTTLS");
    assert!(server.rest().is_empty());
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::protected(folder.path(), "starttls", &[]);
    refused(sink(&config("smtp", server.port, folder.path(), &json!({ "ca_file": null }))), "STARTTLS");
    assert!(server.rest().is_empty());
}

#[test]
fn a_password_file_that_others_can_read_keeps_the_sink_from_starting() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    let start = || {
        let login = json!({ "username": "patd", "password_file": file, "ca_file": null });
        try_start(&config("smtp", 1, folder.path(), &login)).err().unwrap_or_default()
    };
    assert!(start().contains("password_file"), "it is not there");
    std::fs::write(&file, PASSWORD).expect("written");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).expect("mode");
    let refused = start();
    assert!(refused.contains("chmod 600") && !refused.contains("canary"), "{refused}");
    std::fs::write(&file, "\n").expect("written");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("mode");
    assert!(start().contains("empty"));
}
