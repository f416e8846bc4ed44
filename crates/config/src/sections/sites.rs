//! `[sites.*]`: the tenants. A site's LUID is not here: the directory gives it at the first start, for ever.

use std::collections::HashMap;

use serde::Deserialize;

use crate::names::Name;
use crate::sections::defaults;
use crate::source::Check;
use crate::{Config, Span};

/// One entry of `[sites]`. What is `None` comes from `[defaults]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// The slug in URLs, matched without regard to case; the table's key if not given.
    pub content_url: Option<Name>,
    /// The name that people read; the table's key if not given.
    pub name: Option<String>,
    /// As in `[defaults]`.
    pub token_hasher: Option<Name>,
    /// As in `[defaults]`.
    pub password_hasher: Option<Name>,
    /// As in `[defaults]`.
    pub store: Option<Name>,
    /// As in `[defaults]`.
    pub sinks: Option<Vec<Name>>,
    /// As in `[defaults]`.
    pub session_lifetime: Option<Span>,
    /// As in `[defaults]`.
    pub tokens_per_user: Option<u32>,
    /// Whether a session may be switched to this site.
    pub switch_site: bool,
    /// Whether tokens at home in another site may sign in here.
    pub foreign_tokens: ForeignTokens,
    /// The rules for tokens at home here.
    pub pat: Pat,
}

/// What happens to tokens that are at home in another site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForeignTokens {
    /// They sign in like others.
    #[default]
    Accept,
    /// They are refused (`foreign-token-refused`).
    Refuse,
}

/// The rules for personal access tokens of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pat {
    /// Whether tokens at home here may sign in anywhere, and be minted.
    pub enabled: bool,
    /// Whether new tokens may be minted; `false` refuses with `mint-frozen` and leaves the others alone.
    pub mint: bool,
    /// The longest time from minting to the end; at most 365 days.
    pub max_lifetime: Span,
    /// The longest time without a sign-in; at most 15 days.
    pub idle_limit: Span,
}

impl Default for Pat {
    fn default() -> Self {
        Self { enabled: true, mint: true, max_lifetime: Span::days(365), idle_limit: Span::days(15) }
    }
}

pub(crate) fn check(config: &Config, check: &mut Check<'_>) {
    let mut seen: HashMap<String, &Name> = HashMap::new();
    for (key, site) in &config.sites {
        check_site(config, key, site, check);
        let content_url = site.content_url.as_ref().unwrap_or(key);
        let place = content_url_path(key, site);
        if let Some(first) = seen.insert(content_url.to_ascii_lowercase(), key) {
            let line =
                config.sites.get(first).and_then(|other| check.line_of(&content_url_path(first, other)));
            let line = line.map(|line| format!(" (line {line})")).unwrap_or_default();
            let message = format!(
                "the content URL `{content_url}` is that of the site `{first}`{line} too; case does not tell them apart"
            );
            check.refuse(&place, message);
        }
        if looks_like_a_luid(content_url) {
            check.refuse(
                &place,
                "a content URL must not look like a LUID: both name a site in the same place",
            );
        }
    }
}

fn content_url_path<'p>(key: &'p Name, site: &Site) -> Vec<&'p str> {
    let mut path = vec!["sites", key.as_str()];
    path.extend(site.content_url.as_ref().map(|_| "content_url"));
    path
}

fn check_site(config: &Config, key: &Name, site: &Site, check: &mut Check<'_>) {
    let path = |field| ["sites", key.as_str(), field];
    if let Some(name) = &site.name {
        let fits = (1..=200).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        check.require(fits, &path("name"), "must have 1 to 200 characters, none of them a control character");
    }
    for (field, hasher) in [("token_hasher", &site.token_hasher), ("password_hasher", &site.password_hasher)]
    {
        if let Some(name) = hasher {
            defaults::hasher(config, name, &path(field), check);
        }
    }
    if let Some(name) = &site.store {
        defaults::store(config, name, &path("store"), check);
    }
    if let Some(names) = &site.sinks {
        defaults::sinks(config, names, &path("sinks"), check);
    }
    if let Some(span) = site.session_lifetime {
        defaults::session_lifetime(span, &path("session_lifetime"), check);
    }
    if let Some(count) = site.tokens_per_user {
        defaults::tokens_per_user(count, &path("tokens_per_user"), check);
    }
    let pat = |field| ["sites", key.as_str(), "pat", field];
    let within = |span: Span, days| (Span::seconds(1)..=Span::days(days)).contains(&span);
    check.require(
        within(site.pat.max_lifetime, 365),
        &pat("max_lifetime"),
        "must lie between \"1s\" and \"365d\": a site may shorten the life of tokens, not lengthen it",
    );
    check.require(
        within(site.pat.idle_limit, 15),
        &pat("idle_limit"),
        "must lie between \"1s\" and \"15d\": a site may shorten the idle time of tokens, not lengthen it",
    );
}

/// 8-4-4-4-12 hexadecimal digits.
fn looks_like_a_luid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
