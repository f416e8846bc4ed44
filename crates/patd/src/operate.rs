//! The operator's commands that change or read state: the same whether they come over the control socket or run
//! with the daemon stopped.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use patd_core::id::{HomeNumber, TokenId};
use patd_core::name::SiteRole;
use patd_core::record::SiteState;
use patd_service::audit::LaneProgress;
use patd_service::cloud_event::{event_json, rfc3339};
use patd_service::dead_letters::Kept;
use patd_service::error::Error;
use patd_service::service::Service;
use patd_service::view::Invited;

use crate::facts::{Counted, Facts};
use crate::failure::Failure;
use crate::reload::reload;
use crate::seal_files::SealFiles;
use crate::system::OsRandom;
use crate::wiring::Running;

/// Events in one answer to [`Operation::AuditEvents`].
const EVENTS_PAGE: u32 = 1000;

/// A command for the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Operation {
    /// `patd user add`.
    UserAdd {
        /// User name.
        username: String,
        /// Site, by content URL or LUID.
        site: String,
        /// Role.
        role: String,
    },
    /// `patd user recover`.
    UserRecover {
        /// User name.
        username: String,
    },
    /// `patd user disable` and `enable`.
    UserSetDisabled {
        /// User name.
        username: String,
        /// Which of the two.
        disabled: bool,
    },
    /// `patd site list`.
    SiteList,
    /// `patd site credential`.
    SiteCredential {
        /// Site.
        site: String,
    },
    /// `patd site delete`.
    SiteDelete {
        /// Site, by its key in the config, content URL or LUID.
        site: String,
    },
    /// `patd store status`.
    StoreStatus,
    /// `patd store backup`.
    StoreBackup {
        /// An absolute path of a folder that does not exist yet.
        folder: String,
    },
    /// `patd audit verify`: how far each sink has come.
    AuditSinks,
    /// `patd audit verify`: a page of a store's events.
    AuditEvents {
        /// The store's name.
        store: String,
        /// The position of the last event before.
        after: u64,
        /// At most so many; [`EVENTS_PAGE`] if not said.
        limit: Option<u32>,
    },
    /// `patd audit rotate-key`.
    AuditRotateKey,
    /// `patd audit dead-letters`.
    DeadLetters {
        /// Which of the three.
        verb: DeadLettersVerb,
        /// The sink's name.
        sink: String,
        /// Only those of this site, by its key in the config, content URL or LUID.
        site: Option<String>,
    },
    /// `patd plugin list`.
    PluginList,
    /// `patd reload`.
    Reload {
        /// The config file that the command was given, absolute.
        config: String,
    },
    /// `patd verify`: the public parts of a token secret; the secret itself stays with the command.
    Token {
        /// Home number.
        home: u32,
        /// Public id.
        id: Uuid,
    },
    /// `patd config check`: what stored digests were made with.
    Digests,
    /// `patd doctor`.
    Doctor,
}

/// What to do with dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeadLettersVerb {
    /// Show them.
    List,
    /// Deliver them again.
    Replay,
    /// Give them up.
    Drop,
}

/// Carries out a command.
pub(crate) async fn operate(running: &Arc<Running>, operation: Operation) -> Result<Value, Failure> {
    let service = &running.service;
    match operation {
        Operation::UserAdd { username, site, role } => {
            let role = SiteRole::parse(&role).ok_or_else(|| {
                let all: Vec<_> = SiteRole::ALL.iter().map(|r| r.as_str()).collect();
                Failure::Refused(format!("`{role}` is no site role; one of: {}", all.join(", ")))
            })?;
            let invited = service.operator_invite(&username, &site, role).await.map_err(refused)?;
            Ok(invitation(running, &invited, Some((&site, role))))
        }
        Operation::UserRecover { username } => {
            let invited = service.operator_recover(&username).await.map_err(refused)?;
            Ok(invitation(running, &invited, None))
        }
        Operation::UserSetDisabled { username, disabled } => {
            let luid = service.operator_set_disabled(&username, disabled).await.map_err(refused)?;
            Ok(json!({"luid": luid.to_string(), "username": username, "disabled": disabled}))
        }
        Operation::SiteList => {
            let sites = service.operator_sites().await.map_err(refused)?;
            Ok(sites
                .iter()
                .map(|s| {
                    json!({
                        "key": s.key, "content_url": s.content_url.as_str(), "name": s.name,
                        "luid": s.luid.to_string(), "state": format!("{:?}", s.state).to_lowercase(),
                        "client_id": s.credential.as_ref().map(|c| c.client_id.clone()),
                    })
                })
                .collect())
        }
        Operation::SiteCredential { site } => {
            let (client_id, secret) = service.operator_site_credential(&site).await.map_err(refused)?;
            Ok(json!({"site": site, "client_id": client_id, "client_secret": secret.expose()}))
        }
        Operation::SiteDelete { site } => {
            let luid = service.operator_delete_site(&site).await.map_err(refused)?;
            Ok(json!({"luid": luid.to_string(), "state": "deleted"}))
        }
        Operation::StoreStatus => {
            let stores = service.operator_stores().await.map_err(refused)?;
            Ok(stores
                .into_iter()
                .map(|(name, s)| json!({"store": name, "location": s.location, "applied": s.applied, "pending": s.pending}))
                .collect())
        }
        Operation::StoreBackup { folder } => {
            let files = service.operator_backup(&folder).await.map_err(refused)?;
            // A site that has left the config has a store that nothing here knows the name of.
            let sites = service.operator_sites().await.map_err(refused)?;
            let left_out: Vec<_> =
                sites.into_iter().filter(|s| s.state == SiteState::Suspended).map(|s| s.key).collect();
            Ok(json!({"folder": folder, "files": files, "without_sites": left_out}))
        }
        Operation::AuditSinks => {
            let sinks = service.operator_sinks().await.map_err(refused)?;
            Ok(sinks
                .into_iter()
                .map(|s| {
                    let sites: Vec<_> = s.sites.iter().map(ToString::to_string).collect();
                    let lane = |lane: LaneProgress| {
                        let site = lane.scope.site().map(|site| site.to_string());
                        json!({"store": lane.store, "site": site, "waiting_from": lane.waiting_from})
                    };
                    let lanes: Vec<_> = s.lanes.into_iter().map(lane).collect();
                    json!({
                        "sink": s.sink, "sites": sites, "types": s.types,
                        "types_of_no_site": s.types_of_no_site, "lanes": lanes,
                    })
                })
                .collect())
        }
        Operation::AuditEvents { store, after, limit } => {
            let limit = limit.map_or(EVENTS_PAGE, |limit| limit.min(EVENTS_PAGE));
            let events = service.operator_events(&store, after, limit).await.map_err(refused)?;
            Ok(events
                .iter()
                .map(|w| {
                    json!({
                        "position": w.position, "id": w.event.id.to_string(), "type": w.event.kind.as_str(),
                        "site": w.event.site.map(|site| site.to_string()), "event": event_json(&w.event),
                    })
                })
                .collect())
        }
        Operation::AuditRotateKey => {
            let files = SealFiles::of(&*running.config.lock().await);
            let old = match service.signer() {
                Some(signer) => signer,
                None => Arc::new(files.signer(&OsRandom)?),
            };
            let (new, told) = files.rotate(&OsRandom, &old)?;
            service.seal_with(new);
            Ok(told)
        }
        Operation::Reload { config } => match &running.config_path {
            Some(own) if own.as_os_str() == config.as_str() => reload(running, own).await,
            Some(own) => Err(Failure::Refused(format!(
                "expected the daemon's config file {}, found {config}: name that file, or restart with this one",
                own.display()
            ))),
            None => Err(Failure::Refused("no daemon runs here: there is nothing to reload".to_owned())),
        },
        Operation::DeadLetters { verb, sink, site } => {
            dead_letters(service, verb, &sink, site.as_deref()).await
        }
        Operation::PluginList => Ok(running.plugins()),
        Operation::Token { home, id } => {
            let (site, token) =
                service.operator_token(HomeNumber(home), TokenId(id)).await.map_err(refused)?;
            Ok(json!({
                "id": token.id.to_string(), "name": token.name, "site": site.content_url,
                "owner": token.owner_username, "created_at": rfc3339(token.created_at),
                "last_used_at": token.last_used_at.map(rfc3339), "expires_at": rfc3339(token.expires_at),
                "idle_expires_at": rfc3339(token.idle_expires_at), "live": token.ended.is_none(),
                "ended_at": token.ended.map(|(at, _)| rfc3339(at)),
                "ended_reason": token.ended.map(|(_, reason)| reason.as_str()),
            }))
        }
        Operation::Digests => told(&Counted::by(running).await?),
        Operation::Doctor => told(&Facts::by(running).await),
    }
}

fn told(value: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(|e| Failure::Refused(format!("the answer has no JSON: {e}")))
}

async fn dead_letters(
    service: &Service,
    verb: DeadLettersVerb,
    sink: &str,
    site: Option<&str>,
) -> Result<Value, Failure> {
    match verb {
        DeadLettersVerb::List => {
            let letters = told_of(service, sink, service.operator_dead_letters(sink, site)).await?;
            let shown = |kept: Kept| {
                json!({
                    "sink": sink, "store": kept.store, "position": kept.letter.position,
                    "id": kept.letter.event.id.to_string(), "type": kept.letter.event.kind.as_str(),
                    "site": kept.letter.event.site.map(|site| site.to_string()),
                    "reason": kept.letter.reason, "at": rfc3339(kept.letter.at),
                    "event": event_json(&kept.letter.event),
                })
            };
            Ok(letters.into_iter().map(shown).collect())
        }
        DeadLettersVerb::Replay => {
            let done = told_of(service, sink, service.operator_replay_dead_letters(sink, site)).await?;
            let (delivered, rejected) = (done.delivered, done.rejected);
            Ok(json!({"sink": sink, "delivered": delivered, "rejected": rejected, "failed": done.failed}))
        }
        DeadLettersVerb::Drop => {
            let dropped = told_of(service, sink, service.operator_drop_dead_letters(sink, site)).await?;
            Ok(json!({"sink": sink, "dropped": dropped}))
        }
    }
}

/// An answer about a sink; whoever names one that is none hears which there are.
async fn told_of<T>(
    service: &Service,
    sink: &str,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failure> {
    match answer.await {
        Err(Error::NotFound("sink")) => {
            let sinks = service.operator_sinks().await.map_err(refused)?;
            let mut names: Vec<_> = sinks.into_iter().map(|known| known.sink).collect();
            names.sort();
            Err(Failure::Refused(format!("no sink is named `{sink}`; the config has: {}", names.join(", "))))
        }
        answer => answer.map_err(refused),
    }
}

pub(crate) fn refused(e: Error) -> Failure {
    Failure::Refused(match e {
        Error::Unavailable { cause } => format!("temporarily unavailable: {cause}"),
        other => other.to_string(),
    })
}

fn invitation(running: &Running, invited: &Invited, joins: Option<(&str, SiteRole)>) -> Value {
    let link =
        format!("{}/invitation#{}", running.public_url.trim_end_matches('/'), invited.invitation.expose());
    json!({
        "luid": invited.user.luid.to_string(),
        "username": invited.user.username,
        "site": joins.map(|(site, _)| site),
        "role": joins.map(|(_, role)| role.as_str()),
        "invitation": invited.invitation.expose(),
        "link": link,
        "expires_at": rfc3339(invited.expires_at),
    })
}
