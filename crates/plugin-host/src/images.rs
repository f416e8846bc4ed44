//! Which libraries this process has loaded: each content once, whatever the number of instances. A second image of a store
//! would bring a second SQLite, which breaks the locks of the first; so the list is the process's, not a caller's.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;

use crate::copy::Identity;
use crate::error::{LoadError, LoadErrorKind, Subject};
use crate::image::Image;
use crate::{PluginSpec, copy};

/// Images of one plug-in that a process may hold where the configuration does not say.
pub const MAX_GENERATIONS: usize = 16;

static LOADED: LazyLock<Mutex<Loaded>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Loaded {
    /// By digest and by the name that the configuration gives.
    images: HashMap<(String, String), Arc<Image>>,
    /// The digests that were opened, by plug-in, refused ones too: nothing is ever unmapped.
    mapped: HashMap<String, HashSet<String>>,
    /// What a file was when it was last hashed.
    seen: HashMap<PathBuf, (Identity, String)>,
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
        // Held throughout: two callers must not open one content under two paths.
        let mut loaded = LOADED.lock();
        let before = copy::identity(&subject, spec)?;
        if let Some((identity, sha256)) = loaded.seen.get(&spec.path)
            && *identity == before
            && copy::check_pin(&subject, spec, sha256).is_ok()
            && let Some(image) = loaded.images.get(&(sha256.clone(), spec.name.clone()))
        {
            return Ok(Arc::clone(image));
        }
        let copied = copy::verified(&subject, spec)?;
        let after = copy::identity(&subject, spec)?;
        if before == after && before.is_settled() {
            loaded.seen.insert(spec.path.clone(), (after, copied.sha256.clone()));
        } else {
            loaded.seen.remove(&spec.path);
        }
        let key = (copied.sha256.clone(), spec.name.clone());
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
        mapped.insert(copied.sha256.clone());
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        metrics::gauge!("patd_plugin_images", "plugin" => spec.name.clone()).set(mapped.len() as f64);
        let image = Arc::new(Image::open(subject, &copied.path, copied.sha256)?);
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

    /// How many images of a plug-in this process holds.
    #[must_use]
    pub fn mapped(self, plugin: &str) -> usize {
        LOADED.lock().mapped.get(plugin).map_or(0, HashSet::len)
    }
}
