//! A hasher instance. It derives and nothing else; whether a secret is right is decided by patd in constant time. Must
//! never hand out a digest that is short, or anything at all once the instance is quarantined.

use std::ffi::c_void;
use std::mem::size_of;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use patd_abi::{Bytes, Hasher, status};
use patd_proto::describe::HasherDescription;
use zeroize::Zeroizing;

use crate::calls::Calls;
use crate::error::{CallError, LoadError, LoadErrorKind};
use crate::image::{Image, Kind};
use crate::instance::Instance;
use crate::output::{MAX_DETAIL, MAX_DIGEST, Output};
use crate::selftest;

/// Shortest digest that counts.
const MIN_DIGEST: usize = 16;
/// Most bytes of a parameters text.
const MAX_PARAMS: usize = 1 << 10;

/// A self-tested hasher instance.
pub struct HasherHandle {
    image: Arc<Image>,
    table: Hasher,
    me: *mut c_void,
    instance: &'static Instance,
    description: HasherDescription,
    /// Derivations under way.
    calls: Calls,
    /// Whether it is destroyed. Held for reading during each call into the plug-in, for writing to destroy it.
    destroyed: RwLock<bool>,
}

// SAFETY: the ABI marks derive, new_params, needs_rehash and describe thread-safe; destroy is guarded by `destroyed`.
unsafe impl Send for HasherHandle {}
// SAFETY: as above.
unsafe impl Sync for HasherHandle {}

impl HasherHandle {
    /// Makes an instance named `name` with its configuration, and self-tests it. CPU-bound for as long as a few hashes.
    ///
    /// # Errors
    /// [`LoadError`] when it is no hasher, refuses the configuration, or fails the self-test.
    pub fn create(image: &Arc<Image>, name: &str, config: &serde_json::Value) -> Result<Self, LoadError> {
        let (table, description) = described(image)?;
        let create = image.required(table.create, "create")?;
        crate::image::check_settings(image, name, &description.config_schema, config)?;
        let instance = Instance::leak(name);
        let me = crate::image::create(image, create, instance, config)?;
        let handle = Self {
            image: Arc::clone(image),
            table,
            me,
            instance,
            description,
            calls: Calls::default(),
            destroyed: RwLock::new(false),
        };
        selftest::run(&handle)?;
        Ok(handle)
    }

    /// Whether the plug-in's own schema allows the configuration of an instance named `name`; makes none.
    ///
    /// # Errors
    /// [`LoadError`] when it is no hasher, or its schema does not allow the configuration.
    pub fn check(image: &Image, name: &str, config: &serde_json::Value) -> Result<(), LoadError> {
        let (_, description) = described(image)?;
        crate::image::check_settings(image, name, &description.config_schema, config)
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.instance.name
    }

    /// The library it comes from.
    #[must_use]
    pub fn image(&self) -> &Arc<Image> {
        &self.image
    }

    /// What it says about itself.
    #[must_use]
    pub fn description(&self) -> &HasherDescription {
        &self.description
    }

    /// Whether it is out of service.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        self.instance.is_quarantined()
    }

    /// How long the slowest derivation that is under way has taken so far.
    pub(crate) fn slowest(&self) -> Option<Duration> {
        self.calls.slowest()
    }

    pub(crate) fn instance(&self) -> &'static Instance {
        self.instance
    }

    /// Destroys the instance unless a call is under way, or it is quarantined and may be in any state; whether it did.
    /// Later calls are refused.
    pub(crate) fn end(&self) -> bool {
        let Some(mut destroyed) = self.destroyed.try_write() else { return false };
        if self.instance.is_quarantined() {
            return false;
        }
        if let (Some(destroy), false) = (self.table.destroy, *destroyed) {
            *destroyed = true;
            // SAFETY: made by create, destroyed once; the lock says that no call is under way and keeps later ones out.
            unsafe { destroy(self.me) }
        }
        true
    }

    /// Public text (scheme, cost, salt) for a new digest.
    ///
    /// # Errors
    /// [`CallError`]; every one is a refusal.
    pub fn new_params(&self, salt: &[u8]) -> Result<String, CallError> {
        let (_here, function) = self.ready(self.table.new_params)?;
        let (mut params, mut detail) = (Output::new(MAX_PARAMS), Output::new(MAX_DETAIL));
        // SAFETY: a live instance; salt and both sinks outlive the call.
        let status = unsafe { function(self.me, Bytes::of(salt), params.out(), detail.out()) };
        self.judge(status, &detail)?;
        let text = params.take().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
        match text {
            Some(text) if is_params(&text) => Ok(text),
            _ => Err(self.malformed("new_params gave no PHC text")),
        }
    }

    /// The digest of `secret` under `params`, wiped when dropped. CPU-bound.
    ///
    /// # Errors
    /// [`CallError`]; every one is a refusal. A digest under 16 bytes is one.
    pub fn derive(&self, secret: &[u8], params: &str) -> Result<Zeroizing<Vec<u8>>, CallError> {
        let (_here, function) = self.ready(self.table.derive)?;
        let _call = self.calls.begin();
        let (mut digest, mut detail) = (Output::new(MAX_DIGEST), Output::new(MAX_DETAIL));
        // SAFETY: a live instance; secret, params and both sinks outlive the call.
        let status = unsafe {
            function(self.me, Bytes::of(secret), Bytes::of(params.as_bytes()), digest.out(), detail.out())
        };
        self.judge(status, &detail)?;
        match digest.take() {
            Some(digest) if digest.len() >= MIN_DIGEST => Ok(digest),
            Some(digest) => Err(self.malformed(&format!("derive gave {} bytes", digest.len()))),
            None => Err(self.malformed("derive gave more than 1 KiB")),
        }
    }

    /// Whether `params` are not what `new_params` would give today.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn needs_rehash(&self, params: &str) -> Result<bool, CallError> {
        let (_here, function) = self.ready(self.table.needs_rehash)?;
        let mut answer = 0;
        // SAFETY: a live instance; params and the answer outlive the call.
        let status = unsafe { function(self.me, Bytes::of(params.as_bytes()), &raw mut answer) };
        self.judge(status, &Output::new(0))?;
        match answer {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.malformed("needs_rehash answered neither 0 nor 1")),
        }
    }

    /// The function, and what keeps the instance in place while it is called.
    fn ready<F>(
        &self,
        function: Option<F>,
    ) -> Result<(parking_lot::RwLockReadGuard<'_, bool>, F), CallError> {
        if self.instance.is_quarantined() {
            return Err(CallError::Unavailable(format!("the hasher {} is quarantined", self.instance.name)));
        }
        let function =
            function.ok_or_else(|| CallError::Unsupported("the plug-in lacks this function".into()))?;
        let here = self.destroyed.read();
        if *here {
            return Err(CallError::Unavailable(format!("the hasher {} was replaced", self.instance.name)));
        }
        Ok((here, function))
    }

    fn judge(&self, status: patd_abi::Status, detail: &Output) -> Result<(), CallError> {
        if status == status::OK && !detail.text().is_empty() {
            return Err(self.malformed("success together with an error"));
        }
        if status == status::OK {
            self.instance.succeeded();
            return Ok(());
        }
        let error = CallError::of(status, detail.text());
        match error {
            CallError::Panic => self.instance.quarantine("it panicked"),
            CallError::Internal(_) => self.instance.failed(),
            _ => {}
        }
        Err(error)
    }

    fn malformed(&self, what: &str) -> CallError {
        self.instance.quarantine(what);
        CallError::Internal(what.to_owned())
    }

    pub(crate) fn refuse(&self, expected: &str, found: impl Into<String>) -> LoadError {
        self.image.subject().refuse(
            LoadErrorKind::SelfTest,
            expected,
            found,
            "Do not use this plug-in; tell its author.",
        )
    }
}

/// The plug-in's table, whole, and what it says about itself.
fn described(image: &Image) -> Result<(Hasher, HasherDescription), LoadError> {
    // SAFETY: Hasher is the table of this kind.
    let table: Hasher = unsafe { image.table(Kind::Hasher, size_of::<Hasher>()) }?;
    image.check_flags(table.flags)?;
    image.required(table.create, "create")?;
    image.required(table.destroy, "destroy")?;
    image.required(table.new_params, "new_params")?;
    image.required(table.derive, "derive")?;
    image.required(table.needs_rehash, "needs_rehash")?;
    let describe = image.required(table.describe, "describe")?;
    Ok((table, crate::image::describe(image, describe, Kind::Hasher)?))
}

impl Drop for HasherHandle {
    fn drop(&mut self) {
        // An instance that panicked may be in any state: it is given up, not touched again.
        self.end();
    }
}

impl std::fmt::Debug for HasherHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HasherHandle")
            .field("name", &self.instance.name)
            .field("plugin", &self.image.id())
            .finish()
    }
}

/// `$scheme$…`, printable, without blanks; nothing that would not survive a column or a log.
fn is_params(text: &str) -> bool {
    text.len() > 2
        && text.starts_with('$')
        && !text.ends_with('$')
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}
