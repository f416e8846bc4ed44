//! The hasher port. Runs on the service's bounded pool; must never be called on an async thread.

use std::ops::Deref;
use std::sync::Arc;

use patd_service::ports::{CurrentHasher, HashError, Hasher, HasherPlace};

use crate::{CallError, HasherHandle, HasherSlot, Prepared};

fn refused(error: CallError) -> HashError {
    match error {
        CallError::Invalid(why) => HashError::Params(why),
        other => HashError::Failed(other.to_string()),
    }
}

/// A hold on one instance.
struct Held<H>(H);

impl<H: Deref<Target = HasherHandle> + Send + Sync> Hasher for Held<H> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn schemes(&self) -> &[String] {
        &self.0.description().schemes
    }

    fn new_params(&self, salt: &[u8]) -> Result<String, HashError> {
        self.0.new_params(salt).map_err(refused)
    }

    fn derive(&self, secret: &[u8], params: &str) -> Result<Vec<u8>, HashError> {
        // The caller's copy is the caller's to wipe; ours wipes itself.
        self.0.derive(secret, params).map(|digest| digest.to_vec()).map_err(refused)
    }

    fn needs_rehash(&self, params: &str) -> Result<bool, HashError> {
        self.0.needs_rehash(params).map_err(refused)
    }
}

/// The slot of a hasher plug-in as the service's port.
#[derive(Debug, Clone)]
pub struct PluginHasher(Arc<HasherSlot>);

impl PluginHasher {
    /// Wraps a slot.
    #[must_use]
    pub fn new(slot: Arc<HasherSlot>) -> Self {
        Self(slot)
    }
}

impl HasherPlace for PluginHasher {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn current(&self) -> Result<CurrentHasher, HashError> {
        let lease = self.0.lease_now().map_err(refused)?;
        Ok(CurrentHasher { generation: lease.generation(), hasher: Arc::new(Held(lease)) })
    }

    fn unready(&self) -> Option<String> {
        self.0.unready()
    }
}

/// A hasher that was prepared and does not serve yet, so that it can be judged by what it would have to check.
#[derive(Debug, Clone)]
pub struct PreparedHasher(Arc<HasherHandle>);

impl PreparedHasher {
    /// Looks at the instance that waits.
    #[must_use]
    pub fn of(prepared: &Prepared<HasherHandle>) -> Self {
        Self(Arc::clone(prepared.unit()))
    }
}

impl HasherPlace for PreparedHasher {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn current(&self) -> Result<CurrentHasher, HashError> {
        Ok(CurrentHasher { generation: 0, hasher: Arc::new(Held(Arc::clone(&self.0))) })
    }

    fn unready(&self) -> Option<String> {
        self.0.is_quarantined().then(|| format!("the hasher {} is quarantined", self.0.name()))
    }
}
