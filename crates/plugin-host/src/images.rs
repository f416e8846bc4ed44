//! Which libraries this process has loaded: each content once, whatever the number of instances. A second image of a store
//! would bring a second SQLite, which breaks the locks of the first; so the list is the process's, not a caller's.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;

use crate::copy::Identity;
use crate::error::{LoadError, LoadErrorKind, Subject};
use crate::image::Image;
use crate::{PluginSpec, copy};

/// Images of one plug-in that a process may hold where the configuration does not say.
pub const MAX_GENERATIONS: usize = 16;

/// Held for a moment only: requests for a list of plug-ins need it, too.
static LOADED: LazyLock<Mutex<Loaded>> = LazyLock::new(Mutex::default);
/// Held while a library is opened, which runs its code and may take for ever.
static OPENING: Mutex<()> = Mutex::new(());

#[derive(Default)]
struct Loaded {
    /// By digest and by the name that the configuration gives.
    images: HashMap<(String, String), Arc<Image>>,
    /// The digests that were opened, by plug-in, also those that were refused then: nothing is ever unmapped.
    mapped: HashMap<String, HashSet<String>>,
    /// What a file was when it was last hashed.
    seen: HashMap<PathBuf, (Identity, String)>,
}

impl Loaded {
    /// The image of a file that is as it was when it was last hashed, if it is the pinned one.
    fn unchanged(&self, subject: &Subject, spec: &PluginSpec, now: Identity) -> Option<Arc<Image>> {
        let (identity, sha256) = self.seen.get(&spec.path)?;
        let same = *identity == now && copy::check_pin(subject, spec, sha256).is_ok();
        same.then(|| self.images.get(&(sha256.clone(), spec.name.clone())).map(Arc::clone)).flatten()
    }
}

/// The loaded libraries of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Images;

impl Images {
    /// The image of a plug-in; loads its content once. The file is verified anew unless it is the very one that was
    /// verified before: an image that is loaded already cannot change. Blocks on file IO.
    ///
    /// # Errors
    /// [`LoadError`] saying what was expected, what was found and what to do.
    pub fn load(self, spec: &PluginSpec) -> Result<Arc<Image>, LoadError> {
        self.load_within(spec, MAX_GENERATIONS)
    }

    /// As [`Self::load`], with at most `limit` images of one plug-in in this process: none is ever unmapped.
    ///
    /// # Errors
    /// As [`Self::load`]; [`LoadErrorKind::Generations`] above the limit.
    pub fn load_within(self, spec: &PluginSpec, limit: usize) -> Result<Arc<Image>, LoadError> {
        let subject = Subject::new(&spec.name, &spec.path);
        let before = copy::identity(&subject, spec)?;
        if let Some(image) = LOADED.lock().unchanged(&subject, spec, before) {
            return Ok(image);
        }
        // Two callers must not open one content under two paths.
        let _turn = OPENING.lock();
        let copied = copy::verified(&subject, spec)?;
        let after = copy::identity(&subject, spec)?;
        let key = (copied.sha256.clone(), spec.name.clone());
        {
            let mut loaded = LOADED.lock();
            if before == after && before.is_settled() {
                loaded.seen.insert(spec.path.clone(), (after, copied.sha256.clone()));
            } else {
                loaded.seen.remove(&spec.path);
            }
            if let Some(image) = loaded.images.get(&key) {
                return Ok(Arc::clone(image));
            }
            let mapped = loaded.mapped.entry(spec.name.clone()).or_default();
            if !mapped.contains(&copied.sha256) && mapped.len() >= limit {
                return Err(subject.refuse(
                    LoadErrorKind::Generations,
                    format!("at most {limit} different builds in one process (plugins.max_generations)"),
                    format!("one more, sha256 {}", copied.sha256),
                    "Restart required: memory of old builds is given back by a restart only.",
                ));
            }
        }
        crate::trial::check(&copied.path).map_err(|found| {
            subject.refuse(
                LoadErrorKind::Open,
                "a library that does no work while it is opened",
                found,
                "Do not use this plug-in; tell its author.",
            )
        })?;
        let opened = Image::open(subject, &copied.path, copied.sha256.clone());
        let mut loaded = LOADED.lock();
        let mapped = loaded.mapped.entry(spec.name.clone()).or_default();
        // What the loader itself refuses it leaves nowhere.
        if opened.as_ref().err().is_none_or(|error| error.kind() != LoadErrorKind::Open) {
            mapped.insert(copied.sha256);
        }
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        metrics::gauge!("patd_plugin_images", "plugin" => spec.name.clone()).set(mapped.len() as f64);
        let image = Arc::new(opened?);
        tracing::info!(
            plugin = image.id(),
            version = %image.version(),
            sha256 = image.sha256(),
            path = %spec.path.display(),
            "plug-in loaded"
        );
        loaded.images.insert(key, Arc::clone(&image));
        Ok(image)
    }

    /// Removes private copies that this process has not loaded: those of builds before, and halves that a killed process left.
    /// For a process that has the folder to itself.
    pub fn tidy(self, runtime_dir: &Path) {
        let loaded = LOADED.lock();
        let in_use: HashSet<_> =
            loaded.mapped.values().flatten().map(|sha256| format!("{sha256}.so")).collect();
        let files = std::fs::read_dir(copy::folder(runtime_dir)).into_iter().flatten();
        for file in files.filter_map(Result::ok) {
            if file.file_name().to_str().is_some_and(|name| !in_use.contains(name))
                && let Err(error) = std::fs::remove_file(file.path())
            {
                tracing::warn!(file = %file.path().display(), %error, "an old copy of a plug-in could not be removed");
            }
        }
    }

    /// How many images of a plug-in this process holds.
    #[must_use]
    pub fn mapped(self, plugin: &str) -> usize {
        LOADED.lock().mapped.get(plugin).map_or(0, HashSet::len)
    }
}
