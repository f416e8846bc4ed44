//! Sites as the config wants them: appear, change policy, leave and come back. Only an operator gets here.

use crate::changes::{Changes, Row};
use crate::event::EventType;
use crate::name::ContentUrl;
use crate::record::{Policy, Site, SiteCredential, SiteState};
use crate::rules::{Context, Draft};

/// What the config says of a site.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WantedSite {
    /// Slug.
    pub content_url: ContentUrl,
    /// For people.
    pub name: String,
    /// What it allows.
    pub policy: Policy,
    /// `Suspended` when it left the config.
    pub state: SiteState,
}

/// Sessions that a new policy ends; the caller finds them and ends them by
/// [`super::session::end_sessions`], so that a policy that is taken back revives none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ends {
    /// Sessions of tokens at home here, wherever they are open.
    TokensAtHome,
    /// Sessions open here of tokens at home elsewhere.
    Visitors,
    /// Both, and every other session open here.
    Everything,
}

/// A changed site.
#[derive(Clone, Debug)]
pub struct ChangedSite {
    /// To apply in the directory store; empty when all is as wanted already.
    pub changes: Changes,
    /// The row with the version that it has once the changes are applied.
    pub site: Site,
    /// What ends by it.
    pub ends: Vec<Ends>,
}

/// A site appears in the config for the first time.
#[must_use]
pub fn add_site(cx: &mut Context<'_>, site: Site) -> Changes {
    let mut draft = Draft::default();
    draft.events.push(cx.event(EventType::SitePolicyChanged, Some(site.luid)).because("added"));
    draft.insert(Row::Site(site));
    draft.done(cx)
}

/// Makes the row what the config says. A deleted site stays deleted.
#[must_use]
pub fn change_policy(cx: &mut Context<'_>, old: &Site, wanted: WantedSite) -> ChangedSite {
    let mut draft = Draft::default();
    let mut ends = Vec::new();
    if old.state == SiteState::Deleted {
        return ChangedSite { changes: draft.done(cx), site: old.clone(), ends };
    }
    let what = differences(old, &wanted);
    // Whoever returns revives nothing either: what was open when the site left may not have been ended in every store.
    if old.state != wanted.state {
        ends.push(Ends::Everything);
    } else {
        if old.policy.pat_enabled && !wanted.policy.pat_enabled {
            ends.push(Ends::TokensAtHome);
        }
        if old.policy.foreign_tokens && !wanted.policy.foreign_tokens {
            ends.push(Ends::Visitors);
        }
    }
    let WantedSite { content_url, name, policy, state } = wanted;
    let mut site = Site { content_url, name, policy, state, ..old.clone() };
    if site != *old {
        let event = cx.event(EventType::SitePolicyChanged, Some(old.luid));
        draft.events.push(event.because(what));
        draft.update(Row::Site(site.clone()));
        site.version = crate::id::Version(old.version.0 + 1);
    }
    ChangedSite { changes: draft.done(cx), site, ends }
}

/// Gives a site a new credential for introspection; the old one stops working.
#[must_use]
pub fn set_credential(cx: &mut Context<'_>, site: &Site, credential: SiteCredential) -> Changes {
    let mut draft = Draft::default();
    draft.events.push(cx.event(EventType::SitePolicyChanged, Some(site.luid)).because("credential"));
    draft.update(Row::Site(Site { credential: Some(credential), ..site.clone() }));
    draft.done(cx)
}

/// Deletes a suspended site for ever; the row stays, so that its LUID and number are never given out again.
#[must_use]
pub fn delete_site(cx: &mut Context<'_>, site: &Site) -> Changes {
    let mut draft = Draft::default();
    draft.events.push(cx.event(EventType::SitePolicyChanged, Some(site.luid)).because("deleted"));
    draft.update(Row::Site(Site { state: SiteState::Deleted, credential: None, ..site.clone() }));
    draft.done(cx)
}

/// Tells the audit trail which plug-in instances were replaced; belongs to no site.
#[must_use]
pub fn note_replaced(cx: &mut Context<'_>, replaced: &[String]) -> Changes {
    let mut draft = Draft::default();
    for text in replaced {
        draft.events.push(cx.event(EventType::PluginReplaced, None).because(text.as_str()));
    }
    draft.done(cx)
}

fn differences(old: &Site, wanted: &WantedSite) -> String {
    let (a, b) = (&old.policy, &wanted.policy);
    let all = [
        ("content_url", old.content_url != wanted.content_url),
        ("name", old.name != wanted.name),
        ("state", old.state != wanted.state),
        ("pat.enabled", a.pat_enabled != b.pat_enabled),
        ("pat.mint", a.mint_allowed != b.mint_allowed),
        ("pat.max_lifetime", a.max_lifetime != b.max_lifetime),
        ("pat.idle_limit", a.idle_limit != b.idle_limit),
        ("session_lifetime", a.session_lifetime != b.session_lifetime),
        ("tokens_per_user", a.tokens_per_user != b.tokens_per_user),
        ("foreign_tokens", a.foreign_tokens != b.foreign_tokens),
        ("switch_site", a.switch_site != b.switch_site),
    ];
    all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}
