//! One row per application error, and the shape that clients read.

use patd_core::id::SessionId;
use uuid::Uuid;

use super::*;

fn of(error: Error, place: Place) -> (u32, String) {
    let failure = Failure::of(&error, place);
    assert!(!failure.summary.is_empty() && !failure.detail.is_empty(), "{error:?}");
    assert_eq!(u32::from(failure.status().as_u16()), failure.code / 1000, "{error:?}");
    (failure.code, failure.detail)
}

#[test]
fn every_application_error_has_its_code() {
    let at = Timestamp(1_700_000_000_999_999);
    let bad = |field| Error::BadValue { field, reason: "too long".to_owned() };
    for (error, place, code) in [
        (Error::CredentialsRequired, Place::Session, 401_000),
        (Error::CredentialsRejected, Place::SignIn, 401_001),
        (Error::CredentialsRejected, Place::Session, 401_002),
        (Error::TotpRequired, Place::SignIn, 401_001),
        (Error::SessionSignedOut { at }, Place::Session, 401_002),
        (Error::SessionExpired, Place::SwitchSite, 401_002),
        (Error::SessionRevoked { at: None }, Place::Session, 401_002),
        (Error::TokenExpiredIdle { at }, Place::SignIn, 401_001),
        (Error::TokenExpiredAbsolute { at }, Place::SignIn, 401_001),
        (Error::TokenRevoked { at: Some(at) }, Place::SignIn, 401_001),
        (Error::PasswordNotAllowedWithMfa, Place::SignIn, 401_001),
        (Error::ForeignTokenRefused, Place::SignIn, 401_001),
        (Error::ForeignTokenRefused, Place::SwitchSite, 401_003),
        (Error::InteractiveRequired, Place::Session, 403_004),
        (Error::NotPermitted("x"), Place::Session, 403_004),
        (Error::NotPermitted("x"), Place::Users, 403_133),
        (Error::NotPermitted("x"), Place::OwnMembership, 403_009),
        (Error::NotPermitted("x"), Place::SignIn, 401_001),
        (Error::NotPermitted("x"), Place::Membership, 403_004),
        (Error::CurrentPasswordWrong, Place::Session, 403_004),
        (Error::SessionOfAnotherSite, Place::Session, 403_004),
        (Error::MintFrozen, Place::Session, 403_157),
        (Error::AlreadyAtSite, Place::SwitchSite, 403_070),
        (Error::SwitchRefused, Place::SwitchSite, 401_003),
        (Error::NotFound("site"), Place::Session, 404_000),
        (Error::NotFound("user"), Place::Session, 404_002),
        (Error::NotFound("thing"), Place::Membership, 404_002),
        (Error::NotFound("token"), Place::Session, 404_003),
        (Error::AlreadyMember, Place::Session, 409_000),
        (Error::TokenNameTaken, Place::Session, 409_000),
        (Error::TokenLimitReached { limit: 3 }, Place::Session, 409_000),
        (Error::UsernameTaken, Place::Session, 409_000),
        (Error::TotpState("enrolled already"), Place::Session, 409_000),
        (bad("username"), Place::Session, 400_000),
        (Error::BadRequest { field: "cursor", reason: "is not ours".to_owned() }, Place::Session, 400_000),
        (Error::TooManyAttempts { retry_after_s: 7 }, Place::SignIn, 429_000),
        (Error::AuditUnavailable, Place::SignIn, 503_000),
        (Error::Unavailable { cause: "disk".to_owned() }, Place::SignIn, 503_000),
    ] {
        assert_eq!(of(error.clone(), place).0, code, "{error:?}");
    }
}

#[test]
fn a_superseded_session_is_told_when_and_by_which() {
    let successor = Some(SessionId(Uuid::from_u128(7)));
    let (code, detail) =
        of(Error::SessionSuperseded { at: Timestamp(1_700_000_000_999_999), successor }, Place::Session);
    assert_eq!(code, 401_002);
    assert_eq!(
        detail,
        "Invalid authentication credentials were provided. (session-superseded: another sign-in with the same \
         token ended this session; at 2023-11-14T22:13:20Z; successor 00000000-0000-0000-0000-000000000007)"
    );
}

#[test]
fn wrong_and_unknown_secrets_answer_the_vendors_words_and_nothing_more() {
    assert_eq!(of(Error::CredentialsRejected, Place::SignIn).1, "Error signing in to Tableau Server");
    assert_eq!(
        of(Error::CredentialsRejected, Place::Session).1,
        "Invalid authentication credentials were provided."
    );
}

#[test]
fn what_only_the_log_may_know_is_not_shown() {
    let (_, detail) = of(Error::Unavailable { cause: "/var/lib/patd/x.db".to_owned() }, Place::Session);
    assert!(!detail.contains("/var"));
}

#[test]
fn the_error_body_has_all_three_parts_in_both_formats() {
    let reply = Reply::of(
        StatusCode::UNAUTHORIZED,
        vec![Failure::of(&Error::CredentialsRejected, Place::Session).element()],
    );
    assert!(reply.text(Format::Xml).contains(
        r#"<error code="401002"><summary>Unauthorized Access</summary><detail>Invalid authentication credentials were provided.</detail></error>"#
    ));
    let json: serde_json::Value = serde_json::from_str(&reply.text(Format::Json)).expect("JSON");
    assert_eq!(
        json,
        serde_json::json!({"error": {
            "summary": "Unauthorized Access",
            "detail": "Invalid authentication credentials were provided.",
            "code": "401002",
        }})
    );
}

#[test]
fn the_transports_refusals_have_the_same_body() {
    for (status, code) in [(413, 413_000), (415, 415_000), (429, 429_000), (503, 503_000), (200, 500_000)] {
        let status = StatusCode::from_u16(status).expect("a status");
        assert_eq!(Failure::of_status(status, "x").code, code);
    }
    let answer = Failure::of_status(StatusCode::TOO_MANY_REQUESTS, "x").retry_after(9).render(Format::Xml);
    assert_eq!(answer.headers().get(RETRY_AFTER), Some(&HeaderValue::from_static("9")));
    let answer = Failure::wrong_method("GET, POST".to_owned()).render(Format::Json);
    assert_eq!(answer.headers().get(ALLOW), Some(&HeaderValue::from_static("GET, POST")));
}
