//! A plug-in's file is exchanged for something that must not run, beside a running daemon.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use super::house::House;
use crate::harness::say;

/// Puts a file in the place of what is there, by name: what the daemon has open is left alone.
fn put(file: &Path, content: &[u8]) {
    clear(file);
    std::fs::write(file, content).expect("a file");
    chmod(file, 0o755);
}

fn clear(path: &Path) {
    if path.is_dir() && !path.is_symlink() {
        std::fs::remove_dir(path).expect("an empty folder");
    } else {
        let _gone = std::fs::remove_file(path);
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_must_not_run_is_refused_for_what_it_is_with_line_and_key_and_the_old_build_serves_on() {
    let house = House::start("").await;
    let folder = house.daemon().folder().join("plugins");
    let file = folder.join("libhasher-pbkdf2.so");
    let good = std::fs::read(&file).expect("the plug-in");
    let before = house.running();
    let person = house.stage.person("acme", "Creator").await;
    let token = house.stage.mint(&person, "acme").await;
    let text = std::fs::read_to_string(house.daemon().config()).expect("the config");
    let line = text.lines().position(|line| line == "[hashers.passwords]").expect("its entry") + 2;
    let place =
        |key: &str| format!("{}:{line}: hashers.passwords.{key}: ", house.daemon().config().display());

    type Change<'a> = Box<dyn Fn() + 'a>;
    let mut wrong: Vec<(&str, &str, Change)> = vec![
        ("0 bytes that is no library", "Build or install", Box::new(|| put(&file, b""))),
        ("6 bytes that is no library", "Build or install", Box::new(|| put(&file, b"hello\n"))),
        ("was cut short", "Build or install", Box::new(|| put(&file, &good[..good.len() / 8]))),
        ("found no file", "Build or install", Box::new(|| clear(&file))),
        ("found a folder", "the library itself", {
            Box::new(|| {
                clear(&file);
                std::fs::create_dir(&file).expect("a folder");
            })
        }),
        ("found a socket", "the library itself", {
            Box::new(|| {
                clear(&file);
                drop(std::os::unix::net::UnixListener::bind(&file));
            })
        }),
        ("found a symbolic link", "the library itself", {
            Box::new(|| {
                put(&folder.join("other.so"), &good);
                clear(&file);
                symlink("other.so", &file).expect("a link");
            })
        }),
        ("found mode 0775", "chmod go-w", {
            Box::new(|| {
                put(&file, &good);
                chmod(&file, 0o775);
            })
        }),
        ("has mode 0775", "chmod go-w", {
            Box::new(|| {
                put(&file, &good);
                chmod(&folder, 0o775);
            })
        }),
    ];
    if rustix::process::geteuid().is_root() {
        wrong.push(("found a file of user 4711", "chown", {
            Box::new(|| {
                put(&file, &good);
                chown(&file, Some(4711), None).expect("it is given away");
            })
        }));
    } else {
        say("foreign owners are not tested: this is not root");
    }
    for (found, todo, change) in wrong {
        change();
        let refused = house.reload().expect_err(found);
        chmod(&folder, 0o755);
        assert_eq!(refused.code, Some(1), "{}", refused.text);
        for part in [found, todo, "expected ", &place("plugin")] {
            assert!(refused.text.contains(part), "no {part:?} in {}", refused.text);
        }
        assert_eq!(house.running(), before, "{found}");
    }
    house.stage.use_token(&token, "acme").await.expect(201);
    put(&file, &good);
    assert_eq!(house.reload().expect("reloads")["result"], "unchanged");
}

/// Builds a library that does something while it is opened.
fn library(folder: &Path, name: &str, does: &str) {
    let source = folder.join(format!("{name}.c"));
    let code = format!(
        "#include <stdlib.h>\n#include <unistd.h>\n__attribute__((constructor)) static void at_once(void) {{ {does} }}\n"
    );
    std::fs::write(&source, code).expect("a source");
    let file = folder.join(format!("lib{name}.so"));
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&file).arg(&source).status();
    assert!(built.expect("cc runs").success(), "{name} is not built");
    chmod(&file, 0o755);
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_a_library_that_hangs_or_crashes_while_it_is_opened_is_refused_and_costs_nobody_anything() {
    let house = House::start("").await;
    let folder = house.daemon().folder().join("plugins");
    let before = house.running();
    let person = house.stage.person("acme", "Creator").await;
    let token = house.stage.mint(&person, "acme").await;
    for (name, does, found) in [
        ("hangs", "for (;;) pause();", "found one that hangs while it is opened"),
        ("aborts", "abort();", "found one that kills the process that opens it (signal 6)"),
        ("exits", "_exit(0);", "found one that ends the process that opens it"),
        ("crashes", "*(volatile int *)8 = 1;", "found one that kills the process that opens it (signal 11)"),
    ] {
        library(&folder, name, does);
        let entry = format!("[hashers.{name}]\nplugin = \"{name}\"");
        house.append(&entry);
        let refused = house.reload().expect_err(name);
        let place = format!(": hashers.{name}.plugin: ");
        for part in [&place, found, "does no work while it is opened", "tell its author"] {
            assert!(refused.text.contains(part), "no {part:?} in {}", refused.text);
        }
        assert_eq!(house.running(), before, "{name}");
        house.stage.use_token(&token, "acme").await.expect(201);
        house.replace(&entry, "");
    }
    house.build("hasher-pbkdf2", "a new one is opened all the same");
    assert_eq!(house.reload().expect("reloads")["result"], "reloaded");
    house.stage.use_token(&token, "acme").await.expect(201);
}
