//! Live digests are counted by what they were made with, and no digest is told.

use patd_proto::rows::{Password, Token};
use patd_proto::store::{Row, Write};
use patd_proto::wire::{Micros, Nat, Phc};

use crate::scratch::*;

fn made(n: u128, digest: &str) -> Token {
    Token { digest: Phc(digest.into()), ..token(n) }
}

async fn counted(store: &Scratch, site: Option<u128>) -> Vec<(String, u64)> {
    let groups = store.engine.digests(site.map(id)).await.expect("counted");
    let mut groups: Vec<_> = groups.into_iter().map(|group| (group.sample, group.count.0)).collect();
    groups.sort();
    groups
}

#[tokio::test]
async fn live_digests_are_counted_by_what_they_were_made_with_and_never_told() {
    let store = scratch().await;
    assert!(counted(&store, Some(1)).await.is_empty() && counted(&store, None).await.is_empty());
    let tokens = [
        made(10, "$hmac-sha256$kid=one$YQ$c2VjcmV0"),
        made(11, "$hmac-sha256$kid=one$Yg$c2VjcmV0"),
        made(12, "$hmac-sha256$kid=two$YQ$c2VjcmV0"),
        made(13, "$argon2id$v=19$m=256,t=1,p=1$YQ$c2VjcmV0"),
        Token { ended: ended(None), ..made(14, "$old$i=1$YQ$c2VjcmV0") },
        Token { site: id(9), ..made(15, "$other$i=1$YQ$c2VjcmV0") },
    ];
    store.done(change(1, tokens.map(insert_token).into())).await;
    let password = Password {
        user: id(2),
        digest: Phc("$argon2id$v=19$m=64,t=1,p=1$YQ$c2VjcmV0".into()),
        changed_at: Micros(NOW),
        version: Nat(1),
    };
    store.done(change(2, vec![Write::Insert(Row::Password(password))])).await;

    let one = |sample: &str, count| (sample.to_owned(), count);
    assert_eq!(
        counted(&store, Some(1)).await,
        [
            one("$argon2id$v=19$m=256,t=1,p=1$YQ", 1),
            one("$hmac-sha256$kid=one$YQ", 2),
            one("$hmac-sha256$kid=two$YQ", 1)
        ]
    );
    assert_eq!(counted(&store, Some(9)).await, [one("$other$i=1$YQ", 1)]);
    assert_eq!(counted(&store, None).await, [one("$argon2id$v=19$m=64,t=1,p=1$YQ", 1)]);
}
