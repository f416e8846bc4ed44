//! What owners are told of their tokens, each thing once; against a model that knows nothing of the rule.

use patd_core::changes::{Changes, Row, Write};
use patd_core::event::{Actor, Detail, Event, EventType, Origin, TokenEnd};
use patd_core::id::{EventId, SessionId, Version};
use patd_core::record::{Membership, Site, Token, User};
use patd_core::rules::notice::due_at;
use patd_core::rules::revoke::{revoke_all, revoke_token};
use patd_core::rules::sign_in::{TokenSignIn, sign_in_with_token};
use patd_core::rules::sweep::what_is_due;
use patd_core::rules::{Context, NewSession, Place};
use patd_core::secret::FastDigest;
use patd_core::time::{Span, Timestamp};
use uuid::Uuid;

use crate::world::{ACME, ADMIN, GLOBEX, MEMBER, World};

const HOUR: Span = Span::minutes(60);

/// Which end, how many days before, and when it was told.
type Told = (TokenEnd, u32, Timestamp);

fn detail(event: &Event) -> &Detail {
    event.detail.as_deref().expect("a detail")
}

fn told(events: &[Event]) -> Vec<Told> {
    let expiry = events.iter().filter(|event| event.kind == EventType::NoticeTokenExpires);
    let told = expiry.map(|e| (detail(e).ends.expect("an end"), detail(e).days.expect("days"), e.time));
    told.collect()
}

/// A token with those whom its rules ask for.
struct Life {
    site: Site,
    owner: User,
    member: Membership,
    token: Token,
    events: Vec<Event>,
    next: u128,
}

impl Life {
    fn begin() -> Self {
        let mut w = World::new();
        let token = w.token_of(MEMBER, ACME, "ci");
        let (site, owner) = (w.site(ACME).expect("a site"), w.user(MEMBER).expect("a person"));
        let member = w.membership(ACME, MEMBER).expect("a member");
        Self { site, owner, member, token, events: Vec::new(), next: 1 << 64 }
    }

    fn ask<T>(&mut self, now: Timestamp, rule: impl FnOnce(&Self, &mut Context<'_>) -> T) -> T {
        let mut next = self.next;
        let mut event_id = || {
            next += 1;
            EventId(Uuid::from_u128(next))
        };
        let mut cx =
            Context { now, actor: Actor::System, origin: Origin::default(), event_id: &mut event_id };
        let answer = rule(self, &mut cx);
        self.next = next;
        answer
    }

    fn apply(&mut self, changes: Changes) {
        for write in changes.write {
            if let Write::Update(Row::Token(token)) = write {
                self.token = Token { version: Version(token.version.0 + 1), ..token };
            }
        }
        self.events.extend(changes.events);
    }

    fn sweep(&mut self, now: Timestamp) {
        let changes =
            self.ask(now, |l, cx| what_is_due(cx, &l.site, &[(&l.token, &l.owner, &l.member)], &[]));
        self.apply(changes);
    }

    /// Signs in; whether that was allowed.
    fn used(&mut self, now: Timestamp) -> bool {
        let signed = self.ask(now, |l, cx| {
            let home = Place { site: &l.site, member: &l.member };
            let ask = TokenSignIn {
                credential_ok: true,
                claimed_name: None,
                token: &l.token,
                previous: None,
                previous_at: None,
                owner: &l.owner,
                home,
                visited: Some(home),
                new: NewSession { id: SessionId(Uuid::from_u128(1)), digest: FastDigest([7; 32]) },
            };
            sign_in_with_token(cx, ask)
        });
        signed.map(|signed| self.apply(signed.changes)).is_ok()
    }
}

/// The first sweep at or after a time.
fn sweep_after(time: Timestamp) -> Timestamp {
    Timestamp((time.0 + HOUR.0 - 1).div_euclid(HOUR.0) * HOUR.0)
}

/// What a token's owner should hear, from nothing but when it was used.
fn expected(minted: Timestamp, uses: &[Timestamp]) -> Vec<Told> {
    let end = minted.plus(Span::days(365));
    let mut told = Vec::new();
    let starts = std::iter::once(minted).chain(uses.iter().copied());
    let nexts = uses.iter().copied().chain(std::iter::once(Timestamp(i64::MAX)));
    for (from, next) in starts.zip(nexts) {
        let unused = from.plus(Span::days(15));
        // A sweep of this stretch, in which the token lives: after its beginning, not after the next use.
        let hears = |sweep: Timestamp| sweep > from && sweep <= next && sweep < unused.min(end);
        if unused < end {
            let days =
                [5, 2, 1].map(|days| (TokenEnd::Idle, days, unused.minus(Span::days(i64::from(days)))));
            told.extend(
                days.map(|(which, days, at)| (which, days, sweep_after(at)))
                    .into_iter()
                    .filter(|t| hears(t.2)),
            );
        }
        let days = [30, 7, 1].map(|days| (TokenEnd::Absolute, days, end.minus(Span::days(i64::from(days)))));
        told.extend(
            days.map(|(which, days, at)| (which, days, sweep_after(at))).into_iter().filter(|t| hears(t.2)),
        );
    }
    told.sort_by_key(|(which, days, at)| (*at, *which == TokenEnd::Idle, *days));
    told
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    /// One of `0..n` (splitmix64).
    fn below(&mut self, n: u64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((z ^ (z >> 31)) % n).expect("small")
    }
}

#[test]
fn over_400_days_of_random_use_the_owners_of_10_000_tokens_hear_each_notice_exactly_once() {
    let born = Life::begin();
    let mut numbers = Numbers(1);
    let (mut heard, mut lived) = (0, 0);
    for _ in 0..10_000 {
        let mut life = Life {
            site: born.site.clone(),
            owner: born.owner.clone(),
            member: born.member.clone(),
            token: born.token.clone(),
            events: Vec::new(),
            next: 1 << 64,
        };
        let minted = life.token.created_at;
        let over = minted.plus(Span::days(400));
        // Some are used daily, some hardly ever; most have days on which they come near an end.
        let gap = [2, 14, 15, 30][usize::try_from(numbers.below(4)).expect("small")];
        let mut use_at = minted;
        let mut uses = Vec::new();
        let gap = |numbers: &mut Numbers| Span(numbers.below(gap * 86_400_000_000) + 1);
        use_at = use_at.plus(gap(&mut numbers));
        while life.token.ended.is_none() {
            let sweep = sweep_after(due_at(&life.token));
            if sweep.min(use_at) >= over {
                break;
            }
            if sweep <= use_at {
                life.sweep(sweep);
            } else {
                if life.used(use_at) {
                    uses.push(use_at);
                }
                use_at = use_at.plus(gap(&mut numbers));
            }
        }
        let mut told = told(&life.events);
        told.sort_by_key(|(which, days, at)| (*at, *which == TokenEnd::Idle, *days));
        assert_eq!(told, expected(minted, &uses), "minted {minted:?}, used {uses:?}");
        heard += told.len();
        lived += usize::from(life.token.ended.is_none_or(|end| end.at >= minted.plus(Span::days(365))));
    }
    assert!(heard > 10_000, "only {heard} notices: the test is about nothing");
    assert!(lived > 1_000, "only {lived} tokens reached their absolute end");
}

#[test]
fn after_a_long_stop_the_last_notice_of_a_clock_says_it_all() {
    let mut life = Life::begin();
    let end = life.token.created_at.plus(Span::days(15));
    let late = end.minus(Span::days(1)).plus(HOUR);
    life.sweep(late);
    assert_eq!(told(&life.events), [(TokenEnd::Idle, 1, late)]);
    let event = &life.events[0];
    assert_eq!((event.user, event.token, event.site), (Some(MEMBER), Some(life.token.id), Some(ACME)));
    assert_eq!((detail(event).ends_at, detail(event).token_name.as_deref()), (Some(end), Some("ci")));
    life.sweep(late.plus(HOUR));
    assert_eq!(told(&life.events).len(), 1);
}

#[test]
fn a_token_that_is_dead_is_retired_and_its_owner_told_nothing_of_ends() {
    let mut life = Life::begin();
    life.member.token_epoch = life.member.token_epoch.next();
    life.sweep(due_at(&life.token));
    assert_eq!(told(&life.events), []);
    assert!(life.token.ended.is_some());
}

#[test]
fn a_clock_that_is_shorter_than_the_notice_has_no_such_notice() {
    let mut w = World::new();
    w.set_policy(ACME, |p| p.idle_limit = Span::days(2));
    let session = w.present(MEMBER, ACME);
    let token = w.ask_mint(&session, "short", Some(7)).expect("mints").token;
    let at = |days| token.created_at.plus(Span::days(days));
    assert_eq!(due_at(&token), at(1), "one day before two days unused; not five, nor two, nor thirty");
    let used = Token { last_used_at: Some(at(5)), ..token.clone() };
    assert_eq!(due_at(&used), at(6), "one day before its absolute end, which comes first");
}

#[test]
fn who_mints_hears_of_it_and_who_revokes_the_own_token_hears_nothing() {
    let mut w = World::new();
    let session = w.present(MEMBER, ACME);
    let at = w.events.len();
    let (one, two) = (w.mint(&session, "one").expect("mints"), w.mint(&session, "two").expect("mints"));
    let minted = w.kinds_since(at);
    assert_eq!(minted.iter().filter(|kind| **kind == EventType::NoticeTokenMinted).count(), 2);

    let at = w.events.len();
    let changes = w.as_caller(&session, |_, cx, caller| revoke_token(cx, caller, &one, None)).expect("own");
    w.apply(&changes).expect("nobody raced");
    assert_eq!(w.kinds_since(at), [EventType::TokenRevoked]);
    let admin = w.present(ADMIN, ACME);
    let at = w.events.len();
    let changes = w.as_caller(&admin, |_, cx, caller| revoke_token(cx, caller, &two, None)).expect("admin");
    w.apply(&changes).expect("nobody raced");
    assert_eq!(w.kinds_since(at), [EventType::TokenRevoked, EventType::NoticeTokenRevoked]);
    assert_eq!(w.events.last().expect("the notice").user, Some(MEMBER));
    let at = w.events.len();
    let member = w.membership(ACME, MEMBER).expect("a member");
    let changes = w.as_caller(&admin, |_, cx, caller| revoke_all(cx, caller, &member)).expect("admin");
    w.apply(&changes).expect("nobody raced");
    assert_eq!(w.kinds_since(at), [EventType::TokenRevoked, EventType::NoticeTokenRevoked]);
}

#[test]
fn a_new_network_is_told_once_and_the_one_of_the_mint_is_not_new() {
    let mut w = World::new();
    let token = w.token_of(MEMBER, ACME, "ci");
    let networks = |w: &mut World, address: &str, at| {
        w.address = address.to_owned();
        let from = w.events.len();
        w.sign_in(token.id, at).expect("signs in");
        let events = w.events[from..].iter().filter(|event| event.kind == EventType::NoticeNewNetwork);
        events.map(|event| detail(event).network.clone().expect("a network")).collect::<Vec<_>>()
    };
    assert_eq!(networks(&mut w, "192.0.2.200", ACME), [""; 0], "minted from the same");
    assert_eq!(networks(&mut w, "198.51.100.1", GLOBEX), ["198.51.100.0/24"]);
    assert_eq!(networks(&mut w, "198.51.100.2", ACME), [""; 0]);
    assert_eq!(networks(&mut w, "192.0.2.1", ACME), [""; 0]);
    assert_eq!(networks(&mut w, "", ACME), [""; 0], "a Unix socket has no network");
    for n in 0..16 {
        assert_eq!(networks(&mut w, &format!("2001:db8:0:{n}::1"), ACME).len(), 1);
    }
    assert_eq!(w.token(token.id).expect("a token").networks.len(), 16, "what is kept is bounded");
    assert_eq!(networks(&mut w, "192.0.2.1", ACME), ["192.0.2.0/24"], "forgotten, so it is new");
}
