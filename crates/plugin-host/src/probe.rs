//! Raw access to a plug-in for those who examine it: the conformance kit. Everything a plug-in answers comes back as it is,
//! unjudged; nothing is contained, so a case runs in a process of its own.
//!
//! The daemon must never use this module: it opens files that nobody verified and forgives nothing. The kit forbids unsafe
//! code; what it needs of it stands here, behind safe functions.

use std::ffi::c_void;
use std::mem::size_of;
use std::path::Path;

use libloading::os::unix::{Library as Opened, RTLD_LOCAL, RTLD_NOW};
use patd_abi::{Bytes, PATD_PLUGIN_MAGIC, Plugin};

use crate::error::Subject;
use crate::image::Kind;
use crate::verify;

mod hasher;
mod host;
mod running;
mod service;
mod sink;

pub use hasher::Hasher;
pub use host::{Completion, Host, LogLine, Shape};
pub use running::{Answer, Running};
pub use service::{Ask, Service};
pub use sink::Reply;

/// Keep the library mapped for ever, as the daemon does.
const RTLD_NODELETE: std::ffi::c_int = 0x1000;

/// Whether the daemon would accept the file's owner and mode, and those of the folders above it. The first says that the
/// file itself is wrong, the second that only its present place is.
///
/// # Errors
/// The daemon's words.
pub fn safe_file(path: &Path) -> Result<Result<(), String>, String> {
    let subject = Subject::new("under examination", path);
    verify::open(&subject, path).map_err(|error| error.to_string())?;
    Ok(verify::folders(&subject, path).map_err(|error| error.to_string()))
}

/// Whether the file is a whole library, as far as that shows before it is opened.
///
/// # Errors
/// The daemon's words.
pub fn whole_file(path: &Path) -> Result<(), String> {
    crate::whole::check(path)
}

/// An opened library; it stays mapped.
pub struct Library {
    entry: *const Plugin,
}

// SAFETY: the object is constant data of a library that is never unloaded.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

/// The exported object, as far as it may be read.
#[derive(Debug, Clone)]
pub struct Entry {
    /// First field.
    pub magic: u64,
    /// Second field.
    pub struct_size: u32,
    /// The rest; `None` when magic or size forbid to read it.
    pub rest: Option<EntryRest>,
}

/// The exported object after its size.
#[derive(Debug, Clone)]
pub struct EntryRest {
    /// ABI major.
    pub abi_major: u16,
    /// ABI minor.
    pub abi_minor: u16,
    /// Its id.
    pub id: Vec<u8>,
    /// Its version.
    pub version: Vec<u8>,
    /// JSON for messages.
    pub build_info: Vec<u8>,
    /// Whether it has `get_factory`.
    pub has_get_factory: bool,
}

impl Library {
    /// Opens the library as the daemon does, without its checks.
    ///
    /// # Errors
    /// The loader's message.
    pub fn open(path: &Path) -> Result<Self, String> {
        crate::whole::check(path)?;
        // SAFETY: running the library's initialisers is what loading means; whoever examines it asked for that.
        let library =
            unsafe { Opened::open(Some(path), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) }.map_err(|error| {
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
            })?;
        // SAFETY: the symbol is data, read below by the size that it states.
        let entry = unsafe { library.get::<*const Plugin>(patd_abi::ENTRY_SYMBOL.as_bytes()) }
            .map_or(std::ptr::null(), |found| *found);
        std::mem::forget(library);
        Ok(Self { entry })
    }

    /// Reads the exported object; `None` when there is none.
    #[must_use]
    pub fn entry(&self) -> Option<Entry> {
        if self.entry.is_null() {
            return None;
        }
        // SAFETY: magic and struct_size are the first 12 bytes of an object of any size.
        let (magic, struct_size) = unsafe {
            ((&raw const (*self.entry).magic).read(), (&raw const (*self.entry).struct_size).read())
        };
        let readable = magic == PATD_PLUGIN_MAGIC && struct_size as usize >= size_of::<Plugin>();
        let rest = readable.then(|| {
            // SAFETY: it states at least the size of Plugin; its texts are static.
            unsafe {
                let plugin = self.entry.read();
                EntryRest {
                    abi_major: plugin.abi_major,
                    abi_minor: plugin.abi_minor,
                    id: plugin.id.as_slice().to_vec(),
                    version: plugin.version.as_slice().to_vec(),
                    build_info: plugin.build_info.as_slice().to_vec(),
                    has_get_factory: plugin.get_factory.is_some(),
                }
            }
        });
        Some(Entry { magic, struct_size, rest })
    }

    /// What `get_factory` gives for any id; `None` for NULL, or when the object may not be used.
    #[must_use]
    pub fn factory_named(&self, id: &[u8]) -> Option<Factory> {
        let rest = self.entry()?.rest?;
        if rest.abi_major != patd_abi::ABI_MAJOR {
            return None;
        }
        // SAFETY: `rest` says that the object has its whole size.
        let get_factory = unsafe { (*self.entry).get_factory }?;
        // SAFETY: a function of a library that is never unloaded; the id outlives the call.
        let table = unsafe { get_factory(Bytes::of(id)) };
        (!table.is_null()).then_some(Factory { table })
    }

    /// The factory of a kind.
    #[must_use]
    pub fn factory(&self, kind: Kind) -> Option<Factory> {
        self.factory_named(factory_id(kind).as_bytes())
    }
}

/// The factory id of a kind.
#[must_use]
pub fn factory_id(kind: Kind) -> &'static str {
    match kind {
        Kind::Hasher => patd_abi::FACTORY_HASHER,
        Kind::Store => patd_abi::FACTORY_STORE,
        Kind::Audit => patd_abi::FACTORY_AUDIT,
    }
}

/// A factory's table in the plug-in.
#[derive(Debug, Clone, Copy)]
pub struct Factory {
    table: *const c_void,
}

// SAFETY: the table is constant data of a library that is never unloaded.
unsafe impl Send for Factory {}
// SAFETY: as above.
unsafe impl Sync for Factory {}

/// What a table says before anything is called.
#[derive(Debug, Clone)]
pub struct TableFacts {
    /// Its stated size.
    pub struct_size: u32,
    /// Its flags; 0 when it is too short to have them.
    pub flags: u64,
    /// Functions that the ABI asks for and that are NULL or beyond the stated size.
    pub missing: Vec<&'static str>,
}

impl Factory {
    /// Size, flags and what is missing.
    #[must_use]
    pub fn facts(self, kind: Kind) -> TableFacts {
        let (flags, missing) = if kind == Kind::Hasher {
            let table: patd_abi::Hasher = self.table();
            let missing = [
                ("create", table.create.is_none()),
                ("destroy", table.destroy.is_none()),
                ("describe", table.describe.is_none()),
                ("new_params", table.new_params.is_none()),
                ("derive", table.derive.is_none()),
                ("needs_rehash", table.needs_rehash.is_none()),
            ];
            (table.flags, missing.into_iter().filter(|(_, gone)| *gone).map(|(name, _)| name).collect())
        } else {
            let table: patd_abi::Service = self.table();
            let missing = [
                ("create", table.create.is_none()),
                ("destroy", table.destroy.is_none()),
                ("describe", table.describe.is_none()),
                ("submit", table.submit.is_none()),
                // `cancel` is a hint and may be left out.
            ];
            (table.flags, missing.into_iter().filter(|(_, gone)| *gone).map(|(name, _)| name).collect())
        };
        TableFacts { struct_size: self.size(), flags, missing }
    }

    /// What it says of itself without an instance.
    #[must_use]
    pub fn describe(self, kind: Kind) -> Option<Reply> {
        let describe = match kind {
            Kind::Hasher => self.table::<patd_abi::Hasher>().describe,
            Kind::Store | Kind::Audit => self.table::<patd_abi::Service>().describe,
        };
        describe.map(|function| describe_of(function, std::ptr::null_mut()))
    }

    fn size(self) -> u32 {
        // SAFETY: every table begins with its size.
        unsafe { self.table.cast::<u32>().read() }
    }

    /// A copy of as much of the table as it states, filled up with zeros.
    fn table<T: Table>(self) -> T {
        let mut ours = std::mem::MaybeUninit::<T>::zeroed();
        let size = (self.size() as usize).min(size_of::<T>());
        // SAFETY: the smaller of both sizes is readable there and writable here; zeros are valid for the rest of a `Table`.
        unsafe {
            std::ptr::copy_nonoverlapping(self.table.cast::<u8>(), ours.as_mut_ptr().cast::<u8>(), size);
            ours.assume_init()
        }
    }
}

/// The ABI's tables: plain data for which zeros are valid.
trait Table: Copy {}
impl Table for patd_abi::Hasher {}
impl Table for patd_abi::Service {}

/// What `create` gave.
pub struct Created<T> {
    /// Status and detail.
    pub reply: Reply,
    /// The instance; exactly when the status is OK.
    pub instance: Option<T>,
}

/// Calls a table's `create`.
fn create(function: patd_abi::CreateFn, host: &'static Host, config: &[u8]) -> (Reply, *mut c_void) {
    let input = patd_abi::Create {
        struct_size: size_of::<patd_abi::Create>() as u32,
        reserved: 0,
        instance: host.instance(),
        host: host.table(),
        config_json: Bytes::of(config),
    };
    let mut me = std::ptr::null_mut();
    let reply = sink::collect(|_, detail| {
        // SAFETY: the input, the place for the instance and the sink outlive the call; the host is never freed.
        unsafe { function(&raw const input, &raw mut me, detail) }
    });
    (reply, me)
}

fn describe_of(function: patd_abi::DescribeFn, me: *mut c_void) -> Reply {
    // SAFETY: NULL or a live instance; the sink outlives the call.
    sink::collect(|json, _| unsafe { function(me, json) })
}
