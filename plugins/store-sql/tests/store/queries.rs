//! Each query answers what the contract says, in its order, page by page.

use patd_proto::rows::{Invitation, InvitationKind, MemberState, Password, SiteCredential, Token, Totp};
use patd_proto::store::{EventFilter, Found, Query, Row, Write};
use patd_proto::wire::{Bytes, Micros, Nat, Phc};

use crate::scratch::*;

fn tokens(found: Found) -> Vec<u128> {
    match found {
        Found::Tokens(tokens) => tokens.iter().map(|t| t.id.as_u128()).collect(),
        other => panic!("{other:?}"),
    }
}

fn sessions(found: Found) -> Vec<u128> {
    match found {
        Found::Sessions(sessions) => sessions.iter().map(|s| s.id.as_u128()).collect(),
        other => panic!("{other:?}"),
    }
}

fn at(n: u128, created: i64) -> Token {
    Token { created_at: Micros(NOW + created), ..token(n) }
}

#[tokio::test]
async fn directory_rows_come_back_by_their_keys() {
    let store = scratch().await;
    let mut with_credential = site(1);
    with_credential.credential =
        Some(SiteCredential { client_id: "acme".into(), digest: Bytes(vec![7; 32]) });
    let ann = user(2, "Ann");
    let password =
        Password { user: id(2), digest: Phc("$p".into()), changed_at: Micros(NOW), version: Nat(1) };
    let totp = Totp {
        user: id(2),
        sealed_secret: Bytes(vec![0, 255, 1]),
        confirmed: true,
        last_step: Nat(58_000_000),
        recovery: vec![Bytes(vec![1; 32]), Bytes(vec![2; 32])],
        version: Nat(1),
    };
    let join = Invitation {
        id: id(40),
        kind: InvitationKind::Join,
        site: Some(id(1)),
        user: id(2),
        digest: Bytes(vec![3; 32]),
        created_at: Micros(NOW),
        expires_at: Micros(NOW + DAY),
        spent_at: None,
        version: Nat(1),
    };
    let recover = Invitation { id: id(41), kind: InvitationKind::Recover, site: None, ..join.clone() };
    let spent = Invitation { id: id(42), spent_at: Some(Micros(NOW)), ..join.clone() };
    let rows = [
        Row::Site(with_credential.clone()),
        Row::Site(site(3)),
        Row::User(ann.clone()),
        Row::Password(password.clone()),
        Row::Totp(totp.clone()),
        Row::Invitation(join.clone()),
        Row::Invitation(recover.clone()),
        Row::Invitation(spent),
    ];
    store.done(change(100, rows.map(Write::Insert).to_vec())).await;
    let join_open = Query::OpenInvitations { user: id(2), site: Some(id(1)) };
    let recover_open = Query::OpenInvitations { user: id(2), site: None };
    for (query, found) in [
        (Query::Sites, Found::Sites(vec![with_credential, site(3)])),
        (Query::User(id(2)), Found::Users(vec![ann.clone()])),
        (Query::User(id(9)), Found::Users(vec![])),
        (Query::UserByName("ann".into()), Found::Users(vec![ann])),
        (Query::UserByName("Ann".into()), Found::Users(vec![])),
        (Query::Password(id(2)), Found::Passwords(vec![password])),
        (Query::Totp(id(2)), Found::Totps(vec![totp])),
        (Query::Invitation(id(40)), Found::Invitations(vec![join.clone()])),
        (join_open, Found::Invitations(vec![join])),
        (recover_open, Found::Invitations(vec![recover])),
        (Query::TokenAndSession(id(9)), Found::TokenAndSession(None)),
    ] {
        assert_eq!(store.ask(query.clone()).await, found, "{query:?}");
    }
}

#[tokio::test]
async fn members_are_paged_by_folded_name_and_by_offset() {
    let store = scratch().await;
    for (n, name) in [(10, "delta"), (11, "Alpha"), (12, "charlie"), (13, "Bravo"), (14, "echo")] {
        let state = if n == 14 { MemberState::Removed } else { MemberState::Active };
        let rows = vec![
            Write::Insert(Row::User(user(n, name))),
            Write::Insert(Row::Membership(member(1, n, state))),
            Write::Insert(Row::Membership(member(2, n, MemberState::Active))),
        ];
        store.done(change(100 + n, rows)).await;
    }
    let page = async |after: Option<&str>, offset, limit| {
        let query = Query::MembersOf { site: id(1), after: after.map(str::to_owned), offset, limit };
        match store.ask(query).await {
            Found::Members(members) => members.into_iter().map(|m| m.user.username).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(page(None, 0, 3).await, ["Alpha", "Bravo", "charlie"]);
    assert_eq!(page(Some("charlie"), 0, 3).await, ["delta"]);
    assert_eq!(page(None, 2, 3).await, ["charlie", "delta"]);
    assert_eq!(page(None, 0, 0).await, [""; 0]);
    assert_eq!(store.ask(Query::CountMembers(id(1))).await, Found::Counts(Nat(4), Nat(0)));
    let Found::Memberships(of) = store.ask(Query::MembershipsOf(id(14))).await else { panic!("none") };
    assert_eq!(of.iter().map(|m| m.site).collect::<Vec<_>>(), [id(1), id(2)]);
}

#[tokio::test]
async fn tokens_are_paged_newest_first_without_gap_or_repetition() {
    let store = scratch().await;
    let mut rows: Vec<Token> = (0..20).map(|n| at(10 + n, i64::try_from(n / 3).expect("small"))).collect();
    rows[4].ended = ended(None);
    rows[5].owner = id(3);
    rows[6].site = id(9);
    store.done(change(100, rows.into_iter().map(insert_token).collect())).await;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let query = Query::Tokens { site: id(1), owner: Some(id(2)), ended_since: None, after, limit: 4 };
        let Found::Tokens(page) = store.ask(query).await else { panic!("no tokens") };
        let Some(last) = page.last() else { break };
        after = Some((last.created_at, last.id));
        seen.extend(page.iter().map(|t| t.id.as_u128()));
    }
    let wanted: Vec<u128> = (10..30).rev().filter(|n| ![14, 15, 16].contains(n)).collect();
    assert_eq!(seen, wanted);
    let all = |ended_since| Query::Tokens { site: id(1), owner: None, ended_since, after: None, limit: 100 };
    assert_eq!(tokens(store.ask(all(None)).await).len(), 18);
    assert_eq!(tokens(store.ask(all(Some(Micros(NOW + 1)))).await).len(), 19);
    assert_eq!(tokens(store.ask(all(Some(Micros(NOW + 2)))).await).len(), 18);
    let open = tokens(store.ask(Query::OpenTokensOf { site: id(1), owner: id(2) }).await);
    assert_eq!(open, wanted.into_iter().rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn tokens_that_are_due_are_found_for_the_sweeper_the_earliest_first() {
    let store = scratch().await;
    let due = |n, days: i64| Token { due_at: Micros(NOW + days * DAY), ..token(n) };
    let gone = Token { ended: ended(None), ..due(13, 2) };
    let elsewhere = Token { site: id(7), ..due(14, 1) };
    let all = [due(10, 15), due(11, 16), due(12, 2), gone, elsewhere];
    store.done(change(100, all.map(insert_token).to_vec())).await;
    let of = async |site, now, limit| {
        tokens(store.ask(Query::DueTokens { site: id(site), now: Micros(now), limit }).await)
    };
    let found = async |now, limit| of(1, now, limit).await;
    assert_eq!(of(7, NOW + 16 * DAY, 10).await, [14], "each site's own");
    assert_eq!(found(NOW + 2 * DAY - 1, 10).await, [0; 0]);
    assert_eq!(found(NOW + 2 * DAY, 10).await, [12]);
    assert_eq!(found(NOW + 15 * DAY, 10).await, [12, 10]);
    assert_eq!(found(NOW + 16 * DAY, 10).await, [12, 10, 11]);
    assert_eq!(found(NOW + 16 * DAY, 1).await, [12]);
}

#[tokio::test]
async fn live_sessions_are_paged_by_id_and_past_ones_found_for_the_sweeper() {
    let store = scratch().await;
    let mut rows: Vec<_> = (20..30).map(|n| session(n, None)).collect();
    rows[2].ended = ended(None);
    rows[3].expires_at = Micros(NOW);
    store.done(change(100, rows.into_iter().map(insert_session).collect())).await;
    let live = async |after: Option<u128>, limit| {
        let query = Query::LiveSessions { now: Micros(NOW), after: after.map(id), limit };
        sessions(store.ask(query).await)
    };
    assert_eq!(live(None, 4).await, [20, 21, 24, 25]);
    assert_eq!(live(Some(25), 100).await, [26, 27, 28, 29]);
    let past = |before| Query::PastSessions { before: Micros(before), limit: 100 };
    assert_eq!(sessions(store.ask(past(NOW)).await), [0; 0]);
    assert_eq!(sessions(store.ask(past(NOW + 1)).await), [23]);
    assert_eq!(sessions(store.ask(past(NOW + DAY + 1)).await).len(), 10);
}

#[tokio::test]
async fn what_was_minted_before_a_time_is_counted_with_its_live_sessions() {
    let store = scratch().await;
    let mut rows = Vec::new();
    for n in 0..6_u128 {
        let mut t = at(10 + n, i64::try_from(n).expect("small"));
        let mut s = session(20 + n, Some(&t));
        match n {
            0 => t.ended = ended(None),
            1 => s.ended = ended(None),
            2 => t.session = None,
            _ => {}
        }
        if n != 2 {
            t.session = Some(s.id);
        }
        rows.extend([insert_token(t), insert_session(s)]);
    }
    store.done(change(100, rows)).await;
    let count = Query::CountMintedBefore { site: id(1), before: Micros(NOW + 5) };
    assert_eq!(store.ask(count).await, Found::Counts(Nat(4), Nat(2)));
}

#[tokio::test]
async fn events_are_paged_newest_first_and_only_of_their_site() {
    let store = scratch().await;
    assert_eq!(store.ask(Query::NewestEvent).await, Found::Time(None));
    for n in 10..20 {
        let mut one = change(n, vec![]);
        one.events[0].time = Micros(NOW + i64::try_from(n / 2).expect("small"));
        one.events[0].site = (n != 13).then(|| id(if n == 14 { 9 } else { 1 }));
        store.done(one).await;
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let Found::Events(page) =
            store.ask(Query::Events { site: id(1), filter: EventFilter::default(), after, limit: 3 }).await
        else {
            panic!("none")
        };
        let Some(last) = page.last() else { break };
        after = Some((last.time, last.id));
        seen.extend(page.iter().map(|e| e.id.as_u128()));
    }
    assert_eq!(seen, [19, 18, 17, 16, 15, 12, 11, 10]);
    assert_eq!(store.ask(Query::NewestEvent).await, Found::Time(Some(Micros(NOW + 9))));
}

#[tokio::test]
async fn many_queries_are_answered_in_order_from_one_read() {
    let store = scratch().await;
    store.done(change(100, vec![insert_token(token(10)), insert_session(session(20, None))])).await;
    let queries = vec![
        Query::Session(id(20)),
        Query::TokenAndSession(id(10)),
        Query::TokenAndSession(id(11)),
        Query::NewestEvent,
    ];
    let found = store.engine.query(queries).await.expect("the store answers");
    assert!(matches!(&found[0], Found::Sessions(s) if s.len() == 1));
    assert!(matches!(&found[1], Found::TokenAndSession(Some(t)) if t.token == token(10)));
    assert!(matches!(&found[2], Found::TokenAndSession(None)));
    assert_eq!(found[3], Found::Time(Some(Micros(NOW))));
    assert_eq!(store.engine.query(vec![]).await, Ok(vec![]));
}
