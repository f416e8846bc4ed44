//! Failures: this surface's codes, summaries and details, made from the one application error.
//!
//! The first three digits of a code are the HTTP status. A wrong or unknown secret always answers the same bytes;
//! who holds a real one is told in the detail why it no longer works. Never repeats what the client sent, and never
//! shows what only the log may know.

use axum::response::Response;
use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use patd_core::time::Timestamp;
use patd_service::error::Error;

use super::accept::Format;
use super::answer::{Element, Reply};
use super::body::Malformed;
use crate::problem::Problem;

const NOT_VALID: &str = "Invalid authentication credentials were provided.";
const NOT_SIGNED_IN: &str = "Error signing in to Tableau Server";

/// What a call failed with: rendered as `<error code=…><summary/><detail/></error>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    code: u32,
    summary: &'static str,
    detail: String,
    retry_after_s: Option<u64>,
    allow: Option<String>,
}

/// At which call an application error arose: the vendor's codes differ by call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// `auth/signin`.
    SignIn,
    /// `auth/switchSite`.
    SwitchSite,
    /// Reading users.
    Users,
    /// Changing or removing another member.
    Membership,
    /// Changing the caller's own membership.
    OwnMembership,
    /// Everything else with a session.
    Session,
}

impl Failure {
    pub(crate) fn new(code: u32, summary: &'static str, detail: impl Into<String>) -> Self {
        Self { code, summary, detail: detail.into(), retry_after_s: None, allow: None }
    }

    /// 401000.
    pub(crate) fn no_credential() -> Self {
        Self::new(401_000, "Unauthorized Access", "No authentication credentials were provided.")
    }

    /// 401002 for the holder of a real session of a kind that this surface does not take (R1).
    pub(crate) fn interactive() -> Self {
        let reason = "interactive-session: interactive sessions are for patd itself; sign in with a token";
        Self::new(401_002, "Unauthorized Access", format!("{NOT_VALID} ({reason})"))
    }

    /// 401001 with a reason that does not depend on any account.
    pub(crate) fn sign_in(reason: &str) -> Self {
        Self::new(401_001, "Signin Error", format!("{NOT_SIGNED_IN} ({reason})"))
    }

    /// 400000.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400_000, "Bad Request", detail)
    }

    /// 403004.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403_004, "Forbidden", detail)
    }

    /// 404000: unknown, and another site's, alike (R8).
    pub(crate) fn no_site() -> Self {
        Self::new(404_000, "Resource Not Found", "Site could not be found.")
    }

    /// 404002.
    pub(crate) fn no_user() -> Self {
        Self::new(404_002, "Resource Not Found", "User could not be found.")
    }

    /// 404003.
    pub(crate) fn no_path(detail: impl Into<String>) -> Self {
        Self::new(404_003, "Resource Not Found", detail)
    }

    /// 405000 with the methods that the path does take.
    pub(crate) fn wrong_method(allow: String) -> Self {
        let detail = format!("The requested method is not allowed here; allowed: {allow}.");
        Self { allow: Some(allow), ..Self::new(405_000, "Method Not Allowed", detail) }
    }

    /// What the transport refuses before or around this surface: 413, 415, 429, 503 and the like.
    pub(crate) fn of_status(status: StatusCode, detail: impl Into<String>) -> Self {
        let status = if status.is_client_error() || status.is_server_error() {
            status
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        };
        let summary = status.canonical_reason().unwrap_or("Request Failed");
        Self::new(u32::from(status.as_u16()) * 1000, summary, detail)
    }

    /// This failure with a `Retry-After`.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// The HTTP status: the code's first three digits.
    pub(crate) fn status(&self) -> StatusCode {
        u16::try_from(self.code / 1000)
            .ok()
            .and_then(|status| StatusCode::from_u16(status).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Writes it.
    pub(crate) fn render(&self, format: Format) -> Response {
        let mut response = Reply::of(self.status(), vec![self.element()]).render(format);
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow.as_ref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
            response.headers_mut().insert(ALLOW, allow);
        }
        response
    }

    fn element(&self) -> Element {
        Element::new("error")
            .with("code", self.code.to_string())
            .child(Element::new("summary").text(self.summary))
            .child(Element::new("detail").text(self.detail.as_str()))
    }

    /// The one match from the application error.
    pub(crate) fn of(error: &Error, place: Place) -> Self {
        match error {
            Error::CredentialsRequired => Self::no_credential(),
            Error::CredentialsRejected => Self::refused(place, None),
            Error::TotpRequired => Self::refused(place, Some(("totp-required", error, None))),
            Error::SessionSuperseded { at, .. } => {
                Self::refused(place, Some(("session-superseded", error, Some(*at))))
            }
            Error::SessionSignedOut { at } => {
                Self::refused(place, Some(("session-signed-out", error, Some(*at))))
            }
            Error::SessionExpired => Self::refused(place, Some(("session-expired", error, None))),
            Error::SessionRevoked { at } => Self::refused(place, Some(("session-revoked", error, *at))),
            Error::TokenExpiredIdle { at } => {
                Self::refused(place, Some(("token-expired-idle", error, Some(*at))))
            }
            Error::TokenExpiredAbsolute { at } => {
                Self::refused(place, Some(("token-expired-absolute", error, Some(*at))))
            }
            Error::TokenRevoked { at } => Self::refused(place, Some(("token-revoked", error, *at))),
            Error::PasswordNotAllowedWithMfa => {
                Self::refused(place, Some(("password-not-allowed-with-mfa", error, None)))
            }
            Error::ForeignTokenRefused if place == Place::SwitchSite => Self::no_switch(),
            Error::ForeignTokenRefused => Self::refused(place, Some(("foreign-token-refused", error, None))),
            Error::NotPermitted(_) if place == Place::Users => {
                Self::new(403_133, "Forbidden", "Only a site administrator may query other users.")
            }
            Error::NotPermitted(_) if place == Place::OwnMembership => {
                Self::new(403_009, "Forbidden", "Nobody may change their own site role.")
            }
            // Tokens are turned off at their home: the holder of a real one is told at sign-in, under the one code.
            Error::NotPermitted(_) if place == Place::SignIn => {
                Self::refused(place, Some(("not-permitted", error, None)))
            }
            Error::InteractiveRequired
            | Error::NotPermitted(_)
            | Error::CurrentPasswordWrong
            | Error::SessionOfAnotherSite => Self::forbidden(sentence(error)),
            Error::MintFrozen => Self::new(403_157, "Forbidden", sentence(error)),
            Error::AlreadyAtSite => Self::new(403_070, "Forbidden", sentence(error)),
            Error::SwitchRefused => Self::no_switch(),
            Error::NotFound("site") => Self::no_site(),
            Error::NotFound("user") => Self::no_user(),
            Error::NotFound(_)
                if matches!(place, Place::Users | Place::Membership | Place::OwnMembership) =>
            {
                Self::no_user()
            }
            Error::NotFound(_) => Self::no_path(sentence(error)),
            Error::AlreadyMember => Self::new(409_000, "Resource Conflict", sentence(error)),
            Error::TokenNameTaken
            | Error::TokenLimitReached { .. }
            | Error::UsernameTaken
            | Error::TotpState(_) => Self::new(409_000, "Resource Conflict", sentence(error)),
            Error::BadValue { .. } | Error::BadRequest { .. } => Self::bad_request(sentence(error)),
            Error::TooManyAttempts { retry_after_s } => {
                Self::of_status(StatusCode::TOO_MANY_REQUESTS, sentence(error)).retry_after(*retry_after_s)
            }
            Error::AuditUnavailable => Self::unavailable(),
            // No call of this surface answers with these.
            Error::TooManyStreams { .. } | Error::UnknownEvent => Self::bad_request(sentence(error)),
            Error::Unavailable { cause } => {
                tracing::warn!(%cause, "a request could not be carried out");
                Self::unavailable()
            }
        }
    }

    fn unavailable() -> Self {
        let detail = "The service is temporarily unavailable; try again.";
        Self::of_status(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1)
    }

    fn no_switch() -> Self {
        Self::new(
            401_003,
            "Unauthorized Access",
            "The site does not exist or the session cannot be switched to it.",
        )
    }

    /// 401001 at sign-in, else 401002; with the reason and the time for whoever proved to hold the real secret.
    fn refused(place: Place, why: Option<(&str, &Error, Option<Timestamp>)>) -> Self {
        let (code, summary, detail) = match place {
            Place::SignIn => (401_001, "Signin Error", NOT_SIGNED_IN),
            _ => (401_002, "Unauthorized Access", NOT_VALID),
        };
        let mut detail = detail.to_owned();
        if let Some((name, error, at)) = why {
            detail.push_str(&format!(" ({name}: {error}"));
            if let Some(at) = at {
                detail.push_str(&format!("; at {}", time(at)));
            }
            if let Error::SessionSuperseded { successor: Some(successor), .. } = error {
                detail.push_str(&format!("; successor {successor}"));
            }
            detail.push(')');
        }
        Self::new(code, summary, detail)
    }
}

/// The error's text as a sentence.
fn sentence(error: &impl std::fmt::Display) -> String {
    capital(format!("{error}."))
}

fn capital(mut text: String) -> String {
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// A time as this surface writes it: UTC, whole seconds, `Z`.
pub(crate) fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.0.div_euclid(1_000_000))
        .map_or_else(|_| String::new(), |at| at.to_string())
}

/// What the shared parts of the HTTP side refuse. Their causes are logged where they arise.
impl From<&Problem> for Failure {
    fn from(problem: &Problem) -> Self {
        match problem.source.as_deref() {
            Some(Error::Unavailable { .. }) => Self::unavailable(),
            Some(error) => Self::of(error, Place::Session),
            None if problem.status() == StatusCode::SERVICE_UNAVAILABLE => Self::unavailable(),
            None => Self::of_status(problem.status(), capital(format!("{}.", problem.detail))),
        }
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::TooLarge => Self::of_status(StatusCode::PAYLOAD_TOO_LARGE, sentence(&malformed)),
            _ => Self::bad_request(sentence(&malformed)),
        }
    }
}

#[cfg(test)]
mod tests;
