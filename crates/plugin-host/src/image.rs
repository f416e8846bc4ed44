//! One loaded library: opening, negotiation, factories. Must never read past the plug-in's `struct_size`, and never
//! unload: nothing may depend on a `dlclose` that sometimes does and sometimes does not.

use std::mem::size_of;
use std::path::{Path, PathBuf};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use patd_abi::{ABI_MAJOR, Bytes, PATD_PLUGIN_MAGIC, Plugin};
use zeroize::Zeroizing;

use crate::error::{CallError, LoadError, LoadErrorKind, Subject};
use crate::instance::Instance;
use crate::output::{MAX_ANSWER, MAX_DETAIL, Output, brief};
use crate::settings;

/// Keep the library mapped for ever; the value of glibc and musl on Linux.
const RTLD_NODELETE: std::ffi::c_int = 0x1000;

/// The kinds of plug-ins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Derives digests.
    Hasher,
    /// Keeps rows.
    Store,
    /// Takes audit events.
    Audit,
}

impl Kind {
    /// As `describe` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hasher => "hasher",
            Self::Store => "store",
            Self::Audit => "audit",
        }
    }

    fn factory(self) -> &'static str {
        match self {
            Self::Hasher => patd_abi::FACTORY_HASHER,
            Self::Store => patd_abi::FACTORY_STORE,
            Self::Audit => patd_abi::FACTORY_AUDIT,
        }
    }
}

/// A loaded plug-in library.
#[derive(Debug)]
pub struct Image {
    subject: Subject,
    sha256: String,
    id: String,
    version: semver::Version,
    get_factory: unsafe extern "C" fn(Bytes) -> *const std::ffi::c_void,
}

impl Image {
    /// Opens a verified copy and reads its exported object.
    pub(crate) fn open(subject: Subject, copy: &Path, sha256: String) -> Result<Self, LoadError> {
        crate::whole::check(copy).map_err(|found| {
            subject.refuse(
                LoadErrorKind::Open,
                "a whole library",
                found,
                "Build or install the plug-in again.",
            )
        })?;
        // SAFETY: running the library's initialisers is what loading means; its bytes were verified.
        let library =
            unsafe { Library::open(Some(copy), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) }.map_err(|error| {
                subject.refuse(
                    LoadErrorKind::Open,
                    "a library that this system can load",
                    std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
                    "Build it for this machine, on the oldest system that you support; the daemon's runtime folder must allow execution (no noexec).",
                )
            })?;
        let refuse = |expected: String, found: String, action: &str| {
            subject.refuse(LoadErrorKind::Abi, expected, found, action)
        };
        let symbol = patd_abi::ENTRY_SYMBOL;
        // SAFETY: the symbol is data, read below by the size that it states.
        let entry: *const Plugin = match unsafe { library.get::<*const Plugin>(symbol.as_bytes()) } {
            Ok(found) => *found,
            Err(_) => std::ptr::null(),
        };
        // NODELETE keeps it mapped; not closing it keeps the loader's count right as well.
        std::mem::forget(library);
        if entry.is_null() {
            return Err(refuse(
                format!("the symbol {symbol}"),
                "none".into(),
                "This is no patd plug-in, or one made for another major version of the ABI.",
            ));
        }
        // SAFETY: magic and struct_size are the first 12 bytes of an object of any size; the field is aligned by the ABI.
        let (magic, size) =
            unsafe { ((&raw const (*entry).magic).read(), (&raw const (*entry).struct_size).read()) };
        if magic != PATD_PLUGIN_MAGIC {
            return Err(refuse(
                format!("magic {PATD_PLUGIN_MAGIC:#018x}"),
                format!("{magic:#018x}"),
                "Export the object through the SDK or the C header.",
            ));
        }
        if (size as usize) < size_of::<Plugin>() {
            return Err(refuse(
                format!("an exported object of at least {} bytes", size_of::<Plugin>()),
                format!("{size}"),
                "Rebuild the plug-in with the released header.",
            ));
        }
        // SAFETY: the object states at least the size of Plugin, and is never unloaded.
        let plugin = unsafe { entry.read() };
        if plugin.abi_major != ABI_MAJOR {
            return Err(refuse(
                format!("ABI major {ABI_MAJOR}"),
                plugin.abi_major.to_string(),
                "Use the plug-in's build for this version of patd.",
            ));
        }
        let get_factory = plugin.get_factory.ok_or_else(|| {
            refuse(
                "a get_factory function".into(),
                "NULL".into(),
                "Export it through the SDK or the C header.",
            )
        })?;
        // SAFETY: static text of a library that is never unloaded.
        let (id, version) = unsafe { (plugin.id.as_slice(), plugin.version.as_slice()) };
        let (id, version) = (String::from_utf8_lossy(id), String::from_utf8_lossy(version));
        if !is_id(&id) {
            return Err(refuse(
                "an id of 3 to 64 of a-z 0-9 . -".into(),
                format!("{id:?}"),
                "Correct the id.",
            ));
        }
        if id != subject.plugin {
            return Err(subject.refuse(
                LoadErrorKind::Identity,
                format!("the plug-in {}", subject.plugin),
                format!("the plug-in {id}"),
                "Name the plug-in as it names itself, and its file accordingly.",
            ));
        }
        let version = semver::Version::parse(&version).map_err(|error| {
            refuse("a semantic version".into(), format!("{version:?} ({error})"), "Correct the version.")
        })?;
        let id = id.into_owned();
        Ok(Self { sha256, id, version, get_factory, subject })
    }

    /// An image that is none, for tests of what surrounds it.
    #[cfg(test)]
    pub(crate) fn fake(sha256: &str) -> std::sync::Arc<Self> {
        unsafe extern "C" fn none(_: Bytes) -> *const std::ffi::c_void {
            std::ptr::null()
        }
        std::sync::Arc::new(Self {
            subject: Subject::new("fake", Path::new("/fake")),
            sha256: sha256.to_owned(),
            id: "fake".to_owned(),
            version: semver::Version::new(1, 0, 0),
            get_factory: none,
        })
    }

    /// The digest of its bytes.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What it calls itself.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &semver::Version {
        &self.version
    }

    /// The operator's file, not the private copy.
    #[must_use]
    pub fn path(&self) -> &PathBuf {
        &self.subject.path
    }

    /// Whether it offers this kind.
    #[must_use]
    pub fn offers(&self, kind: Kind) -> bool {
        // SAFETY: a function of a library that is never unloaded; the id outlives the call.
        !unsafe { (self.get_factory)(Bytes::of(kind.factory().as_bytes())) }.is_null()
    }

    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// A copy of the factory's table, filled up with zeros where the plug-in's is shorter than ours.
    ///
    /// # Safety
    /// `T` must be the ABI's table of `kind`: plain data for which zeros are valid, beginning with its `struct_size`.
    pub(crate) unsafe fn table<T>(&self, kind: Kind, v1_size: usize) -> Result<T, LoadError> {
        let name = kind.factory();
        // SAFETY: as in `offers`.
        let theirs = unsafe { (self.get_factory)(Bytes::of(name.as_bytes())) };
        if theirs.is_null() {
            return Err(self.subject.refuse(
                LoadErrorKind::Identity,
                format!("a {} (factory {name})", kind.name()),
                "a plug-in without it",
                "Name a plug-in of the right kind in this section.",
            ));
        }
        // SAFETY: every table begins with its size.
        let size = unsafe { theirs.cast::<u32>().read() } as usize;
        if size < v1_size {
            return Err(self.subject.refuse(
                LoadErrorKind::Abi,
                format!("a table {name} of at least {v1_size} bytes"),
                size.to_string(),
                "Rebuild the plug-in with the released header.",
            ));
        }
        let mut ours = std::mem::MaybeUninit::<T>::zeroed();
        // SAFETY: the smaller of both sizes is readable there and writable here; zeros are valid for the rest.
        unsafe {
            std::ptr::copy_nonoverlapping(
                theirs.cast::<u8>(),
                ours.as_mut_ptr().cast::<u8>(),
                size.min(size_of::<T>()),
            );
            Ok(ours.assume_init())
        }
    }

    /// Refuses flags that the host must know and does not.
    pub(crate) fn check_flags(&self, flags: u64) -> Result<(), LoadError> {
        let unknown = flags & patd_abi::flags::REQUIRED_MASK;
        if unknown == 0 {
            return Ok(());
        }
        Err(self.subject.refuse(
            LoadErrorKind::Abi,
            "flags that this version knows",
            format!("required flags {unknown:#018x}"),
            "Use a newer patd, or an older plug-in.",
        ))
    }

    /// A function that every plug-in of the kind must have.
    pub(crate) fn required<F>(&self, function: Option<F>, name: &str) -> Result<F, LoadError> {
        function.ok_or_else(|| {
            self.subject.refuse(
                LoadErrorKind::Abi,
                format!("the function {name}"),
                "NULL",
                "Fill in the whole table of the ABI.",
            )
        })
    }
}

fn is_id(id: &str) -> bool {
    (3..=64).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
}

/// What the plug-in says about itself, before any instance.
pub(crate) fn describe<D: serde::de::DeserializeOwned>(
    image: &Image,
    function: patd_abi::DescribeFn,
    kind: Kind,
) -> Result<D, LoadError> {
    let mut output = Output::new(MAX_ANSWER);
    // SAFETY: NULL means "no instance"; the sink outlives the call.
    let status = unsafe { function(std::ptr::null_mut(), output.out()) };
    let refuse = |found: String| {
        image.subject.refuse(
            LoadErrorKind::Describe,
            format!("the description of a {}", kind.name()),
            found,
            "Use a plug-in made for this version of patd.",
        )
    };
    if status != patd_abi::status::OK {
        return Err(refuse(CallError::of(status, output.text()).to_string()));
    }
    let bytes = output.take().ok_or_else(|| refuse("more than 8 MiB".into()))?;
    read_description(kind, &bytes).map_err(refuse)
}

/// Reads a description. What is wrong with it is told in a few printable words, whatever the plug-in wrote.
pub(crate) fn read_description<D: serde::de::DeserializeOwned>(
    kind: Kind,
    bytes: &[u8],
) -> Result<D, String> {
    let json: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| brief(&error))?;
    if json.get("kind").and_then(serde_json::Value::as_str) != Some(kind.name()) {
        // A plug-in with several kinds describes each through its own table.
        return Err(format!("kind {}", brief(json.get("kind").unwrap_or(&serde_json::Value::Null))));
    }
    serde_json::from_value(json).map_err(|error| brief(&error))
}

/// Refuses settings that the plug-in's own schema does not allow, and a schema that is none.
pub(crate) fn check_settings(
    image: &Image,
    name: &str,
    schema: &serde_json::Value,
    settings: &serde_json::Value,
) -> Result<(), LoadError> {
    let violations = settings::violations(schema, settings).map_err(|found| {
        image.subject.refuse(
            LoadErrorKind::Describe,
            "a description whose config_schema is a JSON Schema",
            found,
            "Use a plug-in made for this version of patd.",
        )
    })?;
    if violations.is_empty() {
        return Ok(());
    }
    let found: Vec<_> = violations.iter().map(ToString::to_string).collect();
    let refusal = image.subject.refuse(
        LoadErrorKind::Config,
        format!("a configuration for {name} that the plug-in's config_schema allows"),
        found.join("; "),
        "Correct its `config` table.",
    );
    Err(refusal.with(violations))
}

/// Makes an instance of the plug-in.
pub(crate) fn create(
    image: &Image,
    function: patd_abi::CreateFn,
    instance: &'static Instance,
    config: &serde_json::Value,
) -> Result<*mut std::ffi::c_void, LoadError> {
    // It may hold secrets: our copy is wiped.
    let config = Zeroizing::new(if config.is_null() { "{}".to_owned() } else { config.to_string() });
    let input = patd_abi::Create {
        struct_size: size_of::<patd_abi::Create>() as u32,
        reserved: 0,
        instance: instance.id,
        host: instance.host(),
        config_json: Bytes::of(config.as_bytes()),
    };
    let (mut me, mut detail) = (std::ptr::null_mut(), Output::new(MAX_DETAIL));
    // SAFETY: the input, the place for the instance and the sink outlive the call; the host table is never freed.
    let status = unsafe { function(&raw const input, &raw mut me, detail.out()) };
    if status != patd_abi::status::OK {
        return Err(image.subject.refuse(
            LoadErrorKind::Config,
            format!("a configuration for {} that the plug-in takes", instance.name),
            CallError::of(status, detail.text()).to_string(),
            "Correct its `config` table.",
        ));
    }
    Ok(me)
}
