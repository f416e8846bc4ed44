//! Bytes of a built library, changed so that it breaks one rule of the file or of the exported object.
#![allow(
    clippy::ptr_arg,
    clippy::allow_attributes,
    reason = "one shape for all, as one of them shortens the file"
)]

use object::read::elf::{Dyn as _, ElfFile64, FileHeader as _, ProgramHeader as _};
use object::{Endianness, Object as _, ObjectSection as _, ObjectSymbol as _, elf};

/// Where the exported object stands in the file.
fn entry(bytes: &[u8]) -> usize {
    let file = ElfFile64::<Endianness>::parse(bytes).expect("ELF");
    let symbol =
        file.dynamic_symbols().find(|symbol| symbol.name() == Ok("patd_plugin_v1")).expect("the entry");
    in_file(&file, symbol.address())
}

fn in_file(file: &ElfFile64<'_>, address: u64) -> usize {
    let section = file.sections().find(|section| {
        section.file_range().is_some()
            && (section.address()..section.address() + section.size()).contains(&address)
    });
    let section = section.expect("a section");
    let (offset, _) = section.file_range().expect("in the file");
    usize::try_from(offset + address - section.address()).expect("small")
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// Another first field.
pub(crate) fn magic(bytes: &mut Vec<u8>) {
    let at = entry(bytes);
    put(bytes, at, &0xdead_beef_u64.to_le_bytes());
}

/// A size that is too small.
pub(crate) fn short(bytes: &mut Vec<u8>) {
    let at = entry(bytes);
    put(bytes, at + 8, &40_u32.to_le_bytes());
}

/// Another major version.
pub(crate) fn major(bytes: &mut Vec<u8>) {
    let at = entry(bytes);
    put(bytes, at + 12, &2_u16.to_le_bytes());
}

/// An id of no bytes.
pub(crate) fn id(bytes: &mut Vec<u8>) {
    let at = entry(bytes);
    put(bytes, at + 24, &0_u64.to_le_bytes());
}

/// A version of one byte, which is no version.
pub(crate) fn version(bytes: &mut Vec<u8>) {
    let at = entry(bytes);
    put(bytes, at + 40, &1_u64.to_le_bytes());
}

/// Hardly more than the headers of a file.
pub(crate) fn cut(bytes: &mut Vec<u8>) {
    bytes.truncate(8192);
}

/// Replaces a text in the table of dynamic strings by one of the same length.
fn rename(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let range = {
        let file = ElfFile64::<Endianness>::parse(&*bytes).expect("ELF");
        let section = file.section_by_name(".dynstr").expect("dynamic strings");
        section.file_range().expect("in the file")
    };
    let (begin, end) =
        (usize::try_from(range.0).expect("small"), usize::try_from(range.0 + range.1).expect("small"));
    let found = bytes[begin..end].windows(from.len()).position(|window| window == from).expect("the text");
    put(bytes, begin + found, to);
}

/// The entry under another name.
pub(crate) fn no_symbol(bytes: &mut Vec<u8>) {
    rename(bytes, b"patd_plugin_v1\0", b"patd_plugin_v9\0");
}

/// Needs a glibc that does not exist.
pub(crate) fn glibc(bytes: &mut Vec<u8>) {
    rename(bytes, b"GLIBC_2.34\0", b"GLIBC_2.99\0");
}

/// Where the value of the dynamic entry with this tag stands; the tag is 8 bytes before.
fn dynamic(bytes: &[u8], tag: i64) -> usize {
    let file = ElfFile64::<Endianness>::parse(bytes).expect("ELF");
    let (header, endian) = (file.elf_header(), file.endian());
    let sections = header.sections(endian, bytes).expect("sections");
    let (entries, _) = sections.dynamic(endian, bytes).expect("reads").expect("a dynamic section");
    let number = entries.iter().position(|entry| entry.tag(endian) == tag).expect("the tag");
    let section = file.section_by_name(".dynamic").expect("a dynamic section");
    usize::try_from(section.file_range().expect("in the file").0).expect("small") + number * 16 + 8
}

/// A hint for the loader becomes a search path.
pub(crate) fn search_path(bytes: &mut Vec<u8>) {
    let at = dynamic(bytes, elf::DT_RELACOUNT);
    put(bytes, at - 8, &elf::DT_RUNPATH.to_le_bytes());
    put(bytes, at, &1_u64.to_le_bytes());
}

/// Asks for the initial set of thread-local memory.
pub(crate) fn static_tls(bytes: &mut Vec<u8>) {
    let at = dynamic(bytes, elf::DT_FLAGS);
    let flags = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    put(bytes, at, &(flags | u64::from(elf::DF_STATIC_TLS)).to_le_bytes());
}

/// Relocated data stays writable.
pub(crate) fn no_relro(bytes: &mut Vec<u8>) {
    let at = {
        let file = ElfFile64::<Endianness>::parse(&**bytes).expect("ELF");
        let (header, endian) = (file.elf_header(), file.endian());
        let headers = header.program_headers(endian, &**bytes).expect("headers");
        let number = headers.iter().position(|header| header.p_type(endian) == elf::PT_GNU_RELRO);
        usize::try_from(header.e_phoff.get(endian)).expect("small") + number.expect("relro") * 56
    };
    put(bytes, at, &0_u32.to_le_bytes());
}
