//! Every problem type there is: name, status, title and what to do. The only place where they are listed.

use serde::Serialize;

/// One row of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// `type` is `urn:patd:problem:` and this.
    pub name: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// For people; the same for every problem of the type.
    pub title: &'static str,
    /// What the caller can do about it.
    pub remedy: &'static str,
}

macro_rules! problems {
    ($($kind:ident $name:literal $status:literal $title:literal $remedy:literal;)+) => {
        /// A problem type.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Kind {
            $(#[doc = $title] $kind,)+
        }

        impl Kind {
            /// Every type.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// Its row.
            #[must_use]
            pub const fn entry(self) -> Entry {
                match self {
                    $(Self::$kind =>
                        Entry { name: $name, status: $status, title: $title, remedy: $remedy },)+
                }
            }
        }
    };
}

problems! {
    InvalidRequest "invalid-request" 400 "The request is malformed"
        "Correct the request; /v1/openapi.json describes it.";
    CredentialsRequired "credentials-required" 401 "A credential is required"
        "Sign in at POST /v1/sessions and send the credential as `Authorization: Bearer` or `X-Tableau-Auth`.";
    CredentialsRejected "credentials-rejected" 401 "The credential was not accepted"
        "Check the credential and the site, and sign in again.";
    TotpRequired "totp-required" 401 "A one-time code is required"
        "Send the current code of the authenticator, or a recovery code, as `totp`.";
    SessionSuperseded "session-superseded" 401 "A newer sign-in ended this session"
        "One token holds one session: give each program a token of its own, or sign in again.";
    SessionSignedOut "session-signed-out" 401 "This session was signed out"
        "Sign in again.";
    SessionExpired "session-expired" 401 "This session has expired"
        "Sign in again.";
    SessionRevoked "session-revoked" 401 "This session was revoked"
        "Sign in again; if that is refused, ask a site administrator.";
    TokenExpiredIdle "token-expired-idle" 401 "This token lay unused too long"
        "Mint a new token.";
    TokenExpiredAbsolute "token-expired-absolute" 401 "This token reached its end"
        "Mint a new token.";
    TokenRevoked "token-revoked" 401 "This token was revoked"
        "Mint a new token, or ask a site administrator why.";
    PasswordNotAllowedWithMfa "password-not-allowed-with-mfa" 403 "A password does not suffice for this account"
        "Sign in with a personal access token, or interactively with a one-time code.";
    InteractiveRequired "interactive-required" 403 "An interactive session is required"
        "Sign in with the password, and `interactive` set, as the person who is present.";
    NotPermitted "not-permitted" 403 "Not permitted"
        "Ask a site administrator.";
    MintFrozen "mint-frozen" 403 "This site mints no tokens now"
        "Ask the operator of this site.";
    ForeignTokenRefused "foreign-token-refused" 403 "This site takes no tokens of other sites"
        "Mint a token at this site.";
    CurrentPasswordWrong "current-password-wrong" 403 "The current password is wrong"
        "Give the password that is in force now.";
    SessionOfAnotherSite "session-of-another-site" 403 "This session belongs to another site"
        "Sign in at this site.";
    SwitchRefused "switch-refused" 403 "The session cannot be switched to this site"
        "Sign in at that site instead.";
    LeakSignatureRejected "leak-signature-rejected" 403 "The report's signature was not accepted"
        "Sign the body with a key that the operator has configured, or send the plain form.";
    NotFound "not-found" 404 "There is no such thing"
        "Check the address and the ids in it.";
    MethodNotAllowed "method-not-allowed" 405 "This address does not take this method"
        "Use one of the methods that the `Allow` header names.";
    RequestTimeout "request-timeout" 408 "The body came too slowly"
        "Send the request again, without a pause in its body.";
    TokenNameTaken "token-name-taken" 409 "A live token has this name"
        "Choose another name, or revoke the token that has it.";
    TokenLimitReached "token-limit-reached" 409 "There are too many live tokens"
        "Revoke a token that is no longer needed.";
    UsernameTaken "username-taken" 409 "This username is taken"
        "Choose another username.";
    AlreadyMember "already-member" 409 "This user is a member already"
        "Change the member instead of inviting again.";
    AlreadyAtSite "already-at-site" 409 "The session is at this site already"
        "Go on with the session as it is.";
    TotpState "totp-state" 409 "One-time codes stand otherwise"
        "See the detail: enrol, confirm or remove first.";
    UnknownEvent "unknown-event" 410 "The stream cannot go on after this event"
        "It never was here, or it was removed because of its age. Read what was missed from the listing, with `since`, then open the stream without `Last-Event-ID`.";
    BodyTooLarge "body-too-large" 413 "The body is too large"
        "Send a smaller body.";
    UnsupportedMediaType "unsupported-media-type" 415 "The body has the wrong media type"
        "Set `Content-Type` to what the detail names.";
    InvalidValue "invalid-value" 422 "A value breaks a rule"
        "Correct the value that the detail names.";
    TooManyAttempts "too-many-attempts" 429 "Too many attempts"
        "Wait as long as `retry_after` says, in seconds.";
    AuditUnavailable "audit-unavailable" 503 "Audit events cannot be delivered"
        "Try again later; if it lasts, tell the operator that an audit sink takes no events. Revoking and signing out work.";
    TooManyStreams "too-many-streams" 429 "Too many live streams are open"
        "Close a stream that is no longer read, or ask the operator for a higher limit.";
    Unavailable "unavailable" 503 "Temporarily unavailable"
        "Try again soon; if it lasts, tell the operator the request id in `instance`.";
}
