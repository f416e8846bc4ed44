//! The hasher port. Runs on the service's bounded pool; must never be called on an async thread.

use patd_service::ports::{HashError, Hasher};

use crate::{CallError, HasherHandle};

/// A hasher plug-in as the service's port.
#[derive(Debug)]
pub struct PluginHasher(HasherHandle);

impl PluginHasher {
    /// Wraps a self-tested instance.
    #[must_use]
    pub fn new(handle: HasherHandle) -> Self {
        Self(handle)
    }

    /// The instance.
    #[must_use]
    pub fn handle(&self) -> &HasherHandle {
        &self.0
    }
}

fn refused(error: CallError) -> HashError {
    match error {
        CallError::Invalid(why) => HashError::Params(why),
        other => HashError::Failed(other.to_string()),
    }
}

impl Hasher for PluginHasher {
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
