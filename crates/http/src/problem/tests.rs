//! One test per problem type; the last ones see to it that none is missing.

use std::collections::HashSet;

use patd_core::id::SiteLuid;
use uuid::Uuid;

use super::*;

const ID: RequestId = RequestId(Uuid::from_u128(7));
const AT: Timestamp = Timestamp(1_700_000_000_000_000);
const AT_TEXT: &str = "2023-11-14T22:13:20Z";

fn body(problem: impl Into<Problem>) -> Value {
    problem.into().to_json(ID)
}

/// Checks what all problems have in common, and the extension members.
fn check(problem: impl Into<Problem>, status: u16, name: &str, extensions: Value) {
    let problem: Problem = problem.into();
    let json = body(problem.clone());
    assert_eq!(json["type"], format!("urn:patd:problem:{name}"));
    assert_eq!(json["status"], status);
    assert_eq!(problem.status().as_u16(), status);
    assert_eq!(json["instance"], "urn:uuid:00000000-0000-0000-0000-000000000007");
    assert!(!json["title"].as_str().unwrap_or_default().is_empty());
    let entry = problem.kind.entry();
    assert!(json["detail"].as_str().is_some_and(|text| text.ends_with(entry.remedy)));
    let mut rest = json;
    for member in ["type", "title", "status", "detail", "instance"] {
        rest.as_object_mut().and_then(|members| members.remove(member));
    }
    assert_eq!(rest, extensions);
}

macro_rules! each {
    ($($test:ident: $problem:expr => $status:literal $name:literal $extensions:tt;)+) => {
        $(#[test] fn $test() { check($problem, $status, $name, json!($extensions)); })+
        const TESTED: &[&str] = &[$($name),+];
    };
}

each! {
    a_malformed_request_is_400: Error::BadRequest { field: "limit", reason: "is odd".into() }
        => 400 "invalid-request" {};
    a_missing_credential_is_401: Error::CredentialsRequired => 401 "credentials-required" {};
    a_wrong_credential_is_401: Error::CredentialsRejected => 401 "credentials-rejected" {};
    a_missing_code_is_401: Error::TotpRequired => 401 "totp-required" {};
    a_superseded_session_names_when_and_its_successor:
        Error::SessionSuperseded { at: AT, successor: Some(SessionId(Uuid::from_u128(9))) }
        => 401 "session-superseded"
        {"ended_at": AT_TEXT, "successor": "00000000-0000-0000-0000-000000000009"};
    a_signed_out_session_names_when: Error::SessionSignedOut { at: AT }
        => 401 "session-signed-out" {"ended_at": AT_TEXT};
    an_expired_session_is_401: Error::SessionExpired => 401 "session-expired" {};
    a_revoked_session_names_when_it_is_known: Error::SessionRevoked { at: Some(AT) }
        => 401 "session-revoked" {"ended_at": AT_TEXT};
    an_idle_token_names_when: Error::TokenExpiredIdle { at: AT }
        => 401 "token-expired-idle" {"ended_at": AT_TEXT};
    an_old_token_names_when: Error::TokenExpiredAbsolute { at: AT }
        => 401 "token-expired-absolute" {"ended_at": AT_TEXT};
    a_revoked_token_is_401_also_where_the_time_is_unknown: Error::TokenRevoked { at: None }
        => 401 "token-revoked" {};
    a_password_of_a_user_with_mfa_is_403: Error::PasswordNotAllowedWithMfa
        => 403 "password-not-allowed-with-mfa" {};
    a_session_of_the_wrong_kind_is_403: Error::InteractiveRequired => 403 "interactive-required" {};
    a_lack_of_power_is_403: Error::NotPermitted("site admins only") => 403 "not-permitted" {};
    a_frozen_mint_is_403: Error::MintFrozen => 403 "mint-frozen" {};
    a_foreign_token_is_403: Error::ForeignTokenRefused => 403 "foreign-token-refused" {};
    a_wrong_current_password_is_403: Error::CurrentPasswordWrong => 403 "current-password-wrong" {};
    a_session_of_another_site_is_403: Error::SessionOfAnotherSite => 403 "session-of-another-site" {};
    a_refused_switch_is_403: Error::SwitchRefused => 403 "switch-refused" {};
    what_does_not_exist_is_404: Error::NotFound("token") => 404 "not-found" {};
    a_report_without_a_right_signature_is_403: Problem::new(Kind::LeakSignatureRejected, "no key")
        => 403 "leak-signature-rejected" {};
    an_event_to_go_on_after_that_is_not_known_is_410: Error::UnknownEvent => 410 "unknown-event" {};
    too_many_streams_are_429: Error::TooManyStreams { of: "this site", limit: 8 }
        => 429 "too-many-streams" {};
    a_wrong_method_is_405: Problem::new(Kind::MethodNotAllowed, "no") => 405 "method-not-allowed" {};
    a_slow_body_is_408: Problem::new(Kind::RequestTimeout, "slow") => 408 "request-timeout" {};
    a_taken_token_name_is_409: Error::TokenNameTaken => 409 "token-name-taken" {};
    too_many_tokens_are_409: Error::TokenLimitReached { limit: 3 } => 409 "token-limit-reached" {};
    a_taken_username_is_409: Error::UsernameTaken => 409 "username-taken" {};
    a_member_is_not_invited_again: Error::AlreadyMember => 409 "already-member" {};
    a_session_is_not_switched_to_where_it_is: Error::AlreadyAtSite => 409 "already-at-site" {};
    codes_that_stand_otherwise_are_409: Error::TotpState("there are no codes to confirm")
        => 409 "totp-state" {};
    a_long_body_is_413: Problem::new(Kind::BodyTooLarge, "long") => 413 "body-too-large" {};
    a_wrong_media_type_is_415: Problem::new(Kind::UnsupportedMediaType, "xml")
        => 415 "unsupported-media-type" {};
    a_value_against_a_rule_is_422: Error::BadValue { field: "name", reason: "is too long".into() }
        => 422 "invalid-value" {};
    too_many_attempts_name_the_wait: Error::TooManyAttempts { retry_after_s: 8 }
        => 429 "too-many-attempts" {"retry_after": 8};
    a_sink_without_room_is_503: Error::AuditUnavailable => 503 "audit-unavailable" {};
    our_own_fault_is_503: Error::Unavailable { cause: "disk".into() } => 503 "unavailable" {};
}

#[test]
fn every_type_has_a_test_and_a_name_of_its_own() {
    let names: HashSet<_> = Kind::ALL.iter().map(|kind| kind.entry().name).collect();
    assert_eq!(names.len(), Kind::ALL.len());
    assert_eq!(names, TESTED.iter().copied().collect());
}

#[test]
fn a_cause_of_ours_is_not_told() {
    let json = body(Error::Unavailable { cause: "password=hunter2 at /var/lib".into() });
    assert!(!json.to_string().contains("hunter2"));
}

#[test]
fn the_same_refusal_is_the_same_text_but_for_the_request_id() {
    let [one, other] = [1, 2].map(|id| {
        let id = RequestId(Uuid::from_u128(id));
        Problem::from(Error::CredentialsRejected).to_json(id).to_string().replace(&id.0.to_string(), "")
    });
    assert_eq!(one, other);
}

#[test]
fn a_401_names_its_scheme_and_a_429_its_wait() {
    let answer = Problem::from(Error::CredentialsRequired).render(ID, None);
    assert_eq!(answer.headers()[WWW_AUTHENTICATE], "Bearer realm=\"patd\"");
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
    let answer = Problem::from(Error::CredentialsRequired).basic().render(ID, None);
    assert_eq!(answer.headers()[WWW_AUTHENTICATE], "Basic realm=\"patd\"");
    let answer = Problem::from(Error::TooManyAttempts { retry_after_s: 8 }).render(ID, None);
    assert_eq!(answer.headers()[RETRY_AFTER], "8");
}

#[test]
fn the_site_of_a_successor_is_shown_where_it_was_asked_for() {
    let mut problem = Problem::from(Error::SessionSuperseded { at: AT, successor: None });
    problem.successor_site = Some(Box::new(SiteView {
        luid: SiteLuid(Uuid::from_u128(1)),
        content_url: "Acme".to_owned(),
        name: "Acme Inc".to_owned(),
    }));
    assert_eq!(body(problem)["successor_site"]["content_url"], "Acme");
}
