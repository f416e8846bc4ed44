//! Path and query parameters. Whatever cannot be right is refused before a use-case is called.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use patd_core::event::Severity;
use patd_core::id::{SessionId, TokenId, UserLuid};
use patd_service::error::Error;
use patd_service::events::Wanted;
use patd_service::view::PageRequest;
use uuid::Uuid;

use super::wire::parse_time;
use crate::body::pairs;
use crate::problem::Problem;
use crate::state::Http;

/// Items of a page that names no limit.
const DEFAULT_LIMIT: u32 = 100;
/// Items of a page at most; a higher limit is taken for this one.
const MAX_LIMIT: u32 = 1000;

/// A parameter of the path as text, percent-decoded; `None` where there is no such one or it is no UTF-8.
async fn path_param(parts: &mut Parts, http: &Arc<Http>, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, http).await.ok()?;
    params.iter().find(|(name, _)| wanted(name)).map(|(_, value)| value.to_owned())
}

/// The id in the path besides `{site}`. What is no id exists nowhere: 404.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathId(pub(crate) Uuid);

impl FromRequestParts<Arc<Http>> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Problem> {
        let text = path_param(parts, http, |name| name != "site").await.unwrap_or_default();
        Uuid::try_parse(&text).map(Self).map_err(|_| Error::NotFound("id").into())
    }
}

/// The `{site}` in the path, for the calls that judge it together with their credential.
#[derive(Clone, Debug)]
pub(crate) struct PathSite(pub(crate) String);

impl FromRequestParts<Arc<Http>> for PathSite {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Problem> {
        // A spelling that does not decode names no site; the empty one neither.
        Ok(Self(path_param(parts, http, |name| name == "site").await.unwrap_or_default()))
    }
}

/// The query string. Parameters that a call does not know are ignored; one given twice is refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl FromRequestParts<Arc<Http>> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _http: &Arc<Http>) -> Result<Self, Problem> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl Query {
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        pairs(text)
            .map(Self)
            .ok_or_else(|| Problem::invalid_request("the query string does not decode to UTF-8"))
    }

    pub(super) fn one(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        let mut all = self.0.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let first = all.next();
        if all.next().is_some() { Err(bad(name, "is given more than once")) } else { Ok(first) }
    }

    /// `limit` and `cursor`.
    pub(crate) fn page(&self) -> Result<PageRequest, Problem> {
        let limit = match self.one("limit")? {
            None => DEFAULT_LIMIT,
            Some(text) if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(bad("limit", "is not a whole number"));
            }
            // All digits: only its size can keep it from being a u32.
            Some(text) => text.parse().unwrap_or(MAX_LIMIT).min(MAX_LIMIT),
        };
        if limit == 0 {
            return Err(bad("limit", "is below 1"));
        }
        Ok(PageRequest { limit, cursor: self.one("cursor")?.map(str::to_owned) })
    }

    /// Which events are asked for.
    pub(crate) fn events(&self) -> Result<Wanted, Problem> {
        let id = |name| {
            let read = |text| Uuid::try_parse(text).map_err(|_| bad(name, "is no id"));
            self.one(name)?.map(read).transpose()
        };
        let time = |name| self.one(name)?.map(|text| parse_time(name, text)).transpose();
        let severity = |text| {
            let names = Severity::ALL.map(Severity::as_str).join(", ");
            Severity::parse(text)
                .ok_or_else(|| Problem::invalid_value("severity", format!("is not one of {names}")))
        };
        Ok(Wanted {
            types: self.0.iter().filter(|(name, _)| name == "type").map(|(_, value)| value.clone()).collect(),
            severity: self.one("severity")?.map(severity).transpose()?,
            user: id("user")?.map(UserLuid),
            token: id("token")?.map(TokenId),
            session: id("session")?.map(SessionId),
            since: time("since")?,
            until: time("until")?,
        })
    }

    /// `true` or `false`; absent is `false`.
    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(bad(name, "is neither `true` nor `false`")),
        }
    }

    /// One of a few words, the first of which is the default; answers its place.
    pub(crate) fn word(&self, name: &'static str, words: &[&str]) -> Result<usize, Problem> {
        let Some(given) = self.one(name)? else { return Ok(0) };
        let known = || bad(name, &format!("is not one of {}", words.join(", ")));
        words.iter().position(|word| *word == given).ok_or_else(known)
    }
}

fn bad(field: &'static str, reason: &str) -> Problem {
    Error::BadRequest { field, reason: reason.to_owned() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Kind;

    fn page(query: &str) -> Result<PageRequest, Kind> {
        Query::parse(query).and_then(|q| q.page()).map_err(|problem| problem.kind)
    }

    #[test]
    fn a_limit_is_clamped_at_the_top_and_refused_at_the_bottom() {
        let limit = |query| page(query).map(|p| p.limit);
        assert_eq!(limit(""), Ok(100));
        assert_eq!(limit("limit=1"), Ok(1));
        assert_eq!(limit("limit=1000"), Ok(1000));
        assert_eq!(limit("limit=1001"), Ok(1000));
        assert_eq!(limit("limit=99999999999999999999999"), Ok(1000));
        for bad in ["limit=0", "limit=-1", "limit=", "limit=ten", "limit=1.5", "limit=1&limit=2", "limit=%ff"]
        {
            assert_eq!(limit(bad), Err(Kind::InvalidRequest), "{bad}");
        }
    }

    #[test]
    fn a_cursor_is_passed_on_decoded() {
        assert_eq!(page("cursor=a%2Bb").map(|p| p.cursor), Ok(Some("a+b".to_owned())));
        assert_eq!(page("cursor=a&cursor=b").map(|p| p.cursor), Err(Kind::InvalidRequest));
    }

    #[test]
    fn flags_and_words_take_their_spellings_only() {
        let query = Query::parse("ended=true&owner=all&odd=maybe").expect("it decodes");
        assert_eq!(query.flag("ended").ok(), Some(true));
        assert_eq!(query.flag("absent").ok(), Some(false));
        assert!(query.flag("odd").is_err());
        assert_eq!(query.word("owner", &["me", "all"]).ok(), Some(1));
        assert_eq!(query.word("absent", &["me", "all"]).ok(), Some(0));
        assert!(query.word("odd", &["me", "all"]).is_err());
    }
}
