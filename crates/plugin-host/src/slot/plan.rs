//! What an instance is made of, and how it is made within a bounded time. Must never show the settings: any of them may be a
//! secret.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::unit::Unit;
use crate::error::{LoadError, LoadErrorKind};
use crate::image::{Image, Kind};
use crate::{HasherHandle, ServiceHandle};

/// An instance as the configuration wants it.
#[derive(Clone)]
pub struct InstancePlan {
    /// The library.
    pub image: Arc<Image>,
    /// Which of its factories.
    pub kind: Kind,
    /// Name in the configuration.
    pub name: String,
    /// The instance's own settings.
    pub settings: serde_json::Value,
    /// The payload of START; a hasher has none.
    pub start: Vec<u8>,
    /// How long making and starting it may take, each.
    pub patience: Duration,
}

impl InstancePlan {
    /// Whether an instance of `other` would be the same: same bytes, same settings.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.image.sha256() == other.image.sha256()
            && self.image.id() == other.image.id()
            && self.kind == other.kind
            && self.settings == other.settings
            && self.start == other.start
    }

    /// Whether the plug-in's own schema allows the settings; makes no instance.
    ///
    /// # Errors
    /// [`LoadError`], whose [`LoadError::violations`] say what it does not allow.
    pub async fn check(self: &Arc<Self>) -> Result<(), LoadError> {
        self.apart(|plan| match plan.kind {
            Kind::Hasher => HasherHandle::check(&plan.image, &plan.name, &plan.settings),
            kind => ServiceHandle::check(&plan.image, kind, &plan.name, &plan.settings),
        })
        .await
    }

    /// Makes an instance.
    pub(super) async fn create<U: Unit>(self: &Arc<Self>) -> Result<Arc<U>, LoadError> {
        self.apart(U::create).await.map(Arc::new)
    }

    /// Calls into the plug-in. One that hangs keeps a thread of its own and nothing else.
    async fn apart<T: Send + 'static>(
        self: &Arc<Self>,
        call: fn(&Self) -> Result<T, LoadError>,
    ) -> Result<T, LoadError> {
        let (plan, (done, made)) = (Arc::clone(self), oneshot::channel());
        let spawned = std::thread::Builder::new().name("patd-create".to_owned()).spawn(move || {
            // An instance that comes too late is dropped here, which destroys it.
            let _too_late = done.send(call(&plan));
        });
        if let Err(error) = spawned {
            return Err(self.refuse("a thread to make it on", error.to_string()));
        }
        match tokio::time::timeout(self.patience, made).await {
            Ok(Ok(made)) => made,
            Ok(Err(_)) => Err(self.refuse("an instance", "a panic while it was made")),
            Err(_) => Err(self.refuse(
                &format!("an instance within {:?}", self.patience),
                "one that is still being made or tested",
            )),
        }
    }

    /// Starts an instance; one that does not start is ended again.
    pub(super) async fn start<U: Unit>(self: &Arc<Self>, unit: Arc<U>) -> Result<Arc<U>, NotStarted<U>> {
        let started = match tokio::time::timeout(self.patience, unit.start(self)).await {
            Ok(started) => started,
            Err(_) => Err(self.refuse(
                &format!("{} to start within {:?}", self.name, self.patience),
                "that it is still starting",
            )),
        };
        let Err(error) = started else { return Ok(unit) };
        let ended = tokio::time::timeout(self.patience, unit.end()).await == Ok(true);
        if !ended {
            tracing::error!(instance = self.name, "an instance that did not start did not stop either");
        }
        Err(NotStarted { error, left: (!ended).then_some(unit) })
    }

    /// Makes and starts an instance.
    pub(super) async fn make<U: Unit>(self: &Arc<Self>) -> Result<Arc<U>, NotStarted<U>> {
        let unit = self.create().await.map_err(|error| NotStarted { error, left: None })?;
        self.start(unit).await
    }

    pub(super) fn refuse(&self, expected: &str, found: impl Into<String>) -> LoadError {
        self.image.subject().refuse(
            LoadErrorKind::Start,
            expected,
            found,
            "See the log; use another build or other settings.",
        )
    }
}

/// An instance that did not start.
pub(super) struct NotStarted<U> {
    pub(super) error: LoadError,
    /// The instance, where it has not ended either.
    pub(super) left: Option<Arc<U>>,
}

impl fmt::Debug for InstancePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstancePlan")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("sha256", &self.image.sha256())
            .finish_non_exhaustive()
    }
}
