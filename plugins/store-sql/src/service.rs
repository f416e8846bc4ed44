//! The plug-in's operations: JSON in, one call of the engine, JSON out.

use patd_proto::describe::ServiceDescription;
use patd_proto::store::{
    ApplyReply, ApplyRequest, Backup, DeadLetters, DeadLettersAsk, DeadLettersForget, DeadLettersForgotten,
    DigestGroups, Digests, Empty, EventsRemove, EventsRemoved, Export, Import, OutboxAck, OutboxAsk,
    OutboxBatch, OutboxLease, OutboxLeases, OutboxTake, QueryReply, QueryRequest, SCHEMA, Start, op,
};
use patd_sdk::{AsyncService, Context, Failure, flags};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::RwLock;

use crate::config::Config;
use crate::engine::Engine;

/// One instance: a store that is open between START and STOP.
pub struct SqlStore {
    config: Config,
    engine: RwLock<Option<Engine>>,
}

impl AsyncService for SqlStore {
    const FLAGS: u64 = flags::EXCLUSIVE | flags::IDEMPOTENT | flags::DURABLE;

    fn create(context: &Context) -> Result<Self, Failure> {
        let config: Config = context.config()?;
        config.file()?;
        Ok(Self { config, engine: RwLock::new(None) })
    }

    fn describe(_: Option<&Self>) -> ServiceDescription {
        ServiceDescription {
            kind: "store".to_owned(),
            schema: SCHEMA,
            max_in_flight: 1024,
            config_schema: json!({
                "type": "object",
                "required": ["url"],
                "additionalProperties": false,
                "properties": {
                    "url": {
                        "type": "string",
                        "pattern": "^sqlite://.+",
                        "description": "`sqlite://` and the path of the file; {data_dir} and {luid} are replaced",
                    },
                    "readers": {
                        "type": "integer", "minimum": 1, "maximum": 64, "default": 4,
                        "description": "connections that read, beside the one that writes",
                    },
                },
            }),
            example_config: json!({ "url": "sqlite:///var/lib/patd/sites/{luid}.db" }),
            wants: Vec::new(),
        }
    }

    async fn start(&self, payload: Vec<u8>) -> Result<(), Failure> {
        let role = if payload.is_empty() { None } else { read::<Start>(&payload)?.role };
        *self.engine.write().await = Some(Engine::open(self.config.clone(), role).await?);
        Ok(())
    }

    async fn stop(&self) -> Result<(), Failure> {
        match self.engine.write().await.take() {
            Some(engine) => Ok(engine.close().await?),
            None => Ok(()),
        }
    }

    async fn call(&self, op: u32, payload: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let guard = self.engine.read().await;
        let Some(engine) = guard.as_ref() else {
            drop(guard);
            return self.before_start(op).await;
        };
        match op {
            op::HEALTH => {
                engine.health().await?;
                write(&Empty { schema: SCHEMA })
            }
            // An embedded store migrated itself at START.
            op::SCHEMA_STATUS | op::MIGRATE => write(&engine.schema().await?),
            op::QUERY => {
                let request: QueryRequest = read(&payload)?;
                write(&QueryReply { schema: SCHEMA, found: engine.query(request.queries).await? })
            }
            op::APPLY => {
                let request: ApplyRequest = read(&payload)?;
                write(&ApplyReply { schema: SCHEMA, applied: engine.apply(request.changes).await? })
            }
            op::OUTBOX_TAKE..=op::OUTBOX_ACK | op::OUTBOX_STATUS..=op::EVENTS_REMOVE => {
                outbox(engine, op, &payload).await
            }
            op::BACKUP => {
                let request: Backup = read(&payload)?;
                engine.backup(&request.path).await?;
                write(&Empty { schema: SCHEMA })
            }
            op::EXPORT => {
                let request: Export = read(&payload)?;
                write(&engine.export(request.after.as_deref(), request.limit).await?)
            }
            op::IMPORT => {
                let request: Import = read(&payload)?;
                engine.import(request.pieces, request.finish).await?;
                write(&Empty { schema: SCHEMA })
            }
            op::DIGESTS => {
                let request: Digests = read(&payload)?;
                write(&DigestGroups { schema: SCHEMA, groups: engine.digests(request.site).await? })
            }
            other => Err(Failure::unsupported(other)),
        }
    }
}

impl SqlStore {
    async fn before_start(&self, op: u32) -> Result<Vec<u8>, Failure> {
        match op {
            op::SCHEMA_STATUS => write(&Engine::schema_of(&self.config).await?),
            op::MIGRATE => Err(Failure::invalid("this store migrates itself at START")),
            op::HEALTH => Err(Failure::unavailable("the instance is not started")),
            other => Err(Failure::unsupported(other)),
        }
    }
}

async fn outbox(engine: &Engine, op: u32, payload: &[u8]) -> Result<Vec<u8>, Failure> {
    match op {
        op::OUTBOX_TAKE => {
            let OutboxTake { sink, scope, after, limit, .. } = read(payload)?;
            let events = engine.outbox_take(&sink, scope, after, limit).await?;
            write(&OutboxBatch { schema: SCHEMA, events })
        }
        op::OUTBOX_ACK => {
            let OutboxAck { sink, scope, through, dead, .. } = read(payload)?;
            engine.outbox_ack(&sink, scope, through, &dead).await?;
            write(&Empty { schema: SCHEMA })
        }
        op::OUTBOX_STATUS => {
            let OutboxAsk { sink, scope, .. } = read(payload)?;
            write(&engine.outbox_status(&sink, scope).await?)
        }
        op::DEAD_LETTERS => {
            let DeadLettersAsk { sink, scope, after, limit, .. } = read(payload)?;
            let letters = engine.dead_letters(&sink, scope, after, limit).await?;
            write(&DeadLetters { schema: SCHEMA, letters })
        }
        op::DEAD_LETTERS_FORGET => {
            let DeadLettersForget { sink, positions, .. } = read(payload)?;
            let forgotten = patd_proto::wire::Nat(engine.dead_letters_forget(sink, &positions).await?);
            write(&DeadLettersForgotten { schema: SCHEMA, forgotten })
        }
        op::OUTBOX_LEASE => {
            let OutboxLease { holder, claims, release, .. } = read(payload)?;
            let leases = engine.outbox_lease(holder, claims, release).await?;
            write(&OutboxLeases { schema: SCHEMA, leases })
        }
        op::EVENTS_REMOVE => {
            let EventsRemove { scope, through, limit, .. } = read(payload)?;
            let removed = patd_proto::wire::Nat(engine.events_remove(scope, through, limit).await?);
            write(&EventsRemoved { schema: SCHEMA, removed })
        }
        other => Err(Failure::unsupported(other)),
    }
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Failure> {
    // serde's message would repeat the wrong value, which may be a digest: only its kind and place are told.
    serde_json::from_slice(payload).map_err(|error| {
        let kind = match error.classify() {
            serde_json::error::Category::Data => "does not fit the contract",
            _ => "is not JSON",
        };
        Failure::invalid(format!("the payload {kind} at line {} column {}", error.line(), error.column()))
    })
}

fn write<T: Serialize>(answer: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(answer).map_err(|_| Failure::internal("the answer could not be written as JSON"))
}
