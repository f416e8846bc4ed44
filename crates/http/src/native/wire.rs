//! What bodies of the native API look like: the shapes that several subjects share.
//!
//! Shapes are a contract; views of the service are not, so each shape copies what it shows.

use std::fmt;

use patd_core::event::EndReason;
use patd_core::name::SiteRole;
use patd_core::record::MemberState;
use patd_core::secret::PlainText;
use patd_core::time::Timestamp;
use patd_service::cloud_event::rfc3339;
use patd_service::view::{Page, SiteView, TokenView, UserView};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problem::Problem;

/// A secret in a body: wiped after use, shown by no `Debug`.
#[derive(Debug, ToSchema)]
#[schema(value_type = String)]
pub(crate) struct Secret(pub(crate) PlainText);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(PlainText::new(text)))
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

/// A whole number of any size: what does not fit becomes the nearest `u32`, and the rule that it breaks says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = u32)]
pub(crate) struct WholeNumber(pub(crate) u32);

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = WholeNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E>(self, n: i64) -> Result<WholeNumber, E> {
                Ok(WholeNumber(n.clamp(0, i64::from(u32::MAX)).try_into().unwrap_or(0)))
            }

            fn visit_u64<E>(self, n: u64) -> Result<WholeNumber, E> {
                Ok(WholeNumber(n.try_into().unwrap_or(u32::MAX)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A point in time, RFC 3339 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rfc3339(self.0))
    }
}

/// Reads a time that a client gave as text.
pub(crate) fn parse_time(field: &'static str, text: &str) -> Result<Timestamp, Problem> {
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| Problem::invalid_value(field, "is not a time of RFC 3339 with an offset"))?;
    Ok(Timestamp(time.as_microsecond()))
}

/// Reads a site role that a client gave as text.
pub(crate) fn parse_role(text: &str) -> Result<SiteRole, Problem> {
    SiteRole::parse(text).ok_or_else(|| {
        let names = SiteRole::ALL.map(SiteRole::as_str).join(", ");
        Problem::invalid_value("site_role", format!("is not one of {names}"))
    })
}

/// A page of a listing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listing<T> {
    /// The items.
    items: Vec<T>,
    /// Where to go on; null at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl<T> Listing<T> {
    pub(crate) fn of<V>(page: Page<V>, shape: impl FnMut(V) -> T) -> Self {
        Self { items: page.items.into_iter().map(shape).collect(), next_cursor: page.next }
    }
}

/// A site.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Site {
    luid: Uuid,
    content_url: String,
    name: String,
}

impl From<SiteView> for Site {
    fn from(site: SiteView) -> Self {
        Self { luid: site.luid.0, content_url: site.content_url, name: site.name }
    }
}

/// A member of a site.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    luid: Uuid,
    username: String,
    /// Empty while pending.
    full_name: String,
    /// Empty while pending.
    email: String,
    site_role: &'static str,
    /// `pending`, `active` or `disabled`.
    state: &'static str,
}

impl From<UserView> for User {
    fn from(user: UserView) -> Self {
        Self {
            luid: user.luid.0,
            username: user.username,
            full_name: user.full_name,
            email: user.email,
            site_role: user.site_role.as_str(),
            state: state_name(user.state),
        }
    }
}

pub(crate) const fn state_name(state: MemberState) -> &'static str {
    match state {
        MemberState::Pending => "pending",
        MemberState::Active => "active",
        MemberState::Disabled => "disabled",
        MemberState::Removed => "removed",
    }
}

/// Who owns a token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenOwner {
    luid: Uuid,
    username: String,
}

/// A token. Never its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Token {
    id: Uuid,
    name: String,
    owner: TokenOwner,
    created_at: Time,
    #[schema(required)]
    last_used_at: Option<Time>,
    /// The absolute end.
    expires_at: Time,
    /// The end if it is not used.
    idle_expires_at: Time,
    #[schema(required)]
    ended_at: Option<Time>,
    /// Why it ended, e.g. `revoked`.
    #[schema(required)]
    ended_reason: Option<&'static str>,
}

impl From<TokenView> for Token {
    fn from(token: TokenView) -> Self {
        Self {
            id: token.id.0,
            name: token.name,
            owner: TokenOwner { luid: token.owner.0, username: token.owner_username },
            created_at: Time(token.created_at),
            last_used_at: token.last_used_at.map(Time),
            expires_at: Time(token.expires_at),
            idle_expires_at: Time(token.idle_expires_at),
            ended_at: token.ended.map(|(at, _)| Time(at)),
            ended_reason: token.ended.map(|(_, reason)| EndReason::as_str(reason)),
        }
    }
}
