//! Whom an adapter calls: one instance, or the generation in service of a slot.

use std::sync::Arc;
use std::time::Duration;

use crate::{CallError, Lease, ServiceHandle, ServiceSlot};

/// An instance, or the place of one.
#[derive(Debug, Clone)]
pub(super) enum Callee {
    /// For tools and tests.
    Instance(ServiceHandle),
    /// In the daemon.
    Slot(Arc<ServiceSlot>),
}

/// The instance that one request goes to.
pub(super) enum Called {
    Instance(ServiceHandle),
    Held(Lease<ServiceHandle>),
}

impl std::ops::Deref for Called {
    type Target = ServiceHandle;

    fn deref(&self) -> &ServiceHandle {
        match self {
            Self::Instance(handle) => handle,
            Self::Held(lease) => lease,
        }
    }
}

impl Callee {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Instance(handle) => handle.name(),
            Self::Slot(slot) => slot.name(),
        }
    }

    /// The instance for one request; hold it until the answer is read.
    pub(super) async fn get(&self, patience: Duration) -> Result<Called, CallError> {
        match self {
            Self::Instance(handle) => Ok(Called::Instance(handle.clone())),
            Self::Slot(slot) => slot.lease(patience).await.map(Called::Held),
        }
    }

    /// Whether the instance in service says that it wants something; no while there is none.
    pub(super) fn wants(&self, what: &str) -> bool {
        let wants = |handle: &ServiceHandle| handle.description().wants.iter().any(|wanted| wanted == what);
        match self {
            Self::Instance(handle) => wants(handle),
            Self::Slot(slot) => slot.lease_now().is_ok_and(|lease| wants(&lease)),
        }
    }

    pub(super) async fn stop(&self, timeout: Duration) -> Result<(), CallError> {
        match self {
            Self::Instance(handle) => handle.stop(timeout).await,
            Self::Slot(slot) if slot.stop(timeout).await => Ok(()),
            Self::Slot(_) => Err(CallError::Timeout),
        }
    }

    /// The flags of the instance in service.
    pub(super) fn flags(&self) -> Option<u64> {
        match self {
            Self::Instance(handle) => Some(handle.flags()),
            Self::Slot(slot) => slot.lease_now().ok().map(|handle| handle.flags()),
        }
    }

    pub(super) fn unready(&self) -> Option<String> {
        match self {
            Self::Instance(_) => None,
            Self::Slot(slot) => slot.unready(),
        }
    }
}
