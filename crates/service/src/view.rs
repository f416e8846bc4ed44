//! What the use-cases take and give: plain data for the surfaces, without any digest and without any row's version.

use std::sync::Arc;

use patd_core::event::{EndReason, Origin};
use patd_core::id::{InvitationId, SessionId, SiteLuid, TokenId, UserLuid};
use patd_core::name::SiteRole;
use patd_core::notice::Muted;
use patd_core::record::{MemberState, SessionKind, SessionToken};
use patd_core::secret::PlainText;
use patd_core::time::Timestamp;

/// Where a request came from; part of each call that can change something.
pub type From = Origin;

/// A site, as its members see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteView {
    /// LUID.
    pub luid: SiteLuid,
    /// Canonical content URL.
    pub content_url: String,
    /// Name.
    pub name: String,
}

/// A member, as site admins and the member see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserView {
    /// LUID.
    pub luid: UserLuid,
    /// User name.
    pub username: String,
    /// Empty while pending.
    pub full_name: String,
    /// Empty while pending.
    pub email: String,
    /// Role at the site in question.
    pub site_role: SiteRole,
    /// State of the membership.
    pub state: MemberState,
}

/// A live, validated session: who is calling. Made by `Service::authenticate` only.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Session id.
    pub session: SessionId,
    /// Kind.
    pub kind: SessionKind,
    /// The person.
    pub user: UserLuid,
    /// The person's name now.
    pub username: Arc<str>,
    /// The site it is open at.
    pub site: SiteLuid,
    /// Role there now.
    pub role: SiteRole,
    /// Its token.
    pub token: Option<TokenId>,
    /// The token's home.
    pub home: Option<SiteLuid>,
    /// Natural end.
    pub expires_at: Timestamp,
}

/// A token, as its owner and the home site's admins see it. No secret, no digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenView {
    /// Public id.
    pub id: TokenId,
    /// Name.
    pub name: String,
    /// Owner.
    pub owner: UserLuid,
    /// Owner's name now.
    pub owner_username: String,
    /// Minted.
    pub created_at: Timestamp,
    /// Last signed in with.
    pub last_used_at: Option<Timestamp>,
    /// Absolute end.
    pub expires_at: Timestamp,
    /// End if not used.
    pub idle_expires_at: Timestamp,
    /// When and why it ended, where it did.
    pub ended: Option<(Timestamp, EndReason)>,
}

/// The one answer with a token's secret (R5).
#[derive(Debug)]
pub struct Minted {
    /// The token.
    pub token: TokenView,
    /// The secret's text.
    pub secret: PlainText,
}

/// How a password sign-in is asked for.
#[derive(Debug)]
pub struct PasswordSignIn {
    /// As typed.
    pub username: String,
    /// As typed.
    pub password: PlainText,
    /// One-time code or recovery code.
    pub totp: Option<PlainText>,
    /// A person is present.
    pub interactive: bool,
}

/// The answer to a sign-in.
#[derive(Debug)]
pub struct SignedIn {
    /// The session credential.
    pub credential: PlainText,
    /// The session.
    pub session: SessionId,
    /// Kind.
    pub kind: SessionKind,
    /// Natural end.
    pub expires_at: Timestamp,
    /// Where.
    pub site: SiteView,
    /// Who.
    pub user: UserView,
    /// With which token.
    pub token: Option<TokenView>,
    /// The session that this one ended.
    pub superseded: Option<(SessionId, Timestamp)>,
}

/// An invitation, shown once.
#[derive(Debug)]
pub struct Invited {
    /// The invited member.
    pub user: UserView,
    /// Public id.
    pub id: InvitationId,
    /// The secret text.
    pub invitation: PlainText,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// A page of a listing; `next` is the opaque cursor.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Cursor of the next page; `None` at the end.
    pub next: Option<String>,
}

/// `?limit=&cursor=` after parsing: limit is 1..=1000.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// At most this many.
    pub limit: u32,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// A TOTP enrolment, shown once.
#[derive(Debug)]
pub struct TotpEnrolment {
    /// Base32.
    pub secret: PlainText,
    /// `otpauth://` URL.
    pub otpauth_url: PlainText,
}

/// What introspection tells of a live session (RFC 7662).
#[derive(Clone, Debug)]
pub struct Introspected {
    /// The session.
    pub caller: Caller,
    /// When it was opened.
    pub issued_at: Timestamp,
    /// What it keeps of its token.
    pub token: Option<SessionToken>,
}

/// A person, as the person sees it.
#[derive(Clone, Debug)]
pub struct MyView {
    /// As a member of the session's site.
    pub user: UserView,
    /// The notices that are not wanted by mail.
    pub muted: Muted,
}
