//! The sink: one batch at a time, in order. Must never answer for an event that the receiver has not acknowledged.

use patd_proto::audit::SCHEMA;
use patd_sdk::{AsyncService, Context, Failure, ServiceDescription, flags, op};
use patd_sink_net::Tls;
use tokio::sync::Mutex;

use crate::config::{self, Config};
use crate::endpoint::Endpoint;

/// The audit sink.
pub struct AuditWebhook {
    endpoint: Mutex<Endpoint>,
}

impl AsyncService for AuditWebhook {
    const FLAGS: u64 = flags::ORDERED;
    const MAY_GIVE_UP: bool = true;

    fn create(context: &Context) -> Result<Self, Failure> {
        let target = context.config::<Config>()?.read()?;
        Ok(Self { endpoint: Mutex::new(Endpoint::new(target, context.host())) })
    }

    fn describe(_me: Option<&Self>) -> ServiceDescription {
        ServiceDescription {
            kind: "audit".into(),
            schema: SCHEMA,
            max_in_flight: 1,
            config_schema: config::schema(),
            example_config: config::example(),
            wants: Vec::new(),
        }
    }

    async fn start(&self, _payload: Vec<u8>) -> Result<(), Failure> {
        let mut endpoint = self.endpoint.lock().await;
        let tls = match endpoint.ca_file() {
            Some(path) => Some(patd_sdk::spawn_blocking(move || Tls::new(path.as_deref())).await??),
            None => None,
        };
        endpoint.start(tls);
        Ok(())
    }

    async fn stop(&self) -> Result<(), Failure> {
        self.endpoint.lock().await.stop();
        Ok(())
    }

    async fn call(&self, op: u32, payload: Vec<u8>) -> Result<Vec<u8>, Failure> {
        match op {
            op::HEALTH => self.endpoint.lock().await.health().await.map(|()| Vec::new()),
            op::DELIVER => patd_sdk::deliver(&payload, &mut *self.endpoint.lock().await).await,
            // Nothing is kept: what was accepted has arrived.
            op::FLUSH => Ok(Vec::new()),
            other => Err(Failure::unsupported(other)),
        }
    }
}
