//! What a library's file tells before it is loaded. Must never load it.

use object::elf;
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use object::{Object as _, ObjectSymbol as _};

/// Facts of an ELF library.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Exported symbols.
    pub(crate) exports: Vec<String>,
    /// Stated size of the entry symbol.
    pub(crate) entry_size: Option<u64>,
    /// Search paths that it would add.
    pub(crate) search_paths: Vec<String>,
    /// Whether relocated data becomes read-only.
    pub(crate) relro: bool,
    /// Whether all symbols are bound at load.
    pub(crate) bind_now: bool,
    /// Whether it asks for thread-local memory of the initial set.
    pub(crate) static_tls: bool,
    /// Versions of glibc that it needs.
    pub(crate) glibc: Vec<String>,
}

/// Reads the file.
pub(crate) fn read(data: &[u8]) -> Result<Facts, String> {
    let words = |error: object::read::Error| format!("it is no ELF library of this machine: {error}");
    let file = object::read::elf::ElfFile64::<object::Endianness>::parse(data).map_err(words)?;
    let (header, endian) = (file.elf_header(), file.endian());
    if header.e_type(endian) != elf::ET_DYN {
        return Err("it is no shared library".to_owned());
    }
    let mut facts = Facts::default();
    for symbol in file.dynamic_symbols().filter(|symbol| symbol.is_definition() && symbol.is_global()) {
        let name = symbol.name().unwrap_or_default().to_owned();
        if name == patd_abi::ENTRY_SYMBOL {
            facts.entry_size = Some(symbol.size());
        }
        facts.exports.push(name);
    }
    let headers = header.program_headers(endian, data).map_err(words)?;
    facts.relro = headers.iter().any(|header| header.p_type(endian) == elf::PT_GNU_RELRO);
    let sections = header.sections(endian, data).map_err(words)?;
    let dynamic = sections.dynamic(endian, data).map_err(words)?;
    let Some((entries, link)) = dynamic else { return Err("it has no dynamic section".to_owned()) };
    let strings = sections.strings(endian, data, link).map_err(words)?;
    for entry in entries {
        let value = entry.d_val(endian);
        match entry.tag(endian) {
            elf::DT_RPATH | elf::DT_RUNPATH => {
                let text = u32::try_from(value).ok().and_then(|at| strings.get(at).ok()).unwrap_or_default();
                facts.search_paths.push(String::from_utf8_lossy(text).into_owned());
            }
            elf::DT_BIND_NOW => facts.bind_now = true,
            elf::DT_FLAGS => {
                facts.bind_now |= value & u64::from(elf::DF_BIND_NOW) != 0;
                facts.static_tls |= value & u64::from(elf::DF_STATIC_TLS) != 0;
            }
            elf::DT_FLAGS_1 => facts.bind_now |= value & u64::from(elf::DF_1_NOW) != 0,
            _ => {}
        }
    }
    if let Some((mut needs, link)) = sections.gnu_verneed(endian, data).map_err(words)? {
        let strings = sections.strings(endian, data, link).map_err(words)?;
        while let Some((_, mut versions)) = needs.next().map_err(words)? {
            while let Some(version) = versions.next().map_err(words)? {
                let name = version.name(endian, strings).map_err(words)?;
                if let Some(number) = String::from_utf8_lossy(name).strip_prefix("GLIBC_") {
                    facts.glibc.push(number.to_owned());
                }
            }
        }
    }
    facts.glibc.sort_by_key(|version| number(version));
    facts.glibc.dedup();
    Ok(facts)
}

/// `2.34` as numbers that compare.
pub(crate) fn number(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}
