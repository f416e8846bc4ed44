//! What a store promises of one change and one query.

use patd_proto::rows::{MemberState, SiteState};
use patd_proto::store::{
    Changes, Conflict, Empty, EventFilter, Expect, Found, Query, Row, RowKey, SCHEMA, SchemaStatus, Write, op,
};
use patd_proto::wire::{Micros, Nat, Phc};

use super::STORE;
use super::rows::{
    DAY, NOW, Store, change, ended, event, id, insert_session, insert_token, member, password, session, site,
    token, totp, update_token, user,
};
use crate::case::{Case, Outcome, ensure, pass, pass_with};
use crate::subject::Subject;

pub(crate) const CASES: &[Case] = &[
    Case::of(STORE, "store.schema", "after START no migration is pending", schema),
    Case::of(STORE, "store.rows", "rows come back as they were written", rows),
    Case::of(
        STORE,
        "store.stale",
        "a stale update or delete changes nothing and tells the current row",
        stale,
    ),
    Case::of(STORE, "store.expectations", "expectations hold, or nothing is written", expectations),
    Case::of(STORE, "store.counts", "a bound on live tokens holds", counts),
    Case::of(STORE, "store.unique", "each rule of uniqueness holds and is named", unique),
    Case::of(STORE, "store.replay", "the same change twice is applied once", replay),
    Case::of(STORE, "store.rehash", "a digest is replaced only when it is the one that was read", rehash),
    Case::of(STORE, "store.atomic", "a change that conflicts late leaves nothing behind", atomic),
    Case::of(STORE, "store.pages", "pages join without gap or repetition", pages),
    Case::of(STORE, "store.sites", "what belongs to another site never matches", sites),
];

fn schema(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    let status: SchemaStatus = store.exchange(op::SCHEMA_STATUS, &Empty { schema: SCHEMA })?;
    ensure(status.pending.is_empty(), || format!("pending after START: {}", status.pending.join(", ")))?;
    ensure(!status.location.contains('@'), || "its location may hold a password".into())?;
    store.stop()?;
    // Again on what the first life left.
    let store = Store::start(subject)?;
    let again: SchemaStatus = store.exchange(op::SCHEMA_STATUS, &Empty { schema: SCHEMA })?;
    ensure(again.applied == status.applied, || "a second START changes the migrations".into())?;
    store.stop()?;
    pass_with(format!("{} migrations", status.applied.len()))
}

fn rows(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    let mut full = token(10);
    full.last_used_at = Some(Micros(NOW + 5));
    full.session = Some(id(20));
    full.ended = ended(Some(21));
    full.name = "a name with \u{1f511} 'quotes' \"and\" \\ % _".into();
    let mut closed = session(20, Some(10));
    closed.ended = ended(None);
    let written = vec![
        Row::Token(full.clone()),
        Row::Token(token(11)),
        Row::Session(closed.clone()),
        Row::Session(session(21, None)),
        Row::Site(site(3)),
        Row::User(user(30, "Ann")),
        Row::Membership(member(3, 30, MemberState::Pending)),
        Row::Password(password(30)),
        Row::Totp(totp(30)),
    ];
    store.done(&change(100, written.into_iter().map(Write::Insert).collect()))?;
    let both = patd_proto::store::TokenAndSession { token: full.clone(), session: Some(closed.clone()) };
    for (query, wanted) in [
        (Query::Token(id(10)), Found::Tokens(vec![full])),
        (Query::Token(id(11)), Found::Tokens(vec![token(11)])),
        (Query::Token(id(12)), Found::Tokens(vec![])),
        (Query::Session(id(20)), Found::Sessions(vec![closed])),
        (Query::Session(id(21)), Found::Sessions(vec![session(21, None)])),
        (Query::TokenAndSession(id(10)), Found::TokenAndSession(Some(Box::new(both)))),
        (Query::TokenAndSession(id(12)), Found::TokenAndSession(None)),
        (Query::Sites, Found::Sites(vec![site(3)])),
        (Query::User(id(30)), Found::Users(vec![user(30, "Ann")])),
        (Query::UserByName("ann".into()), Found::Users(vec![user(30, "Ann")])),
        (Query::UserByName("Ann".into()), Found::Users(vec![])),
        (Query::Membership(id(3), id(30)), Found::Memberships(vec![member(3, 30, MemberState::Pending)])),
        (Query::Password(id(30)), Found::Passwords(vec![password(30)])),
        (Query::Totp(id(30)), Found::Totps(vec![totp(30)])),
        (Query::HomeNumberUsed(u32::MAX - 3), Found::Counts(Nat(1), Nat(0))),
        (Query::NewestEvent, Found::Time(Some(Micros(NOW)))),
    ] {
        let found = store.ask(query.clone())?;
        ensure(found == wanted, || format!("{query:?} gives {found:?} instead of {wanted:?}"))?;
    }
    let kept = store.take("nobody", None, 10)?;
    ensure(kept.first().is_some_and(|waiting| waiting.event == event(100)), || {
        "an event does not come back as it was written".into()
    })?;
    store.stop()?;
    pass()
}

fn stale(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    store.done(&change(100, vec![insert_token(token(10))]))?;
    let mut newer = token(10);
    newer.last_used_at = Some(Micros(NOW + 1));
    store.done(&change(101, vec![update_token(newer.clone())]))?;
    newer.version = Nat(2);
    let row = RowKey::Token(id(10));
    let now = Conflict::Row { row, current: Some(Box::new(Row::Token(newer.clone()))) };
    let update = change(102, vec![insert_session(session(20, None)), update_token(token(10))]);
    let found = store.conflict(&update, "over a row that somebody else changed")?;
    ensure(found == now, || format!("the conflict tells {found:?} instead of {now:?}"))?;
    let delete = change(103, vec![Write::Delete { row, version: Nat(1) }]);
    let found = store.conflict(&delete, "deleting a row that somebody else changed")?;
    ensure(found == now, || format!("the conflict tells {found:?} instead of {now:?}"))?;
    let gone = RowKey::Token(id(11));
    let found =
        store.conflict(&change(104, vec![update_token(token(11))]), "to a row that does not exist")?;
    ensure(found == Conflict::Row { row: gone, current: None }, || format!("the conflict tells {found:?}"))?;
    let found = store.conflict(&change(105, vec![insert_token(token(10))]), "inserting a row that exists")?;
    ensure(found == now, || format!("the conflict tells {found:?} instead of {now:?}"))?;
    ensure(store.token(10)? == Some(newer), || "a refused change was written".into())?;
    ensure(!store.has_session(20)?, || "a part of a refused change was written".into())?;
    store.done(&change(106, vec![Write::Delete { row, version: Nat(2) }]))?;
    ensure(store.token(10)?.is_none(), || "a deleted row is still there".into())?;
    store.stop()?;
    pass()
}

/// A change that writes a session when `expect` holds; whether it was applied.
fn expecting(store: &Store, number: u128, expect: Expect) -> Result<Option<Conflict>, String> {
    let write = vec![insert_session(session(2000 + number, None))];
    let changes = Changes { expect: vec![expect], ..change(3000 + number, write) };
    let refused = match store.apply(&changes)? {
        patd_proto::store::Applied::Done => None,
        patd_proto::store::Applied::Conflict(conflict) => Some(conflict),
    };
    let there = store.has_session(2000 + number)?;
    ensure(there == refused.is_none(), || "the answer and what was written differ".into())?;
    Ok(refused)
}

fn expectations(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    store.done(&change(100, vec![insert_token(token(10))]))?;
    let row = RowKey::Token(id(10));
    let held = Some(Box::new(Row::Token(token(10))));
    for (number, expect, wanted) in [
        (1, Expect::Version { row, version: Nat(1) }, None),
        (2, Expect::Version { row, version: Nat(2) }, Some(Conflict::Row { row, current: held.clone() })),
        (3, Expect::Absent(row), Some(Conflict::Row { row, current: held })),
        (4, Expect::Absent(RowKey::Membership(id(1), id(2))), None),
        (
            5,
            Expect::Version { row: RowKey::User(id(9)), version: Nat(1) },
            Some(Conflict::Row { row: RowKey::User(id(9)), current: None }),
        ),
    ] {
        let found = expecting(&store, number, expect.clone())?;
        ensure(found == wanted, || format!("{expect:?} gives {found:?} instead of {wanted:?}"))?;
    }
    store.stop()?;
    pass()
}

fn counts(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    let mut gone = token(11);
    gone.ended = ended(None);
    let mut elsewhere = token(12);
    elsewhere.site = id(9);
    store.done(&change(100, [token(10), gone, elsewhere].map(insert_token).to_vec()))?;
    let bound = |site: u128, max, besides: &[u128]| Expect::LiveTokensAtMost {
        site: id(site),
        owner: id(2),
        max,
        besides: besides.iter().copied().map(id).collect(),
    };
    for (number, expect, refused) in [
        (1, bound(1, 1, &[]), false),
        (2, bound(1, 0, &[]), true),
        (3, bound(1, 0, &[10]), false),
        (4, bound(1, 0, &[12]), true),
        (5, bound(3, 0, &[]), false),
        (6, bound(9, 0, &[]), true),
    ] {
        let found = expecting(&store, number, expect.clone())?;
        let wanted = refused.then_some(Conflict::TooManyTokens);
        ensure(found == wanted, || format!("{expect:?} gives {found:?} instead of {wanted:?}"))?;
    }
    store.stop()?;
    pass()
}

fn unique(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    let named = |number, name: &str| patd_proto::rows::Token { name: name.into(), ..token(number) };
    let refused = |number, write: Vec<Write>, wanted: Conflict| {
        let found = store.conflict(&change(number, write), "against a rule of uniqueness")?;
        ensure(found == wanted, || format!("the conflict is {found:?} instead of {wanted:?}"))
    };
    store.done(&change(100, vec![insert_token(named(10, "Same"))]))?;
    refused(101, vec![insert_token(named(11, "Same"))], Conflict::TokenNameTaken("Same".into()))?;
    let mut other_site = named(12, "Same");
    other_site.site = id(9);
    let mut other_owner = named(13, "Same");
    other_owner.owner = id(9);
    store.done(&change(102, [other_site, other_owner, named(14, "same")].map(insert_token).to_vec()))?;
    let mut over = named(10, "Same");
    over.ended = ended(None);
    store.done(&change(103, vec![update_token(over), insert_token(named(11, "Same"))]))?;

    store.done(&change(110, vec![insert_session(session(20, Some(11)))]))?;
    let second = || vec![insert_session(session(21, Some(11)))];
    refused(111, second(), Conflict::Unique("sessions_live_token".into()))?;
    let mut first = session(20, Some(11));
    first.ended = ended(Some(21));
    let supersede = [vec![Write::Update(Row::Session(first.clone()))], second()].concat();
    store.done(&change(112, supersede))?;
    first.version = Nat(2);
    first.ended = None;
    refused(113, vec![Write::Update(Row::Session(first))], Conflict::Unique("sessions_live_token".into()))?;
    store.done(&change(114, vec![insert_session(session(30, None)), insert_session(session(31, None))]))?;

    store.done(&change(120, vec![Write::Insert(Row::User(user(40, "Ann")))]))?;
    refused(121, vec![Write::Insert(Row::User(user(41, "aNN")))], Conflict::UsernameTaken)?;

    store.done(&change(130, vec![Write::Insert(Row::Site(site(50)))]))?;
    let twin = |content_url: &str, home| patd_proto::rows::Site {
        content_url: content_url.into(),
        home,
        ..site(51)
    };
    let insert = |site| vec![Write::Insert(Row::Site(site))];
    refused(131, insert(twin("sITE50", 1)), Conflict::Unique("sites_content_url".into()))?;
    refused(132, insert(twin("other", u32::MAX - 50)), Conflict::Unique("sites_home".into()))?;
    let gone = patd_proto::rows::Site { state: SiteState::Deleted, ..site(50) };
    let replaced = [vec![Write::Update(Row::Site(gone))], insert(twin("sITE50", 1))].concat();
    store.done(&change(133, replaced))?;
    store.stop()?;
    pass()
}

fn replay(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    let mint = change(100, vec![insert_token(token(10))]);
    store.done(&mint)?;
    store.done(&mint)?;
    // Also when the row has gone on meanwhile.
    let mut used = token(10);
    used.last_used_at = Some(Micros(NOW + 1));
    store.done(&change(101, vec![update_token(used)]))?;
    store.done(&mint)?;
    let kept = store.token(10)?.ok_or("the row is gone")?;
    ensure(kept.version == Nat(2), || format!("a replay wrote: version {}", kept.version.0))?;
    let quiet = Changes { events: Vec::new(), ..change(500, vec![insert_token(token(11))]) };
    store.done(&quiet)?;
    store.done(&quiet)?;
    let events = store.events()?;
    ensure(events == [id(100), id(101)], || {
        format!("{} events after replays, 2 are asked for", events.len())
    })?;
    store.stop()?;
    // A replay comes after a restart as well.
    let store = Store::start(subject)?;
    store.done(&mint)?;
    store.done(&quiet)?;
    store.stop()?;
    pass()
}

fn rehash(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    let first = token(10);
    store.done(&change(100, vec![insert_token(first.clone())]))?;
    let rehash = |number, new: &str| Changes {
        events: Vec::new(),
        ..change(
            number,
            vec![Write::RehashToken { id: id(10), old: first.digest.clone(), new: Phc(new.into()) }],
        )
    };
    store.done(&rehash(101, "$new"))?;
    store.done(&rehash(102, "$newer"))?;
    let now = store.token(10)?.ok_or("the row is gone")?;
    ensure(now.digest == Phc("$new".into()), || "a digest that was not read is replaced".into())?;
    ensure(now.version == Nat(1), || "a re-hash changes the version".into())?;
    store.stop()?;
    pass()
}

fn atomic(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    store.done(&change(100, vec![insert_token(token(10)), insert_session(session(20, None))]))?;
    let mut used = token(10);
    used.last_used_at = Some(Micros(NOW + 1));
    let late = change(
        101,
        vec![
            update_token(used),
            insert_token(token(11)),
            Write::Delete { row: RowKey::Session(id(20)), version: Nat(1) },
            Write::Delete { row: RowKey::Session(id(99)), version: Nat(1) },
        ],
    );
    store.conflict(&late, "whose last write conflicts")?;
    ensure(store.token(10)? == Some(token(10)), || "an update of a refused change stays".into())?;
    ensure(store.token(11)?.is_none(), || "an insert of a refused change stays".into())?;
    ensure(store.has_session(20)?, || "a delete of a refused change stays".into())?;
    ensure(store.events()? == [id(100)], || "an event of a refused change stays".into())?;
    let mut doubled = change(102, vec![insert_token(token(12))]);
    doubled.events.push(event(100));
    store.conflict(&doubled, "with an event that was there")?;
    ensure(store.token(12)?.is_none(), || "a change stays whose event was refused".into())?;
    store.stop()?;
    pass()
}

fn pages(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    let tokens = (0..20_u32).map(|number| {
        let mut one = token(10 + u128::from(number));
        // Three share a time.
        one.created_at = Micros(NOW + i64::from(number / 3));
        insert_token(one)
    });
    store.done(&change(100, tokens.collect()))?;
    let (mut seen, mut after) = (Vec::new(), None);
    for _ in 0..20 {
        let query = Query::Tokens { site: id(1), owner: None, ended_since: None, after, limit: 4 };
        let Found::Tokens(page) = store.ask(query)? else { return Err("no page of tokens".into()) };
        ensure(page.len() <= 4, || format!("a page of 4 has {} rows", page.len()))?;
        let Some(last) = page.last() else { break };
        after = Some((last.created_at, last.id));
        seen.extend(page.iter().map(|token| token.id.as_u128()));
    }
    let wanted: Vec<u128> = (10..30).rev().collect();
    ensure(seen == wanted, || format!("the pages give {seen:?}"))?;
    let sessions = (0..10).map(|number| insert_session(session(2000 + number, None)));
    store.done(&change(101, sessions.collect()))?;
    let query = Query::LiveSessions { now: Micros(NOW), after: Some(id(2004)), limit: 3 };
    let Found::Sessions(page) = store.ask(query)? else { return Err("no page of sessions".into()) };
    let seen: Vec<u128> = page.iter().map(|session| session.id.as_u128()).collect();
    ensure(seen == [2005, 2006, 2007], || format!("a page of sessions gives {seen:?}"))?;
    let none = Query::LiveSessions { now: Micros(NOW + DAY), after: None, limit: 3 };
    ensure(store.ask(none)? == Found::Sessions(vec![]), || "a session lives at its natural end".into())?;
    store.stop()?;
    pass()
}

fn sites(subject: &Subject) -> Outcome {
    let store = Store::start(subject)?;
    for number in 0..8_u128 {
        let of = id(1 + number % 2);
        let mut minted = token(10 + number);
        minted.site = of;
        let mut all = change(100 + number, vec![insert_token(minted)]);
        all.events[0].site = (number != 7).then_some(of);
        store.done(&all)?;
    }
    for (number, wanted) in [(1_u128, 4_usize), (2, 4), (3, 0)] {
        let of = id(number);
        let mine = |found: &patd_proto::rows::Token| found.site == of;
        let all = Query::Tokens { site: of, owner: None, ended_since: None, after: None, limit: 100 };
        let Found::Tokens(found) = store.ask(all)? else { return Err("no tokens".into()) };
        ensure(found.len() == wanted && found.iter().all(mine), || {
            format!("a site with {wanted} tokens is shown {}", found.len())
        })?;
        let Found::Tokens(found) = store.ask(Query::OpenTokensOf { site: of, owner: id(2) })? else {
            return Err("no tokens".into());
        };
        ensure(found.len() == wanted && found.iter().all(mine), || {
            "open tokens of another site are shown".into()
        })?;
        let Found::Events(found) =
            store.ask(Query::Events { site: of, filter: EventFilter::default(), after: None, limit: 100 })?
        else {
            return Err("no events".into());
        };
        ensure(found.iter().all(|event| event.site == Some(of)), || {
            "events of another site are shown".into()
        })?;
        let count = Query::CountMintedBefore { site: of, before: Micros(NOW + 1) };
        let counted = store.ask(count)?;
        ensure(counted == Found::Counts(Nat(wanted as u64), Nat(0)), || {
            format!("a site with {wanted} tokens counts {counted:?}")
        })?;
    }
    store.stop()?;
    pass()
}
