//! What a store promises of counting digests.

use patd_proto::rows::{Password, Token};
use patd_proto::store::{DigestGroups, Digests, Row, SCHEMA, Write, op};
use patd_proto::wire::Phc;
use patd_store_model::Memory;
use serde_json::json;

use super::STORE;
use super::rows::{Store, change, ended, id, insert_token, password, token};
use crate::case::{Case, Outcome, Verdict, ensure, pass_with};
use crate::subject::Subject;

pub(crate) const CASES: &[Case] = &[Case::of(
    STORE,
    "store.digests",
    "live digests are counted by what they were made with, and no digest is told",
    digests,
)];

/// In every digest, and nowhere else.
const CANARY: &str = "Y2FuYXJ5";

fn made(number: u128, params: &str) -> Token {
    Token { digest: Phc(format!("{params}${CANARY}{number}")), ..token(number) }
}

fn digests(subject: &Subject) -> Outcome {
    let (store, mut memory) = (Store::start(subject)?, Memory::default());
    let ask = |site: Option<u128>| Digests { schema: SCHEMA, site: site.map(id) };
    let Some(nothing) = store.optional::<DigestGroups>(op::DIGESTS, &ask(Some(1)))? else {
        store.stop()?;
        return Ok(Verdict::Skipped("it does not count digests".into()));
    };
    ensure(nothing.groups.is_empty(), || "an empty store counts digests".into())?;
    let tokens = [
        made(10, "$hmac-sha256$kid=one$YQ"),
        made(11, "$hmac-sha256$kid=one$Yg"),
        made(12, "$hmac-sha256$kid=two$YQ"),
        made(13, "$argon2id$v=19$m=256,t=1,p=1$YQ"),
        // A scheme that no hasher has, one without parameters, and the beginning of another.
        made(14, "$never-heard-of$x=1$YQ"),
        made(15, "$plain$YQ"),
        made(16, "$hmac-sha256$kid=on$YQ"),
        Token { ended: ended(None), ..made(17, "$over$i=1$YQ") },
        Token { site: id(9), ..made(18, "$hmac-sha256$kid=one$Yw") },
        Token { site: id(9), ..made(19, "$elsewhere$i=1$YQ") },
    ];
    let old = made(20, "$old$i=1$YQ");
    let rehash = Write::RehashToken {
        id: id(20),
        old: old.digest.clone(),
        new: Phc(format!("$hmac-sha256$kid=two$Yg${CANARY}")),
    };
    let passwords = [(30, "$argon2id$v=19$m=64,t=1,p=1$YQ"), (31, "$argon2id$v=19$m=64,t=1,p=1$Yg")]
        .map(|(user, params)| Password { digest: Phc(format!("{params}${CANARY}")), ..password(user) });
    for all in [
        change(100, tokens.iter().cloned().map(insert_token).collect()),
        change(101, vec![insert_token(old)]),
        change(102, vec![rehash]),
        change(103, passwords.map(Row::Password).map(Write::Insert).to_vec()),
    ] {
        store.done(&all)?;
        memory.apply(&all);
    }
    let mut counted = 0;
    for site in [Some(1), Some(9), Some(3), None] {
        let request = ask(site);
        let wanted = sums(memory.digests(&request).into_iter().map(|group| (group.sample, group.count.0)))?;
        let reply: DigestGroups = store.exchange(op::DIGESTS, &request)?;
        let told = reply.groups.iter().any(|group| group.sample.contains(CANARY));
        ensure(!told, || "a sample has the digest itself".into())?;
        let found = sums(reply.groups.into_iter().map(|group| (group.sample, group.count.0)))?;
        let of = site.map_or("the passwords".to_owned(), |site| format!("site {site}"));
        ensure(found == wanted, || format!("of {of} it counts {found:?} instead of {wanted:?}"))?;
        counted += found.len();
    }
    let nobody = json!({ "schema": SCHEMA, "site": "nobody" });
    store.refused(op::DIGESTS, &nobody, "DIGESTS of what is no site")?;
    store.stop()?;
    pass_with(format!("{counted} groups"))
}

/// Groups by what is the same up to the salt, which each sample ends with; none is empty or there twice.
fn sums(groups: impl Iterator<Item = (String, u64)>) -> Result<Vec<(String, u64)>, String> {
    let mut sums = Vec::new();
    for (sample, count) in groups {
        let (made, _salt) =
            sample.rsplit_once('$').ok_or_else(|| format!("the sample {sample:?} has no salt"))?;
        ensure(count > 0, || format!("the group {made} is empty"))?;
        sums.push((made.to_owned(), count));
    }
    sums.sort();
    let twice = sums.windows(2).find(|pair| pair[0].0 == pair[1].0);
    ensure(twice.is_none(), || format!("two groups are one: {twice:?}"))?;
    Ok(sums)
}
