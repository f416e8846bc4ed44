//! Problems (RFC 9457): how the native API says that something was refused.
//!
//! One registry ([`registry`]), one translation from the application error, one renderer. Never shows a cause of our
//! own faults and never repeats what the client sent.

pub mod registry;

use axum::body::Body;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use patd_core::id::SessionId;
use patd_core::time::Timestamp;
use patd_service::cloud_event::rfc3339;
use patd_service::error::Error;
use patd_service::view::SiteView;
use serde_json::{Map, Value, json};

pub use registry::Kind;

use crate::envelope::{RequestId, X_REQUEST_ID};

/// Which scheme a 401 asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A session credential.
    Bearer,
    /// A site's own credential.
    Basic,
}

/// A refusal on its way to the client. As a response it carries itself in the extensions; the envelope around the
/// router, which knows the request id and the surface, renders it.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The type.
    pub kind: Kind,
    /// What happened, for people.
    pub detail: String,
    /// When the session or token ended.
    pub ended_at: Option<Timestamp>,
    /// The session that took over.
    pub successor: Option<SessionId>,
    /// The site of that session; only at `/v1/sessions/current`.
    pub successor_site: Option<Box<SiteView>>,
    /// Seconds to wait.
    pub retry_after: Option<u64>,
    /// The scheme to name in a 401.
    pub challenge: Challenge,
    /// The application error that this came from, for surfaces with codes of their own.
    pub source: Option<Box<Error>>,
}

impl Problem {
    /// A problem of this type.
    #[must_use]
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            ended_at: None,
            successor: None,
            successor_site: None,
            retry_after: None,
            challenge: Challenge::Bearer,
            source: None,
        }
    }

    /// A malformed request; `detail` must not repeat what the client sent.
    #[must_use]
    pub fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(Kind::InvalidRequest, detail)
    }

    /// A value that breaks a rule; `detail` must not repeat the value.
    #[must_use]
    pub fn invalid_value(field: &'static str, reason: impl Into<String>) -> Self {
        Error::BadValue { field, reason: reason.into() }.into()
    }

    /// Our own fault, already logged by the caller.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(Kind::Unavailable, "this request could not be carried out now")
    }

    /// Names HTTP Basic in the challenge.
    #[must_use]
    pub fn basic(mut self) -> Self {
        self.challenge = Challenge::Basic;
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.entry().status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
    }

    /// The members of the body.
    #[must_use]
    pub fn to_json(&self, request: RequestId) -> Value {
        let entry = self.kind.entry();
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        put("type", json!(format!("urn:patd:problem:{}", entry.name)));
        put("title", json!(entry.title));
        put("status", json!(entry.status));
        put("detail", json!(format!("{}. {}", self.detail, entry.remedy)));
        put("instance", json!(format!("urn:uuid:{}", request.0)));
        if let Some(at) = self.ended_at {
            put("ended_at", json!(rfc3339(at)));
        }
        if let Some(session) = self.successor {
            put("successor", json!(session.to_string()));
        }
        if let Some(site) = &self.successor_site {
            let site =
                json!({"luid": site.luid.to_string(), "content_url": site.content_url, "name": site.name});
            put("successor_site", site);
        }
        if let Some(seconds) = self.retry_after {
            put("retry_after", json!(seconds));
        }
        Value::Object(body)
    }

    /// The answer of the native API. `allow` is kept from the router's own 405.
    #[must_use]
    pub fn render(&self, request: RequestId, allow: Option<HeaderValue>) -> Response<Body> {
        let mut response = Response::new(Body::from(self.to_json(request).to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_REQUEST_ID, request.header());
        if self.status() == StatusCode::UNAUTHORIZED {
            let scheme = match self.challenge {
                Challenge::Bearer => "Bearer realm=\"patd\"",
                Challenge::Basic => "Basic realm=\"patd\"",
            };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = allow {
            headers.insert(ALLOW, allow);
        }
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::CredentialsRequired => Kind::CredentialsRequired,
            Error::CredentialsRejected => Kind::CredentialsRejected,
            Error::TotpRequired => Kind::TotpRequired,
            Error::SessionSuperseded { .. } => Kind::SessionSuperseded,
            Error::SessionSignedOut { .. } => Kind::SessionSignedOut,
            Error::SessionExpired => Kind::SessionExpired,
            Error::SessionRevoked { .. } => Kind::SessionRevoked,
            Error::TokenExpiredIdle { .. } => Kind::TokenExpiredIdle,
            Error::TokenExpiredAbsolute { .. } => Kind::TokenExpiredAbsolute,
            Error::TokenRevoked { .. } => Kind::TokenRevoked,
            Error::PasswordNotAllowedWithMfa => Kind::PasswordNotAllowedWithMfa,
            Error::InteractiveRequired => Kind::InteractiveRequired,
            Error::NotPermitted(_) => Kind::NotPermitted,
            Error::MintFrozen => Kind::MintFrozen,
            Error::ForeignTokenRefused => Kind::ForeignTokenRefused,
            Error::CurrentPasswordWrong => Kind::CurrentPasswordWrong,
            Error::SessionOfAnotherSite => Kind::SessionOfAnotherSite,
            Error::NotFound(_) => Kind::NotFound,
            Error::TokenNameTaken => Kind::TokenNameTaken,
            Error::TokenLimitReached { .. } => Kind::TokenLimitReached,
            Error::UsernameTaken => Kind::UsernameTaken,
            Error::AlreadyMember => Kind::AlreadyMember,
            Error::AlreadyAtSite => Kind::AlreadyAtSite,
            Error::SwitchRefused => Kind::SwitchRefused,
            Error::TotpState(_) => Kind::TotpState,
            Error::BadValue { .. } => Kind::InvalidValue,
            Error::BadRequest { .. } => Kind::InvalidRequest,
            Error::TooManyAttempts { .. } => Kind::TooManyAttempts,
            Error::AuditUnavailable => Kind::AuditUnavailable,
            Error::TooManyStreams { .. } => Kind::TooManyStreams,
            Error::UnknownEvent => Kind::UnknownEvent,
            Error::Unavailable { .. } => Kind::Unavailable,
        };
        let mut problem = Self::new(kind, error.to_string());
        match &error {
            Error::SessionSuperseded { at, successor } => {
                problem.ended_at = Some(*at);
                problem.successor = *successor;
            }
            Error::SessionSignedOut { at }
            | Error::TokenExpiredIdle { at }
            | Error::TokenExpiredAbsolute { at } => problem.ended_at = Some(*at),
            Error::SessionRevoked { at } | Error::TokenRevoked { at } => problem.ended_at = *at,
            Error::TooManyAttempts { retry_after_s } => problem.retry_after = Some(*retry_after_s),
            _ => {}
        }
        problem.source = Some(Box::new(error));
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests;
