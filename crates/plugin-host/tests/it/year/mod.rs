//! 400 days of a whole service on the real store, by a clock that the test moves: what owners hear of the ends of their tokens
//! through random use, revocations, crashes and days without a daemon.
//!
//! `PATD_TEST_TOKENS` says how many tokens (default 300; 10,000 is fine).

mod expected;
mod house;
mod watched;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use patd_core::event::{Event, EventType};
use patd_core::id::TokenId;
use patd_core::name::SiteRole;
use patd_core::secret::PlainText;
use patd_core::time::{Span, Timestamp};
use patd_service::error::Error;
use patd_service::redeem::Redeem;
use patd_service::service::{Service, SiteRef};
use patd_service::view::{Caller, From, PasswordSignIn};
use tokio::task::JoinSet;

use expected::{History, Told, in_order};
use house::{House, Life, SITES};

const DAYS: i64 = 400;
const HOUR: Span = Span::minutes(60);
const BEGIN: Timestamp = Timestamp(1_763_000_000_000_000);
const PASSWORD: &str = "correct horse battery staple";
/// Owners, each with so many tokens.
const EACH: usize = 20;
const NEVER: Timestamp = Timestamp(i64::MAX);

/// Numbers that look random and are the same each time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn within(&mut self, range: Range<i64>) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let wide = (range.end - range.start).unsigned_abs();
        range.start + i64::try_from((z ^ (z >> 31)) % wide).expect("small")
    }

    fn one_in(&mut self, many: i64) -> bool {
        self.within(0..many) == 0
    }

    fn span(&mut self, days: Range<i64>) -> Span {
        Span(self.within(days.start * 24 * HOUR.0..days.end * 24 * HOUR.0))
    }
}

/// A token that is there, or is to be.
struct Token {
    owner: usize,
    /// When the owner wants it.
    wanted: Timestamp,
    lifetime_days: Option<u32>,
    /// Between two uses.
    pause: Range<i64>,
    next_use: Timestamp,
    revoke: Timestamp,
    minted: Option<(TokenId, String, History)>,
}

impl Token {
    fn random(owner: usize, numbers: &mut Numbers) -> Self {
        // Most early enough to see their absolute end.
        let wanted = if numbers.one_in(4) { numbers.span(0..DAYS - 2) } else { numbers.span(0..30) };
        let lifetime_days = numbers.one_in(3).then(|| numbers.within(1..366));
        // Some are never in danger, most come near an end now and then, some hardly live.
        let pauses = [1..9, 6..15, 8..15, 10..15, 10..15, 4..20];
        let pause = pauses[usize::try_from(numbers.within(0..6)).expect("small")].clone();
        Self {
            owner,
            wanted: BEGIN.plus(wanted),
            lifetime_days: lifetime_days.map(|days| u32::try_from(days).expect("small")),
            pause,
            next_use: NEVER,
            revoke: if numbers.one_in(5) { BEGIN.plus(numbers.span(10..DAYS)) } else { NEVER },
            minted: None,
        }
    }

    fn lives(&self, at: Timestamp) -> bool {
        self.minted.as_ref().is_some_and(|(.., history)| history.lives(at))
    }
}

/// The site where somebody's tokens are at home.
fn home_of(owner: usize) -> &'static str {
    SITES[owner % SITES.len()]
}

async fn join(service: &Service, owner: usize) {
    for site in SITES {
        let invited = service.operator_invite(&format!("owner-{owner}"), site, SiteRole::Creator).await;
        let with = Redeem {
            invitation: PlainText::new(invited.expect("invited").invitation.expose().to_owned()),
            password: Some(PlainText::new(PASSWORD.to_owned())),
            totp: None,
        };
        service.redeem(None, with, From::default()).await.expect("joined");
    }
}

/// An owner who is present.
async fn present(service: &Service, owner: usize) -> Caller {
    let with = PasswordSignIn {
        username: format!("owner-{owner}"),
        password: PlainText::new(PASSWORD.to_owned()),
        totp: None,
        interactive: true,
    };
    let signed = service.sign_in_with_password(SiteRef(home_of(owner)), with, From::default()).await;
    service.authenticate(signed.expect("signs in").credential.expose()).await.expect("is live")
}

/// The story so far.
struct Story {
    house: House,
    numbers: Numbers,
    tokens: Vec<Token>,
    looks: Vec<Timestamp>,
    uses: usize,
}

impl Story {
    /// Everything that people do at one time.
    fn people(&mut self, life: &Life, now: Timestamp) {
        self.house.at(now);
        self.mint(life, now);
        self.revoke(life, now);
        self.use_tokens(life, now);
    }

    fn mint(&mut self, life: &Life, now: Timestamp) {
        let luids = SITES.map(|site| life.luid(site));
        for (number, token) in self.tokens.iter_mut().enumerate() {
            if token.minted.is_some() || token.wanted > now {
                continue;
            }
            let (name, owner) = (format!("token-{number}"), token.owner);
            let minted = life.run(async {
                let caller = present(&life.service, owner).await;
                let home = luids[owner % SITES.len()];
                life.service.mint(&caller, home, &name, token.lifetime_days, From::default()).await
            });
            let minted = minted.expect("minted");
            let end = now.plus(Span::days(token.lifetime_days.map_or(365, i64::from)));
            let history = History { minted: now, end, uses: Vec::new(), revoked: None };
            token.minted = Some((minted.token.id, minted.secret.expose().to_owned(), history));
            token.next_use = now.plus(self.numbers.span(token.pause.clone()));
        }
    }

    /// One by one, or now and then all of an owner's.
    fn revoke(&mut self, life: &Life, now: Timestamp) {
        let due = (0..self.tokens.len()).filter(|at| self.tokens[*at].revoke <= now);
        for at in due.collect::<Vec<_>>() {
            self.tokens[at].revoke = NEVER;
            let owner = self.tokens[at].owner;
            if !self.tokens[at].lives(now) {
                continue;
            }
            let (home, all) = (life.luid(home_of(owner)), self.numbers.one_in(8));
            // What has died since the last look would be called revoked.
            let look = self.looks.last().copied().unwrap_or(BEGIN);
            let own = || self.tokens.iter().filter(|token| token.owner == owner);
            let all = all && !own().any(|token| token.lives(look) && !token.lives(now));
            let id = self.tokens[at].minted.as_ref().expect("it lives").0;
            let revoked = life.run(async {
                let caller = present(&life.service, owner).await;
                if all {
                    life.service.revoke_all(&caller, home, caller.user, From::default()).await
                } else {
                    life.service.revoke(&caller, home, id, From::default()).await
                }
            });
            revoked.expect("revoked");
            for (other, token) in self.tokens.iter_mut().enumerate() {
                if (other == at || all && token.owner == owner) && token.lives(now) {
                    token.minted.as_mut().expect("it lives").2.revoked = Some(now);
                }
            }
        }
    }

    /// Uses those whose time has come, all at once; the dead are tried once.
    fn use_tokens(&mut self, life: &Life, now: Timestamp) {
        let mut tried = JoinSet::new();
        let due =
            |token: &Token| token.next_use <= now && token.minted.as_ref().is_some_and(|m| m.2.minted < now);
        for (number, token) in self.tokens.iter().enumerate().filter(|(_, token)| due(token)) {
            let secret = PlainText::new(token.minted.as_ref().expect("is there").1.clone());
            let site = SITES[usize::try_from(self.numbers.within(0..2)).expect("small")];
            let service = Arc::clone(&life.service);
            let sign_in = async move {
                let signed = service.sign_in_with_token(SiteRef(site), secret, None, From::default()).await;
                (number, signed.map(drop))
            };
            life.run(async { tried.spawn(sign_in) });
        }
        for (number, signed) in life.run(tried.join_all()) {
            let token = &mut self.tokens[number];
            if !token.lives(now) {
                use Error::{TokenExpiredAbsolute, TokenExpiredIdle, TokenRevoked};
                let dead = matches!(
                    signed,
                    Err(TokenExpiredIdle { .. } | TokenExpiredAbsolute { .. } | TokenRevoked { .. })
                );
                assert!(dead, "token {number} is dead at {now:?}: {signed:?}");
                token.next_use = NEVER;
                continue;
            }
            assert!(signed.is_ok(), "token {number} lives at {now:?}: {signed:?}");
            token.minted.as_mut().expect("it lives").2.uses.push(now);
            token.next_use = now.plus(self.numbers.span(token.pause.clone()));
            self.uses += 1;
        }
    }
}

/// What became of each token, in the order of the store.
#[derive(Default, Debug)]
struct Found {
    told: Vec<Told>,
    expired: Vec<(Timestamp, String)>,
}

fn found(events: &[Event]) -> HashMap<TokenId, Found> {
    let mut all = HashMap::<TokenId, Found>::new();
    for event in events {
        let Some(token) = event.token else { continue };
        let of_token = all.entry(token).or_default();
        match (event.kind, event.detail.as_deref()) {
            (EventType::NoticeTokenExpires, Some(detail)) => of_token.told.push((
                detail.ends.expect("an end"),
                detail.days.expect("days"),
                event.time,
                detail.ends_at.expect("when"),
            )),
            (EventType::TokenExpired, _) => of_token.expired.push((event.time, event.reason.clone())),
            _ => {}
        }
    }
    all
}

#[test]
#[expect(clippy::print_stderr, reason = "figures are for people")]
fn over_400_days_of_random_use_crashes_and_pauses_every_notice_and_every_end_is_written_exactly_once() {
    let count =
        std::env::var("PATD_TEST_TOKENS").ok().and_then(|text| text.parse().ok()).unwrap_or(300_usize);
    let owners = count.div_ceil(EACH);
    let mut numbers = Numbers(1);
    let tokens = (0..count).map(|number| Token::random(number % owners, &mut numbers)).collect();
    let mut story = Story { house: House::new(BEGIN), numbers, tokens, looks: Vec::new(), uses: 0 };
    let mut life = story.house.live();
    for owner in 0..owners {
        life.run(join(&life.service, owner));
    }
    let (mut now, over, mut crashes) = (BEGIN, BEGIN.plus(Span::days(DAYS)), 0);
    while now < over {
        let hours = [6, 12, 24, 24][usize::try_from(story.numbers.within(0..4)).expect("small")];
        let part = story.numbers.within(1..hours * HOUR.0);
        story.people(&life, now.plus(Span(part)));
        now = now.plus(Span(hours * HOUR.0));
        story.house.at(now);
        if story.numbers.one_in(40) {
            crashes += 1;
            life.crash(usize::try_from(story.numbers.within(1..14)).expect("small"));
            // What the sweep before its end has written down is written down.
            life = story.house.live();
        }
        life.sweep();
        story.looks.push(now);
        if story.numbers.one_in(150) {
            life.crash(1);
            now = now.plus(Span::days(story.numbers.within(2..5)));
            story.house.at(now);
            life = story.house.live();
            life.sweep();
            story.looks.push(now);
        }
    }
    let events = life.stop();
    let mut all = found(&events);
    let (mut notices, mut expired) = (0, 0);
    for (number, token) in story.tokens.iter().enumerate() {
        let Some((id, _, history)) = &token.minted else { panic!("token {number} was not minted") };
        let mut found = all.remove(id).expect("it was minted");
        in_order(&mut found.told);
        assert_eq!(found.told, history.told(&story.looks), "token {number}, minted {:?}", history.minted);
        notices += found.told.len();
        let (end, why) = history.ends();
        let look = story.looks.iter().find(|look| **look >= end).filter(|_| history.revoked.is_none());
        let Some(look) = look else {
            assert_eq!(found.expired, [], "token {number} did not die of time");
            continue;
        };
        // A mint of its owner may have found it first.
        let [(at, reason)] = &found.expired[..] else { panic!("token {number}: {:?}", found.expired) };
        assert!((end..=*look).contains(at) && reason == why, "token {number}: {why} at {end:?}, {found:?}");
        expired += 1;
    }
    let kinds = [EventType::NoticeTokenExpires, EventType::TokenExpired];
    let ids = events.iter().filter(|event| kinds.contains(&event.kind)).map(|event| event.id.to_string());
    let ids: HashSet<String> = ids.collect();
    assert_eq!(ids, story.house.heard(), "the sink has them all");
    assert_eq!(ids.len(), notices + expired, "about a stranger's token");
    assert!(notices > 2 * count && expired > count / 3 && crashes > 5, "{notices}, {expired}, {crashes}");
    eprintln!(
        "{count} tokens, {} uses, {} sweeps, {crashes} crashes: {notices} notices, {expired} ends",
        story.uses,
        story.looks.len()
    );
}
