//! Which libraries this process has loaded: each content once, whatever the number of instances. A second image of a store
//! would bring a second SQLite, which breaks the locks of the first; so the list is the process's, not a caller's.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;

use crate::error::{LoadError, Subject};
use crate::image::Image;
use crate::{PluginSpec, copy};

/// By digest and by the name that the configuration gives.
type Loaded = HashMap<(String, String), Arc<Image>>;

static LOADED: LazyLock<Mutex<Loaded>> = LazyLock::new(Mutex::default);

/// The loaded libraries of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Images;

impl Images {
    /// The image of a plug-in; verifies the file anew each time, loads its content once. Blocks on file IO.
    ///
    /// # Errors
    /// [`LoadError`] saying what was expected, what was found and what to do.
    pub fn load(self, spec: &PluginSpec) -> Result<Arc<Image>, LoadError> {
        let subject = Subject::new(&spec.name, &spec.path);
        // Held throughout: two callers must not open one content under two paths.
        let mut loaded = LOADED.lock();
        let copied = copy::verified(&subject, spec)?;
        let key = (copied.sha256.clone(), spec.name.clone());
        if let Some(image) = loaded.get(&key) {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(Image::open(subject, &copied.path, copied.sha256)?);
        tracing::info!(
            plugin = image.id(),
            version = %image.version(),
            sha256 = image.sha256(),
            path = %spec.path.display(),
            "plug-in loaded"
        );
        loaded.insert(key, Arc::clone(&image));
        Ok(image)
    }
}
