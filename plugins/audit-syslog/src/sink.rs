//! The sink: one batch at a time, one message after the other.

use patd_proto::audit::SCHEMA;
use patd_sdk::{
    AsyncService, Context, Event, Failure, OneByOne, ServiceDescription, Taken, flags, op, time_left,
};
use tokio::sync::Mutex;

use crate::config::{self, Config, Settings};
use crate::message::Origin;
use crate::transport::Transport;

/// The audit sink.
pub struct AuditSyslog {
    daemon: Mutex<Daemon>,
}

struct Daemon {
    origin: Origin,
    max_size: usize,
    transport: Transport,
}

impl AsyncService for AuditSyslog {
    const FLAGS: u64 = flags::ORDERED;
    const MAY_GIVE_UP: bool = true;

    fn create(context: &Context) -> Result<Self, Failure> {
        let Settings { place, facility, max_size } = context.config::<Config>()?.read()?;
        let (origin, transport) = (Origin::new(facility), Transport::new(place));
        Ok(Self { daemon: Mutex::new(Daemon { origin, max_size, transport }) })
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
        let mut daemon = self.daemon.lock().await;
        // Where there is no such file, messages say `-`, which the RFC allows.
        if let Ok(name) = tokio::fs::read_to_string("/proc/sys/kernel/hostname").await {
            daemon.origin.on(&name);
        }
        daemon.transport.start().await
    }

    async fn stop(&self) -> Result<(), Failure> {
        self.daemon.lock().await.transport.close().await;
        Ok(())
    }

    async fn call(&self, op: u32, payload: Vec<u8>) -> Result<Vec<u8>, Failure> {
        match op {
            op::HEALTH => self.daemon.lock().await.transport.ready().await.map(|()| Vec::new()),
            op::DELIVER => patd_sdk::deliver(&payload, &mut *self.daemon.lock().await).await,
            // Nothing is kept: what was accepted is in the system's hands.
            op::FLUSH => Ok(Vec::new()),
            other => Err(Failure::unsupported(other)),
        }
    }
}

impl OneByOne for Daemon {
    async fn take(&mut self, event: Event<'_>) -> Result<Taken, Failure> {
        let message = self.origin.message(event)?;
        if message.len() > self.max_size {
            tracing::error!(
                event = event.id,
                bytes = message.len(),
                max_size = self.max_size,
                "the event is too long for a message: set max_size and what the daemon takes higher"
            );
            return Ok(Taken::Rejected);
        }
        let patience = time_left().mul_f32(0.9);
        tokio::time::timeout(patience, self.transport.send(&message)).await.unwrap_or_else(|_| {
            Err(Failure::unavailable(format!("the syslog daemon took nothing within {patience:.1?}")))
        })
    }
}
