//! The C header of plug-ins, written from `crates/abi` by cbindgen.
//!
//! What cbindgen cannot know stands in `crates/abi/cbindgen.toml`. What it cannot do is done here: text constants, Rust's
//! links in comments as C names, and the assertions of `layout.rs` as C's, so that both sides check the same numbers. Must
//! never state a size, a name or a rule itself.

use std::collections::HashMap;
use std::path::Path;

use crate::failure::{Context, Failure};

/// Where it lies in the repository.
pub(crate) const PATH: &str = "crates/abi/include/patd_plugin.h";

/// The header's text.
pub(crate) fn text(root: &Path) -> Result<String, Failure> {
    let folder = root.join("crates/abi");
    let mut config = cbindgen::Config::from_file(folder.join("cbindgen.toml"))
        .map_err(|error| Failure::new(format!("crates/abi/cbindgen.toml: {error}")))?;
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).context(format_args!("cannot read {}", path.display()))
    };
    let names = config.export.rename.clone();
    let assertions = assertions(&read("src/layout.rs")?, &names)?;
    config.trailer = config.trailer.map(|trailer| trailer.replace("@ASSERTIONS@", &assertions));
    let texts = texts(&read("src/lib.rs")?, &names);
    config.after_includes = config.after_includes.map(|after| after.replace("@TEXTS@", &texts));
    let mut bytes = Vec::new();
    cbindgen::Builder::new()
        .with_crate(&folder)
        .with_config(config)
        .generate()
        .map_err(|error| Failure::new(format!("cbindgen: {error}")))?
        .write(&mut bytes);
    let text = String::from_utf8(bytes).context("cbindgen wrote no text")?;
    Ok(c_links(&text, &names))
}

/// ``[`Host::log`]`` as `patd_host.log`, ``[`status::BUSY`]`` as `PATD_STATUS_BUSY`.
fn c_links(text: &str, names: &HashMap<String, String>) -> String {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[`")
        && let Some((path, after)) = link.split_once("`]")
    {
        let c_name = |part: &str| names.get(part).map_or_else(|| part.to_owned(), Clone::clone);
        done.push_str(before);
        done.push_str(&match path.split_once("::") {
            Some((of, name)) if of.starts_with(char::is_uppercase) => format!("{}.{name}", c_name(of)),
            Some((_, name)) => c_name(name),
            None => c_name(path),
        });
        rest = after;
    }
    done + rest
}

/// Each `pub const X: &str = "…";` as a `#define`, with its comment.
fn texts(source: &str, names: &HashMap<String, String>) -> String {
    let mut comment: Vec<&str> = Vec::new();
    let mut defines = Vec::new();
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("///") {
            comment.push(text);
            continue;
        }
        if let Some((name, value)) =
            line.strip_prefix("pub const ").and_then(|rest| rest.split_once(": &str = "))
        {
            let c_name = names.get(name).map_or(name, String::as_str);
            let comment: String = comment.iter().map(|text| format!(" *{text}\n")).collect();
            defines.push(format!("/**\n{comment} */\n#define {c_name} {}\n", value.trim_end_matches(';')));
        }
        comment.clear();
    }
    defines.join("\n")
}

/// `size_of::<Out>() == 16` as `PATD_ASSERT_(sizeof(patd_out) == 16);`, `offset_of!` alike.
fn assertions(layout: &str, names: &HashMap<String, String>) -> Result<String, Failure> {
    let c_name = |name: &str| {
        names.get(name).cloned().ok_or_else(|| Failure::new(format!("layout.rs: {name} has no name in C")))
    };
    let mut lines = Vec::new();
    for claim in layout.split("assert!(").skip(1).flat_map(|text| {
        let end = text.find(");").unwrap_or(text.len());
        text[..end].split("&&")
    }) {
        let odd = || Failure::new(format!("layout.rs: cannot read the assertion `{}`", claim.trim()));
        let (what, number) = claim.split_once("==").ok_or_else(odd)?;
        let (what, number) = (what.trim(), number.trim());
        let size = what.strip_prefix("size_of::<").and_then(|rest| rest.strip_suffix(">()"));
        let offset = what.strip_prefix("offset_of!(").and_then(|rest| rest.strip_suffix(')'));
        let expression = match (size, offset.and_then(|of| of.split_once(", "))) {
            (Some(name), _) => format!("sizeof({})", c_name(name)?),
            (_, Some((name, field))) => format!("offsetof({}, {field})", c_name(name)?),
            _ => return Err(odd()),
        };
        lines.push(format!("PATD_ASSERT_({expression} == {number});"));
    }
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::workspace::Workspace;

    fn names() -> HashMap<String, String> {
        [("Host", "patd_host"), ("Out", "patd_out"), ("BUSY", "PATD_STATUS_BUSY")]
            .map(|(rust, c)| (rust.to_owned(), c.to_owned()))
            .into()
    }

    #[test]
    fn links_become_names_of_c() {
        let text = c_links("see [`Host::log`], [`Out`], [`status::BUSY`] and `x` [0]", &names());
        assert_eq!(text, "see patd_host.log, patd_out, PATD_STATUS_BUSY and `x` [0]");
    }

    #[test]
    fn text_constants_become_defines_with_their_comments() {
        let source =
            "/// Another.\npub const N: u32 = 1;\n/// The\n/// name.\npub const BUSY: &str = \"x/1\";\n";
        let expected = "/**\n * The\n * name.\n */\n#define PATD_STATUS_BUSY \"x/1\"\n";
        assert_eq!(texts(source, &names()), expected);
    }

    #[test]
    fn assertions_become_those_of_c_and_none_is_passed_over() {
        let text = assertions("assert!(size_of::<Out>() == 16 && offset_of!(Out, write) == 8);", &names())
            .expect("reads");
        assert_eq!(
            text,
            "PATD_ASSERT_(sizeof(patd_out) == 16);\nPATD_ASSERT_(offsetof(patd_out, write) == 8);"
        );
        assert!(assertions("assert!(align_of::<Out>() == 8);", &names()).is_err());
        assert!(assertions("assert!(size_of::<Unknown>() == 8);", &names()).is_err());
    }

    /// Compiles a file that uses the header as somebody else's plug-in would.
    fn compiles(compiler: &str, standard: &str, file: &str, source: &str) {
        let root = Workspace::find().expect("a workspace").root;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(file);
        std::fs::write(&file, source).expect("written");
        let output = Command::new(compiler)
            .args([standard, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-I"])
            .arg(root.join("crates/abi/include"))
            .arg(&file)
            .output()
            .unwrap_or_else(|error| panic!("{compiler}: {error}; `cargo xtask test` installs it"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    const SOURCE: &str = r#"
#include <patd_plugin.h>
#include <patd_plugin.h>
static const void *get_factory(patd_bytes id) { (void)id; return 0; }
const patd_plugin patd_plugin_v1 = {
  PATD_PLUGIN_MAGIC, sizeof(patd_plugin), PATD_ABI_MAJOR, PATD_ABI_MINOR,
  PATD_LITERAL("my-plugin"), PATD_LITERAL("1.0.0"), PATD_LITERAL("{}"), get_factory };
static const uint64_t mask = PATD_FLAG_REQUIRED_MASK;
static const patd_status all[] = { PATD_STATUS_OK, PATD_STATUS_INTERNAL };
static const char *const kinds[] = { PATD_FACTORY_HASHER, PATD_FACTORY_STORE, PATD_FACTORY_AUDIT };
uint64_t use_all(void);
uint64_t use_all(void) { return mask + (uint64_t)all[1] + (uint64_t)kinds[0][0] + PATD_OP_START + PATD_LEVEL_INFO + PATD_METRIC_GAUGE; }
"#;

    #[test]
    fn the_header_is_c11() {
        compiles("cc", "-std=c11", "plugin.c", SOURCE);
    }

    #[test]
    fn the_header_is_cpp17() {
        compiles("c++", "-std=c++17", "plugin.cpp", &SOURCE.replace("(void);", "();"));
    }

    #[test]
    fn every_function_says_which_thread_calls_it_and_every_name_is_ours() {
        let root = Workspace::find().expect("a workspace").root;
        let header = text(&root).expect("generates");
        let mut comment = String::new();
        for line in header.lines() {
            let code = line.trim();
            if code.starts_with("/*") {
                comment.clear();
            }
            if code.starts_with("/*") || code.starts_with('*') {
                comment.push_str(code);
            } else {
                if code.contains("(*") {
                    assert!(
                        comment.contains("[init]")
                            || comment.contains("[thread-safe]")
                            || comment.contains("[never-blocks]"),
                        "{code}: {comment}"
                    );
                }
                if let Some(name) = code.strip_prefix("#define ") {
                    assert!(name.starts_with("PATD_"), "{name}");
                }
            }
        }
        for foreign in ["[`", "Option<", "@ASSERTIONS@", "@TEXTS@", "usize"] {
            assert!(!header.contains(foreign), "{foreign}");
        }
    }
}
