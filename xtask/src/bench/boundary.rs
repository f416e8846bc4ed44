//! What the plug-in boundary adds to a call: the same code linked directly and loaded, in turn within one process.

use super::program::{Programs, emptied};
use super::report::Figures;
use crate::env::Folder;
use crate::failure::Failure;
use crate::out;

/// Adds the figures of a hasher and of a store.
pub(crate) fn measure(folder: &Folder, programs: &Programs, figures: &mut Figures) -> Result<(), Failure> {
    out::step("what the plug-in boundary adds to a call");
    let hasher = programs.library("hasher-hmac");
    figures.hasher_call = programs.figures("hash_call", &[hasher.as_os_str()])?;
    let (store, scratch) = (programs.library("store-sql"), folder.path().join("store-call"));
    emptied(&scratch)?;
    figures.store_call = programs.figures("store_call", &[store.as_os_str(), scratch.as_os_str()])?;
    Ok(())
}
