//! Whether a library is whole: the system's loader maps what the file's headers name, and touching what is not there kills the
//! process. Must never judge more than that: everything else the loader says itself.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Loaded into memory.
const PT_LOAD: u32 = 1;
/// Bytes of an ELF header of 64 bits, and of one program header.
const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;

/// Checks the file of a library; the error says what is wrong with it.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    let mut header = [0; HEADER];
    let begins = file.read_at(&mut header, 0).map_err(|error| error.to_string())?;
    if !header.starts_with(b"\x7fELF") {
        return Err(format!(
            "a file of {length} bytes that is no library (it does not begin as an ELF file)"
        ));
    }
    if begins < HEADER {
        return Err(format!("a file of {length} bytes that was cut short within its header"));
    }
    if header[4] != 2 {
        // The loader refuses these with words of its own.
        return Ok(());
    }
    let little = header[5] == 1;
    let number = |bytes: &[u8]| {
        let join = |all: u64, byte: &u8| all << 8 | u64::from(*byte);
        if little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) }
    };
    let (at, size, count) = (number(&header[32..40]), number(&header[54..56]), number(&header[56..58]));
    if size != PROGRAM_HEADER as u64 {
        return Err(format!("program headers of {size} bytes"));
    }
    for index in 0..count {
        let mut program = [0; PROGRAM_HEADER];
        at.checked_add(index * size)
            .and_then(|at| file.read_exact_at(&mut program, at).ok())
            .ok_or_else(|| format!("a file of {length} bytes whose headers lie beyond its end"))?;
        let (kind, begin, inside) =
            (number(&program[..4]), number(&program[8..16]), number(&program[32..40]));
        let end = begin.checked_add(inside);
        if kind == u64::from(PT_LOAD) && end.is_none_or(|end| end > length) {
            return Err(format!(
                "a file of {length} bytes that was cut short: a part of it lies beyond its end"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_cut_anywhere_in_its_loaded_parts_is_refused() {
        let own = std::env::current_exe().expect("own path");
        check(&own).expect("this program is whole");
        let bytes = std::fs::read(&own).expect("reads");
        let scratch = tempfile::tempdir().expect("scratch folder");
        let cut = scratch.path().join("cut");
        for length in [10, 64, 100, 1000, 8192] {
            std::fs::write(&cut, &bytes[..length]).expect("writes");
            assert!(check(&cut).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_file_that_is_no_library_at_all_is_told_as_that() {
        let scratch = tempfile::tempdir().expect("scratch folder");
        let file = scratch.path().join("text");
        for content in ["", "hello\n", &"a text of more than a header ".repeat(9)] {
            std::fs::write(&file, content).expect("writes");
            let said = check(&file).expect_err("no library");
            assert!(said.contains(&format!("{} bytes that is no library", content.len())), "{said}");
        }
    }
}
