//! Brings the directory's sites in line with the config, at start and at a reload: new ones are added, changed ones updated,
//! missing ones suspended. It only works out what to write: one change, so that all of it happens or nothing (R7).

use patd_core::changes::{Changes, Conflict};
use patd_core::event::{Actor, Origin};
use patd_core::id::{HomeNumber, SiteLuid, Version};
use patd_core::record::{Site, SiteState};
use patd_core::rules::Context;
use patd_core::rules::site::{ChangedSite, Ends, WantedSite, add_site, change_policy};
use patd_core::time::Timestamp;

use crate::facts::{ask, nonsense};
use crate::ports::{Found, Query, Random, Store};
use crate::service::{event_ids, random_uuid};
use crate::start::{SitePlan, StartError};

/// A site of the config with its row, and what a changed policy ends.
pub(crate) struct Enrolled {
    pub(crate) plan: SitePlan,
    pub(crate) row: Site,
    pub(crate) ends: Vec<Ends>,
}

/// What the config makes of the directory's sites.
pub(crate) struct Enrolment {
    /// The sites of the config.
    pub(crate) sites: Vec<Enrolled>,
    /// The sites that left it.
    pub(crate) left: Vec<Site>,
    /// What to apply in the directory store, where anything differs.
    pub(crate) changes: Option<Changes>,
}

/// Works it out.
pub(crate) async fn enrol(
    random: &dyn Random,
    directory: &dyn Store,
    plans: &[SitePlan],
    now: Timestamp,
) -> Result<Enrolment, StartError> {
    let Found::Sites(known) = ask(directory, Query::Sites).await? else {
        return Err(nonsense(directory).into());
    };
    let mut enrolment = Enrolment { sites: Vec::new(), left: Vec::new(), changes: None };
    for plan in plans {
        let old = known.iter().find(|s| s.key == plan.key && s.state != SiteState::Deleted);
        let wanted = WantedSite {
            content_url: plan.content_url.clone(),
            name: plan.name.clone(),
            policy: plan.policy.clone(),
            state: SiteState::Active,
        };
        let (changes, row, ends) = match old {
            Some(old) => {
                let ChangedSite { changes, site, ends } =
                    by_system(random, now, |cx| change_policy(cx, old, wanted));
                (changes, site, ends)
            }
            None => {
                let site = Site {
                    luid: SiteLuid(random_uuid(random)),
                    key: plan.key.clone(),
                    content_url: wanted.content_url,
                    name: wanted.name,
                    home: unused_home_number(random, directory).await?,
                    state: SiteState::Active,
                    policy: wanted.policy,
                    not_before: Timestamp(0),
                    credential: None,
                    created_at: now,
                    version: Version(1),
                };
                (by_system(random, now, |cx| add_site(cx, site.clone())), site, Vec::new())
            }
        };
        enrolment.add(changes);
        enrolment.sites.push(Enrolled { plan: plan.clone(), row, ends });
    }
    for gone in known.iter().filter(|s| s.state == SiteState::Active) {
        if !plans.iter().any(|plan| plan.key == gone.key) {
            let wanted = WantedSite {
                content_url: gone.content_url.clone(),
                name: gone.name.clone(),
                policy: gone.policy.clone(),
                state: SiteState::Suspended,
            };
            let ChangedSite { changes, site, .. } =
                by_system(random, now, |cx| change_policy(cx, gone, wanted));
            enrolment.add(changes);
            enrolment.left.push(site);
        }
    }
    Ok(enrolment)
}

impl Enrolment {
    /// Makes one unit of work of all.
    fn add(&mut self, changes: Changes) {
        if changes.is_empty() {
            return;
        }
        match &mut self.changes {
            None => self.changes = Some(changes),
            Some(all) => {
                all.expect.extend(changes.expect);
                all.write.extend(changes.write);
                all.events.extend(changes.events);
            }
        }
    }
}

/// Asks a rule on behalf of patd itself.
pub(crate) fn by_system<T>(
    random: &dyn Random,
    now: Timestamp,
    rule: impl FnOnce(&mut Context<'_>) -> T,
) -> T {
    let mut fresh = event_ids(now, random);
    rule(&mut Context { now, actor: Actor::System, origin: Origin::default(), event_id: &mut fresh })
}

/// Why the directory did not take the sites.
pub(crate) fn not_written(conflict: &Conflict) -> StartError {
    StartError::Failed(format!(
        "the sites cannot be written to the directory ({conflict:?}): is a content URL that of another site, perhaps \
         of one that left the config?"
    ))
}

async fn unused_home_number(random: &dyn Random, directory: &dyn Store) -> Result<HomeNumber, StartError> {
    loop {
        let mut bytes = [0; 4];
        random.fill(&mut bytes);
        let home = HomeNumber(u32::from_be_bytes(bytes));
        let Found::Counts(used, _) = ask(directory, Query::HomeNumberUsed(home)).await? else {
            return Err(nonsense(directory).into());
        };
        if used == 0 {
            return Ok(home);
        }
    }
}
