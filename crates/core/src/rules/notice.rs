//! What the owner of a token is told before it dies, each thing once. Decides what is due and notes what was told;
//! never decides whether a token is alive.

use crate::changes::Changes;
use crate::event::{Detail, Event, EventType, TokenEnd};
use crate::id::SiteLuid;
use crate::network::Network;
use crate::record::Token;
use crate::rules::Context;
use crate::rules::token::{absolute_end, stored_end, stored_idle_end};
use crate::time::{Span, Timestamp};

/// Days before the absolute end.
pub const ABSOLUTE_DAYS: [u16; 3] = [30, 7, 1];
/// Days before the end of lying unused.
pub const IDLE_DAYS: [u16; 3] = [5, 2, 1];

/// Days without use from which a token is in the inventory as unused.
pub const UNUSED_DAYS: i64 = 7;
/// Networks that a token remembers.
const NETWORKS: usize = 16;

/// One of a token's two clocks (R4).
struct Clock {
    which: TokenEnd,
    begin: Timestamp,
    end: Timestamp,
    days: [u16; 3],
    told: Option<u16>,
}

impl Clock {
    /// When and how many days before the end something is still to be told, the earliest first. A clock that is
    /// shorter than the notice has none: that long before its end it had not begun.
    fn open(&self) -> impl Iterator<Item = (Timestamp, u16)> {
        let open = |days: &u16| self.told.is_none_or(|told| *days < told);
        let at = |days: u16| (self.end.minus(Span::days(i64::from(days))), days);
        self.days.into_iter().filter(open).map(at).filter(|(at, _)| *at > self.begin)
    }
}

fn clocks(token: &Token) -> impl Iterator<Item = Clock> {
    let (absolute, idle) = (absolute_end(token), stored_idle_end(token));
    let told = token.told;
    let last = Clock {
        which: TokenEnd::Absolute,
        begin: token.created_at,
        end: absolute,
        days: ABSOLUTE_DAYS,
        told: told.absolute_days,
    };
    let unused = Clock {
        which: TokenEnd::Idle,
        begin: token.last_used_at.unwrap_or(token.created_at),
        end: idle,
        days: IDLE_DAYS,
        told: told.idle_days,
    };
    // Using a token does not help it over its absolute end.
    std::iter::once(last).chain((idle < absolute).then_some(unused))
}

/// When time next asks something of a token that is not ended: a notice, or its end.
#[must_use]
pub fn due_at(token: &Token) -> Timestamp {
    let notices = clocks(token).filter_map(|clock| clock.open().next());
    notices.map(|(at, _)| at).fold(stored_end(token), Timestamp::min)
}

/// The notices that are due, and the token as it is when they are written. Of several that one clock owes (the
/// daemon was down) the last one says it all.
pub(super) fn due(cx: &mut Context<'_>, token: &Token) -> Option<(Vec<Event>, Token)> {
    let mut told = token.told;
    let mut events = Vec::new();
    for clock in clocks(token) {
        let Some((_, days)) = clock.open().take_while(|(at, _)| *at <= cx.now).last() else { continue };
        match clock.which {
            TokenEnd::Absolute => told.absolute_days = Some(days),
            TokenEnd::Idle => told.idle_days = Some(days),
        }
        let detail = Detail {
            ends: Some(clock.which),
            days: Some(days.into()),
            ends_at: Some(clock.end),
            ..of_token(token)
        };
        events.push(about(cx, EventType::NoticeTokenExpires, token, detail));
    }
    (!events.is_empty()).then(|| (events, Token { told, ..token.clone() }))
}

/// The notice that a token was minted, or revoked by somebody else.
pub(super) fn told_at_once(cx: &mut Context<'_>, kind: EventType, token: &Token) -> Event {
    about(cx, kind, token, of_token(token))
}

/// What a use makes of what was told and of the networks that are known: the idle clock runs anew, and the owner is
/// told of a network in which the token was neither minted nor used before.
pub(super) fn used(cx: &mut Context<'_>, token: &mut Token) -> Option<Event> {
    token.told.idle_days = None;
    let network = Network::of(&cx.origin.address).filter(|network| !token.networks.contains(network))?;
    remember(&mut token.networks, network);
    let detail = Detail { network: Some(network.to_string()), ..of_token(token) };
    Some(about(cx, EventType::NoticeNewNetwork, token, detail))
}

/// What a site's tokens are like; of those that are not ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inventory {
    /// All of them.
    pub tokens: u32,
    /// Those that end absolutely within [`ABSOLUTE_DAYS`]' first notice.
    pub expiring: u32,
    /// Those that were not used for [`UNUSED_DAYS`].
    pub unused: u32,
}

/// The week's inventory for the admins of a site. Its event's id follows from the week, so that asking again changes
/// nothing.
#[must_use]
pub fn inventory(cx: &mut Context<'_>, site: SiteLuid, counts: Inventory) -> Changes {
    let detail = Detail {
        tokens: Some(counts.tokens),
        expiring: Some(counts.expiring),
        unused: Some(counts.unused),
        ..Detail::default()
    };
    let events = vec![cx.event(EventType::NoticeInventory, Some(site)).with(detail)];
    Changes { id: events[0].id.0, expect: Vec::new(), write: Vec::new(), events }
}

/// Keeps the newest [`NETWORKS`]: whoever comes from everywhere is told again of what was forgotten.
fn remember(known: &mut Vec<Network>, network: Network) {
    let too_many = (known.len() + 1).saturating_sub(NETWORKS);
    known.drain(..too_many);
    known.push(network);
}

/// What every notice about a token tells.
pub(super) fn of_token(token: &Token) -> Detail {
    Detail { token_name: Some(token.name.as_str().to_owned()), ..Detail::default() }
}

/// A notice to the owner of a token.
pub(super) fn about(cx: &mut Context<'_>, kind: EventType, token: &Token, detail: Detail) -> Event {
    cx.event(kind, Some(token.site)).of_user(token.owner).of_token(token.id).with(detail)
}
