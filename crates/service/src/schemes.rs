//! What the live digests were made with: counted by the stores, so that a config that could not check some of them is refused
//! and an operator sees when an old hasher, or an old key, is not needed any more.
//!
//! Counting reads every live token of a store: never on the path of a request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use patd_core::record::Site;

use crate::error::{Error, Result};
use crate::hash_pool::{Checks, Hashers};
use crate::ports::{DigestGroup, Store};
use crate::service::Service;
use crate::start::StartError;

/// What to do about digests that nothing can check.
pub const REMEDY: &str = "keep the old hasher (or key) under another name until `patd doctor` shows no share of it, or give \
                          these up for good by naming it in plugins.abandoned_digests";
/// Between two counts for the metric.
const ROUND: Duration = Duration::from_secs(300);

/// What a digest was made with.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Made {
    /// The PHC scheme.
    pub scheme: String,
    /// The key's name, where it is keyed.
    pub kid: Option<String>,
}

impl Made {
    /// Reads `$scheme$params$salt`.
    pub(crate) fn of(sample: &str) -> Self {
        let mut parts = sample.split('$').skip(1);
        let scheme = parts.next().unwrap_or_default().to_owned();
        let mut settings = parts.flat_map(|part| part.split(','));
        let kid = settings.find_map(|setting| setting.strip_prefix("kid=")).map(str::to_owned);
        Self { scheme, kid }
    }

    /// Whether the operator has given it up: by `scheme`, or by `scheme kid=…` for one key.
    pub(crate) fn is_among(&self, abandoned: &[String]) -> bool {
        abandoned.iter().any(|entry| *entry == self.scheme || *entry == self.to_string())
    }
}

impl std::fmt::Display for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kid {
            Some(kid) => write!(f, "{} kid={kid}", self.scheme),
            None => f.write_str(&self.scheme),
        }
    }
}

/// How many live digests of one place were made alike.
#[derive(Clone, Debug)]
pub struct Share {
    /// The site's key in the config; `None` for passwords.
    pub site: Option<String>,
    /// With what.
    pub made: Made,
    /// How many.
    pub count: u64,
    /// Parameters of one of them, which no secret can be learnt from.
    pub sample: String,
}

impl Share {
    /// As it was counted elsewhere.
    #[must_use]
    pub fn counted(site: Option<String>, sample: String, count: u64) -> Self {
        Self { site, made: Made::of(&sample), count, sample }
    }

    fn all(site: Option<&str>, groups: Vec<DigestGroup>) -> Vec<Self> {
        let mut shares: BTreeMap<Made, Self> = BTreeMap::new();
        for DigestGroup { sample, count } in groups {
            let share = Self::counted(site.map(str::to_owned), sample, 0);
            shares.entry(share.made.clone()).or_insert(share).count += count;
        }
        shares.into_values().collect()
    }
}

/// As operators are told of it.
impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.site {
            Some(site) => write!(f, "{} tokens of site `{site}` under {}", self.count, self.made),
            None => write!(f, "{} passwords under {}", self.count, self.made),
        }
    }
}

/// Counts everywhere.
pub(crate) async fn count<'a>(
    directory: &dyn Store,
    sites: impl Iterator<Item = (&'a dyn Store, &'a Site)>,
) -> Result<Vec<Share>> {
    let mut shares = count_in(directory, None).await?;
    for (store, site) in sites {
        shares.extend(count_in(store, Some(site)).await?);
    }
    Ok(shares)
}

/// Counts the tokens of a site, or all passwords. A store that cannot count is told in the log and has none.
///
/// # Errors
/// `Unavailable` when the store does not answer.
pub async fn count_in(store: &dyn Store, site: Option<&Site>) -> Result<Vec<Share>> {
    let groups = store.digests(site.map(|site| site.luid)).await?;
    if groups.is_none() {
        tracing::warn!(
            store = store.name(),
            "this store's plug-in cannot count digests: whether the hashers can check all of them is not known"
        );
    }
    Ok(Share::all(site.map(|site| site.key.as_str()), groups.unwrap_or_default()))
}

/// What hashers make of stored digests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Shares that none of them can check.
    pub missing: Vec<String>,
    /// Shares with a hasher that may be theirs and does not answer, and its reason.
    pub unknown: Vec<String>,
}

impl Judgement {
    /// Why these hashers are refused, if they are. What to do about it is [`REMEDY`].
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        (!self.missing.is_empty())
            .then(|| format!("no entry of [hashers] can check {}", self.missing.join(", ")))
    }
}

/// Holds stored digests against hashers; one of each is derived of nothing.
pub async fn judge(hashers: &Hashers, shares: &[Share]) -> Judgement {
    let mut judgement = Judgement::default();
    for share in shares {
        match hashers.checks(&share.made, &share.sample).await {
            Checks::Yes => {}
            Checks::Unknown(why) => judgement.unknown.push(format!("{share}: {why}")),
            Checks::No => judgement.missing.push(share.to_string()),
        }
    }
    judgement
}

/// Refuses when a live digest could not be checked with these hashers.
pub(crate) async fn check(hashers: &Hashers, shares: &[Share]) -> std::result::Result<(), StartError> {
    let judgement = judge(hashers, shares).await;
    for unknown in &judgement.unknown {
        tracing::warn!(unknown, "whether digests can be checked is not known");
    }
    match judgement.refusal() {
        None => Ok(()),
        Some(refusal) => Err(StartError::Failed(format!("{refusal}: {REMEDY}"))),
    }
}

impl Service {
    /// What the live digests were made with, site by site.
    ///
    /// # Errors
    /// `Unavailable` when a store does not answer.
    pub async fn shares(&self) -> Result<Vec<Share>> {
        let sites = self.world.sites.load_full();
        let rows: Vec<_> = sites.iter().map(|site| (&*site.store, site.row.load_full())).collect();
        count(&*self.world.directory, rows.iter().map(|(store, row)| (*store, &**row))).await
    }

    /// Keeps the metric.
    pub(crate) fn start_counting(self: &Arc<Self>) {
        let service = Arc::clone(self);
        self.tasks.spawn(async move {
            let mut told = Vec::new();
            loop {
                match service.shares().await {
                    Ok(shares) => tell(&mut told, shares),
                    Err(Error::Unavailable { cause }) => {
                        tracing::warn!(cause, "digests could not be counted")
                    }
                    Err(error) => tracing::warn!(%error, "digests could not be counted"),
                }
                tokio::select! {
                    () = service.stopping.cancelled() => return,
                    () = tokio::time::sleep(ROUND) => {}
                }
            }
        });
    }
}

/// A share that is gone is told as 0, not left as it was.
fn tell(told: &mut Vec<Share>, shares: Vec<Share>) {
    let set = |share: &Share, count: u64| {
        let (site, kid) =
            (share.site.clone().unwrap_or_default(), share.made.kid.clone().unwrap_or_default());
        let kind = if share.site.is_some() { "token" } else { "password" };
        gauge!("patd_digests", "site" => site, "scheme" => share.made.scheme.clone(), "kid" => kid, "kind" => kind)
            .set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    };
    told.iter().for_each(|share| set(share, 0));
    shares.iter().for_each(|share| set(share, share.count));
    *told = shares;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_differ_in_cost_are_one_share_and_keys_are_not() {
        let group = |sample: &str, count| DigestGroup { sample: sample.to_owned(), count };
        let shares = Share::all(
            Some("acme"),
            vec![
                group("$argon2id$v=19$m=256,t=1,p=1$c2FsdA", 2),
                group("$argon2id$v=19$m=512,t=1,p=1$c2FsdA", 3),
                group("$hmac-sha256$kid=one$c2FsdA", 4),
                group("$hmac-sha256$kid=two$c2FsdA", 5),
            ],
        );
        let all: Vec<_> = shares.iter().map(|share| (share.made.to_string(), share.count)).collect();
        let all: Vec<_> = all.iter().map(|(made, count)| (made.as_str(), *count)).collect();
        assert_eq!(all, [("argon2id", 5), ("hmac-sha256 kid=one", 4), ("hmac-sha256 kid=two", 5)]);
        let given_up = ["hmac-sha256 kid=one".to_owned()];
        assert!(shares[1].made.is_among(&given_up) && !shares[2].made.is_among(&given_up));
    }
}
