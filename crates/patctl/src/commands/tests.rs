//! Whole command lines against a scripted server.
#![expect(clippy::unwrap_used, reason = "tests")]

use clap::{CommandFactory as _, FromArgMatches as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::secret::reader_of;
use crate::test_server::{Answer, TestServer};

/// Runs `patctl ARGS` with this standard input; gives the result and what was written.
fn patctl(home: &TempDir, args: &[&str], stdin: &'static str) -> (Result<(), Failure>, String) {
    let cli = parsed(args).unwrap();
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let context = Context {
        output: Output::new(cli.common.output, &mut out, &mut notes),
        common: cli.common,
        secrets: reader_of(stdin),
        sessions: SessionFile::below(home.path()),
    };
    let result = dispatch(cli.command, context);
    (result, anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string())
}

/// The command line alone: whoever runs the tests may have a server in the environment.
fn parsed(args: &[&str]) -> Result<Cli, clap::Error> {
    let deaf = |arg: clap::Arg| arg.env(None::<&str>);
    let command = Cli::command().mut_arg("server", deaf).mut_arg("site", deaf);
    Cli::from_arg_matches(&command.try_get_matches_from([&["patctl"], args].concat())?)
}

fn opened(kind: &str) -> Answer {
    Answer::json(
        201,
        json!({
            "credential": "key|s3cret|luid", "session": {"id": "s-1", "kind": kind, "expires_at": "2026-01-01T02:00:00Z"},
            "site": {"luid": "luid", "content_url": "Acme"}, "user": {"luid": "u-1", "username": "ada", "site_role": "Creator"},
            "token": null, "superseded": null,
        }),
    )
}

fn body_of(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// A home whose session belongs to `server`.
fn signed_in(server: &TestServer) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let session = Session {
        server: server.url(),
        site: "Acme".to_owned(),
        username: "ada".to_owned(),
        expires_at: String::new(),
        credential: "key|s3cret|luid".to_owned(),
    };
    SessionFile::below(home.path()).save(&session).unwrap();
    home
}

#[test]
fn login_opens_an_interactive_session_and_keeps_it_without_showing_the_credential() {
    let server = TestServer::answering([opened("interactive")]);
    let home = tempfile::tempdir().unwrap();
    let url = server.url();
    let args = [
        "login",
        "--server",
        &url,
        "--site",
        "acme",
        "--username",
        "ada",
        "--password-stdin",
        "--totp-stdin",
    ];
    let (result, out) = patctl(&home, &[&args[..], &["--output", "json"]].concat(), "pass word\n123456\n");
    result.unwrap();
    assert!(out.contains("interactive") && !out.contains("s3cret"), "{out}");
    let sent = body_of(&server.requests()[0]);
    let expected = json!({"site": "acme", "username": "ada", "password": "pass word", "totp": "123456", "interactive": true});
    assert_eq!(sent, expected);
    let kept = SessionFile::below(home.path()).load().unwrap().unwrap();
    assert_eq!((&*kept.credential, &*kept.site, kept.server), ("key|s3cret|luid", "Acme", url));
}

#[test]
fn login_with_a_token_sends_its_secret_and_asks_for_nothing_else() {
    let server = TestServer::answering([opened("token")]);
    let home = tempfile::tempdir().unwrap();
    let args = ["login", "--server", &server.url(), "--site", "acme", "--token-stdin"];
    patctl(&home, &args, "patd_x\n").0.unwrap();
    assert_eq!(body_of(&server.requests()[0]), json!({"site": "acme", "token_secret": "patd_x"}));
}

#[test]
fn login_with_a_token_sends_the_name_that_it_should_have() {
    let server = TestServer::answering([opened("token")]);
    let home = tempfile::tempdir().unwrap();
    let args = ["login", "--server", &server.url(), "--site", "acme", "--token-stdin", "--token-name", "ci"];
    patctl(&home, &args, "patd_x\n").0.unwrap();
    let sent = json!({"site": "acme", "token_secret": "patd_x", "token_name": "ci"});
    assert_eq!(body_of(&server.requests()[0]), sent);
    assert!(parsed(&["login", "--username", "ada", "--token-name", "ci"]).is_err());
}

#[test]
fn revocations_send_the_time_and_say_how_much_ended() {
    let answer = |dry_run: bool| {
        Answer::json(
            200,
            json!({"issued_before": "2026-01-31T12:00:00Z", "dry_run": dry_run, "tokens": 3, "sessions": 2}),
        )
    };
    let server = TestServer::answering([answer(true), answer(false)]);
    let home = signed_in(&server);
    let args = ["revocations", "--issued-before", "2026-01-31T12:00:00Z"];
    let (result, out) = patctl(&home, &[&args[..], &["--dry-run"]].concat(), "");
    result.unwrap();
    assert!(out.contains('3') && out.contains("2026-01-31"), "{out}");
    patctl(&home, &[&args[..], &["--site", "globex"]].concat(), "").0.unwrap();
    let requests = server.requests();
    assert!(requests[0].starts_with("POST /v1/sites/Acme/revocations "));
    assert!(requests[1].starts_with("POST /v1/sites/globex/revocations "));
    assert_eq!(body_of(&requests[0]), json!({"issued_before": "2026-01-31T12:00:00Z", "dry_run": true}));
    assert_eq!(body_of(&requests[1])["dry_run"], false);
    assert!(parsed(&["revocations"]).is_err(), "there is no time by default");
}

#[test]
fn a_profile_sends_only_what_changes_and_the_session_file_follows_a_new_user_name() {
    let user = json!({"luid": "u-1", "username": "lovelace", "full_name": "Ada L", "email": ""});
    let server = TestServer::answering([Answer::json(200, user)]);
    let home = signed_in(&server);
    let args = ["profile", "--username", "lovelace", "--full-name", "Ada L", "--email", ""];
    let (result, out) = patctl(&home, &args, "");
    result.unwrap();
    assert!(out.contains("lovelace"), "{out}");
    let requests = server.requests();
    assert!(requests[0].starts_with("PATCH /v1/me "));
    assert_eq!(body_of(&requests[0]), json!({"username": "lovelace", "full_name": "Ada L", "email": ""}));
    let kept = SessionFile::below(home.path()).load().unwrap().unwrap();
    assert_eq!((&*kept.username, &*kept.credential), ("lovelace", "key|s3cret|luid"));
}

#[test]
fn notices_are_switched_by_name_and_a_profile_without_options_is_shown() {
    let me = json!({"luid": "u-1", "username": "ada", "notices": {"token_minted": false, "inventory": true}});
    let server = TestServer::answering([Answer::json(200, me.clone()), Answer::json(200, me)]);
    let home = signed_in(&server);
    let args = ["profile", "--notice", "token_minted=off", "--notice", "inventory=on"];
    let (result, _) = patctl(&home, &args, "");
    result.unwrap();
    let (result, out) = patctl(&home, &["profile"], "");
    result.unwrap();
    assert!(out.contains("token_minted"), "{out}");
    let requests = server.requests();
    assert!(requests[0].starts_with("PATCH /v1/me "));
    assert_eq!(body_of(&requests[0]), json!({"notices": {"token_minted": false, "inventory": true}}));
    assert!(requests[1].starts_with("GET /v1/me "));
    assert!(parsed(&["profile", "--notice", "token_minted"]).is_err(), "on or off");
}

#[test]
fn login_without_a_terminal_reports_that_a_code_is_needed() {
    let server = TestServer::answering([Answer::problem(401, "totp-required")]);
    let home = tempfile::tempdir().unwrap();
    let args =
        ["login", "--server", &server.url(), "--site", "acme", "--username", "ada", "--password-stdin"];
    let failure = patctl(&home, &args, "pw\n").0.unwrap_err();
    assert_eq!(failure.exit_code(), 1);
    assert!(failure.advice().unwrap().contains("--totp-stdin"));
    assert!(SessionFile::below(home.path()).load().unwrap().is_none());
}

#[test]
fn login_needs_a_server_a_site_and_somebody_to_be() {
    let home = tempfile::tempdir().unwrap();
    let failure = patctl(&home, &["login", "--username", "ada"], "").0.unwrap_err();
    assert!(failure.to_string().contains("--server") && failure.exit_code() == 2);
    assert!(parsed(&["login", "--server", "http://x"]).is_err());
    assert!(parsed(&["login", "--username", "a", "--token-stdin"]).is_err());
}

#[test]
fn a_credential_is_sent_to_no_other_server_than_its_own() {
    let (server, other) = (TestServer::answering([]), TestServer::answering([opened("token")]));
    let home = signed_in(&server);
    let failure = patctl(&home, &["whoami", "--server", &other.url()], "").0.unwrap_err();
    assert!(failure.to_string().contains("you are signed in at") && failure.exit_code() == 2);
    assert_eq!(other.requests().len(), 0);
}

#[test]
fn commands_without_a_session_say_how_to_sign_in() {
    let home = tempfile::tempdir().unwrap();
    let failure = patctl(&home, &["tokens", "list"], "").0.unwrap_err();
    assert!(failure.to_string().contains("patctl login") && failure.exit_code() == 4);
}

#[test]
fn logout_forgets_the_session_even_if_it_had_ended() {
    let server = TestServer::answering([Answer::problem(401, "session-superseded")]);
    let home = signed_in(&server);
    let (result, out) = patctl(&home, &["logout"], "");
    result.unwrap();
    assert!(out.contains("ended before"), "{out}");
    assert!(SessionFile::below(home.path()).load().unwrap().is_none());
}

#[test]
fn logout_keeps_the_session_if_the_server_could_not_end_it() {
    let server = TestServer::answering([Answer::problem(503, "unavailable")]);
    let home = signed_in(&server);
    assert_eq!(patctl(&home, &["logout"], "").0.unwrap_err().exit_code(), 1);
    assert!(SessionFile::below(home.path()).load().unwrap().is_some());
}

#[test]
fn tokens_are_minted_listed_over_pages_and_revoked() {
    let minted = json!({"id": "t-1", "name": "ci", "secret": "patd_secret", "created_at": "c", "expires_at": "e", "idle_expires_at": "i"});
    let item = |id: &str| json!({"id": id, "name": "n", "owner": {"luid": "u", "username": "ada"}, "ended_at": "now", "ended_reason": "revoked"});
    let server = TestServer::answering([
        Answer::json(201, minted),
        Answer::json(200, json!({"items": [item("1"), item("2")], "next_cursor": "c/1"})),
        Answer::json(200, json!({"items": [item("3")], "next_cursor": null})),
        Answer::empty(204),
        Answer::empty(204),
    ]);
    let home = signed_in(&server);
    let (result, out) = patctl(&home, &["tokens", "create", "ci", "--lifetime-days", "30"], "");
    result.unwrap();
    assert!(out.contains("patd_secret"), "{out}");
    let (result, out) = patctl(&home, &["tokens", "list", "--all", "--ended"], "");
    result.unwrap();
    assert_eq!(out.lines().count(), 4, "{out}");
    patctl(&home, &["tokens", "revoke", "a/b"], "").0.unwrap();
    patctl(&home, &["tokens", "revoke-all", "--user", "u-1", "--site", "globex"], "").0.unwrap();
    let requests = server.requests();
    let line =
        |index: usize| requests[index].lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    assert_eq!(body_of(&requests[0]), json!({"name": "ci", "lifetime_days": 30}));
    assert_eq!(line(0), "POST /v1/sites/Acme/tokens");
    assert_eq!(line(1), "GET /v1/sites/Acme/tokens?owner=all&ended=true&limit=1000");
    assert_eq!(line(2), "GET /v1/sites/Acme/tokens?owner=all&ended=true&limit=998&cursor=c%2F1");
    assert_eq!(line(3), "DELETE /v1/sites/Acme/tokens/a%2Fb");
    assert_eq!(line(4), "DELETE /v1/sites/globex/users/u-1/tokens");
}

#[test]
fn users_are_invited_and_changed() {
    let invited = json!({"luid": "u-2", "username": "bob", "site_role": "Viewer", "state": "pending", "invitation": "only-once", "expires_at": "e"});
    let server = TestServer::answering([
        Answer::json(201, invited),
        Answer::json(200, json!({"luid": "u-2"})),
        Answer::empty(204),
        Answer::empty(204),
    ]);
    let home = signed_in(&server);
    let (result, out) = patctl(&home, &["users", "invite", "bob", "--role", "viewer"], "");
    result.unwrap();
    assert!(out.contains("only-once"), "{out}");
    patctl(&home, &["users", "set-role", "u-2", "Explorer"], "").0.unwrap();
    patctl(&home, &["users", "disable", "u-2"], "").0.unwrap();
    patctl(&home, &["users", "remove", "u-2"], "").0.unwrap();
    let requests = server.requests();
    assert_eq!(body_of(&requests[0]), json!({"username": "bob", "site_role": "Viewer"}));
    assert_eq!(body_of(&requests[1]), json!({"site_role": "Explorer"}));
    assert_eq!(body_of(&requests[2]), json!({"disabled": true}));
    assert!(
        requests[2].starts_with("PATCH /v1/sites/Acme/users/u-2 ")
            && requests[3].starts_with("DELETE /v1/sites/Acme/users/u-2 ")
    );
}

#[test]
fn an_invitation_is_redeemed_with_a_password_or_with_a_session() {
    let server = TestServer::answering([Answer::empty(204), Answer::json(201, json!({"username": "ada"}))]);
    let home = signed_in(&server);
    let args = ["invitation", "redeem", "--invitation-stdin", "--password-stdin", "--totp-stdin"];
    patctl(&home, &args, "inv\npw\n000000\n").0.unwrap();
    patctl(&home, &["invitation", "redeem", "--invitation-stdin", "--signed-in"], "inv\n").0.unwrap();
    let requests = server.requests();
    assert_eq!(body_of(&requests[0]), json!({"invitation": "inv", "password": "pw", "totp": "000000"}));
    assert_eq!(body_of(&requests[1]), json!({"invitation": "inv"}));
    assert!(!requests[0].contains("authorization:") && requests[1].contains("authorization:"));
}

#[test]
fn password_and_one_time_codes_are_changed_for_oneself() {
    let server = TestServer::answering([
        Answer::empty(204),
        Answer::json(200, json!({"secret": "BASE32", "otpauth_url": "otpauth://x"})),
        Answer::json(200, json!({"recovery_codes": ["aa", "bb"]})),
        Answer::empty(204),
    ]);
    let home = signed_in(&server);
    patctl(&home, &["password", "--stdin"], "old\nnew\n").0.unwrap();
    let (result, out) = patctl(&home, &["totp", "enable", "--code-stdin"], "123456\n");
    result.unwrap();
    assert!(out.contains("BASE32") && out.contains("aa bb"), "{out}");
    patctl(&home, &["totp", "disable", "--code-stdin"], "654321\n").0.unwrap();
    let requests = server.requests();
    assert_eq!(body_of(&requests[0]), json!({"current_password": "old", "new_password": "new"}));
    assert!(
        requests[1].starts_with("POST /v1/me/totp ") && requests[2].starts_with("POST /v1/me/totp/confirm ")
    );
    assert_eq!(body_of(&requests[2]), json!({"code": "123456"}));
    assert_eq!(body_of(&requests[3]), json!({"code": "654321"}));
}

#[test]
fn a_stream_is_shown_event_by_event_and_taken_up_again_where_it_broke_off() {
    let told = |id: &str| {
        let event = json!({"id": id, "type": "patd.token.minted", "time": "now", "data": {"reason": "why"}});
        format!(": quiet\n\nid: {id}\nevent: patd.token.minted\ndata: {event}\n\n")
    };
    let end = |status: u16| {
        let problem =
            json!({"type": "urn:patd:problem:not-permitted", "title": "Not permitted", "status": status});
        format!("event: end\ndata: {problem}\n\n")
    };
    let server = TestServer::answering([
        Answer::stream(format!("retry: 1000\n\n{}id: cut", told("e-1"))),
        Answer::stream(told("e-2") + &end(503)),
        Answer::stream(told("e-3") + &end(403) + &told("never")),
    ]);
    let home = signed_in(&server);
    let args = [
        "events",
        "--follow",
        "--type",
        "patd.token.*",
        "--severity",
        "low",
        "--after",
        "e-0",
        "--output",
        "json",
    ];
    let (result, out) = patctl(&home, &args, "");
    assert_eq!(result.unwrap_err().exit_code(), 1);
    let ids: Vec<Value> =
        out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect();
    assert_eq!(ids, ["e-1", "e-2", "e-3"]);
    let requests = server.requests();
    assert!(
        requests[0].starts_with("GET /v1/sites/Acme/events?type=patd.token.*&severity=low "),
        "{}",
        requests[0]
    );
    for (request, after) in requests.iter().zip(["e-0", "e-1", "e-2"]) {
        assert!(request.contains("accept: text/event-stream\r\n"), "{request}");
        assert!(request.contains(&format!("last-event-id: {after}\r\n")), "{request}");
    }
}

#[test]
fn events_and_whoami_are_shown() {
    let event = json!({"time": "T", "type": "patd.token.minted", "subject": "s", "data": {"actor": {"username": "ada"}}});
    let who = json!({"user": {"username": "ada"}, "session": {"kind": "interactive"}});
    let server = TestServer::answering([
        Answer::json(200, json!({"items": [event], "next_cursor": null})),
        Answer::json(200, who),
    ]);
    let home = signed_in(&server);
    let (result, out) = patctl(&home, &["events", "--limit", "5"], "");
    result.unwrap();
    assert!(out.contains("patd.token.minted"), "{out}");
    let (result, out) = patctl(&home, &["whoami", "--output", "json"], "");
    result.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["user"]["username"], "ada");
    assert!(server.requests()[0].starts_with("GET /v1/sites/Acme/events?limit=5 "));
}

#[test]
fn completions_are_written_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let home = tempfile::tempdir().unwrap();
        let (result, out) = patctl(&home, &["completions", shell], "");
        result.unwrap();
        assert!(out.contains("patctl"), "{shell}");
    }
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (mut closed, mut notes) = (Closed, std::io::sink());
    let mut output = Output::new(crate::cli::Format::Json, &mut closed, &mut notes);
    let failure = Failure::from(output.object(&json!({}), &[]).unwrap_err());
    assert!(failure.is_broken_pipe());
}
