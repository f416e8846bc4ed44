//! What a slot needs of an instance, whichever kind it is.

use std::future::Future;
use std::time::Duration;

use patd_abi::flags;

use super::plan::InstancePlan;
use crate::error::LoadError;
use crate::instance::Instance;
use crate::{HasherHandle, ServiceHandle};

/// A hasher, store or sink instance in a slot.
pub trait Unit: Send + Sync + Sized + 'static {
    /// Whether calls into it may hang without any time limit of the host.
    const MAY_HANG: bool;

    /// Makes it, self-test included. Blocks.
    ///
    /// # Errors
    /// [`LoadError`] when the plug-in refuses.
    fn create(plan: &InstancePlan) -> Result<Self, LoadError>;

    /// Opens what it needs.
    fn start(&self, plan: &InstancePlan) -> impl Future<Output = Result<(), LoadError>> + Send;

    /// Ends it, however long that takes; whether it has ended completely. Only when no request is inside.
    fn end(&self) -> impl Future<Output = bool> + Send;

    /// Whether two of them must never overlap on one resource.
    fn exclusive(&self) -> bool;

    /// How long its slowest call that should be short has taken so far.
    fn slowest(&self) -> Option<Duration>;

    /// Takes it out of service.
    fn quarantine(&self, why: &str);

    /// Why it is out of service, if it is.
    fn quarantined(&self) -> Option<String>;

    /// Waits until it is out of service; holds nothing of the instance.
    fn watch(&self) -> Watch;
}

/// Waits for an instance's quarantine without keeping the instance.
#[derive(Clone, Copy)]
pub struct Watch(pub(super) &'static Instance);

impl Watch {
    /// Waits for it.
    pub(super) async fn quarantined(self) {
        self.0.quarantined().await;
    }

    /// Whether it is the same instance.
    pub(super) fn is(self, other: Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

fn reason(instance: &Instance) -> Option<String> {
    instance.is_quarantined().then(|| instance.why())
}

impl Unit for HasherHandle {
    const MAY_HANG: bool = true;

    fn create(plan: &InstancePlan) -> Result<Self, LoadError> {
        Self::create(&plan.image, &plan.name, &plan.settings)
    }

    async fn start(&self, _: &InstancePlan) -> Result<(), LoadError> {
        Ok(())
    }

    async fn end(&self) -> bool {
        Self::end(self)
    }

    fn exclusive(&self) -> bool {
        false
    }

    fn slowest(&self) -> Option<Duration> {
        Self::slowest(self)
    }

    fn quarantine(&self, why: &str) {
        self.instance().quarantine(why);
    }

    fn quarantined(&self) -> Option<String> {
        reason(self.instance())
    }

    fn watch(&self) -> Watch {
        Watch(self.instance())
    }
}

impl Unit for ServiceHandle {
    // Each request has its own time limit.
    const MAY_HANG: bool = false;

    fn create(plan: &InstancePlan) -> Result<Self, LoadError> {
        Self::create(&plan.image, plan.kind, &plan.name, &plan.settings)
    }

    async fn start(&self, plan: &InstancePlan) -> Result<(), LoadError> {
        Self::start(self, plan.start.clone(), plan.patience).await
    }

    async fn end(&self) -> bool {
        Self::end(self).await
    }

    fn exclusive(&self) -> bool {
        self.flags() & flags::EXCLUSIVE != 0
    }

    fn slowest(&self) -> Option<Duration> {
        None
    }

    fn quarantine(&self, why: &str) {
        Self::quarantine(self, why);
    }

    fn quarantined(&self) -> Option<String> {
        reason(self.instance())
    }

    fn watch(&self) -> Watch {
        Watch(self.instance())
    }
}
