//! What the loader refuses, and that it says what was expected, what was found and what to do.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use patd_plugin_host::{Images, LoadErrorKind, PluginSpec};

use crate::world::World;

fn refusal(spec: &PluginSpec, kind: LoadErrorKind, parts: &[&str]) {
    let error = Images.load(spec).expect_err("must be refused");
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for part in parts {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("mode");
}

#[test]
fn a_wrong_pin_is_refused_with_both_digests_and_leaves_no_copy() {
    let world = World::new();
    let path = world.install("hasher-pbkdf2");
    let pin = "0".repeat(64);
    let mut spec = world.spec("hasher-pbkdf2");
    spec.sha256 = Some(pin.clone());
    refusal(&spec, LoadErrorKind::Pin, &[&pin, "found sha256", &path.display().to_string(), "on purpose"]);
    let copies = std::fs::read_dir(spec.runtime_dir.join("plugins")).expect("folder").count();
    assert_eq!(copies, 0);
}

#[test]
fn a_missing_pin_is_refused_with_the_line_to_paste_and_that_line_works() {
    let world = World::new();
    world.install("hasher-pbkdf2");
    let mut spec = world.spec("hasher-pbkdf2");
    spec.allow_unpinned = false;
    let text = Images.load(&spec).expect_err("must be refused").to_string();
    let pin =
        text.split("sha256 = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a line to paste");
    spec.sha256 = Some(pin.to_owned());
    let image = Images.load(&spec).expect("loads with that pin");
    assert_eq!((image.sha256(), image.id()), (pin, "hasher-pbkdf2"));
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    let world = World::new();
    chmod(&world.install("hasher-pbkdf2"), 0o664);
    refusal(&world.spec("hasher-pbkdf2"), LoadErrorKind::File, &["mode 0664", "chmod go-w"]);
}

#[test]
fn a_folder_that_others_can_write_is_refused_even_with_the_sticky_bit() {
    let world = World::new();
    world.install("hasher-pbkdf2");
    for mode in [0o775, 0o1777] {
        chmod(&world.dir(), mode);
        refusal(&world.spec("hasher-pbkdf2"), LoadErrorKind::Directory, &["has mode", "chmod go-w"]);
    }
}

#[test]
fn symbolic_links_are_refused_as_file_and_as_folder() {
    let world = World::new();
    let real = world.install("hasher-pbkdf2");
    symlink(&real, world.dir().join("liblinked.so")).expect("link");
    refusal(&world.spec("linked"), LoadErrorKind::File, &["a symbolic link"]);
    let folder = world.root.path().join("elsewhere");
    symlink(world.dir(), &folder).expect("link");
    let mut spec = world.spec("hasher-pbkdf2");
    spec.path = folder.join("libhasher-pbkdf2.so");
    refusal(&spec, LoadErrorKind::Directory, &["is a symbolic link"]);
}

#[test]
fn relative_and_climbing_paths_are_refused() {
    let world = World::new();
    world.install("hasher-pbkdf2");
    for path in ["libhasher-pbkdf2.so".into(), world.dir().join("../plugins/libhasher-pbkdf2.so")] {
        let mut spec = world.spec("hasher-pbkdf2");
        spec.path = path;
        refusal(&spec, LoadErrorKind::Directory, &["absolute"]);
    }
}

#[test]
fn a_missing_file_is_named() {
    let world = World::new();
    refusal(&world.spec("nowhere"), LoadErrorKind::File, &["libnowhere.so", "no file", "Build or install"]);
}

#[test]
fn a_file_that_is_no_library_is_told_as_that() {
    let world = World::new();
    let path = world.dir().join("libnonsense.so");
    std::fs::write(&path, "not an ELF file, whatever its name says").expect("writes");
    chmod(&path, 0o644);
    refusal(
        &world.spec("nonsense"),
        LoadErrorKind::Open,
        &["39 bytes that is no library", "Build or install"],
    );
}

#[test]
fn a_library_that_is_no_plug_in_is_told_apart() {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let libc = maps.split_whitespace().find(|word| word.contains("libgcc_s")).expect("a plain library");
    let world = World::new();
    let path = world.dir().join("libplain.so");
    std::fs::copy(libc, &path).expect("copies");
    chmod(&path, 0o644);
    refusal(&world.spec("plain"), LoadErrorKind::Abi, &["patd_plugin_v1", "no patd plug-in"]);
}

#[test]
fn a_plug_in_under_another_name_is_refused() {
    let world = World::new();
    let path = world.install("hasher-pbkdf2");
    std::fs::rename(path, world.dir().join("libaudit-file.so")).expect("renames");
    refusal(&world.spec("audit-file"), LoadErrorKind::Identity, &["audit-file", "the plug-in hasher-pbkdf2"]);
}

#[test]
fn one_content_is_loaded_once_and_a_poisoned_copy_is_replaced() {
    let (world, other) = (World::new(), World::new());
    let image = world.load("audit-file").expect("loads");
    assert!(Arc::ptr_eq(&image, &other.load("audit-file").expect("loads")));
    let copy = other.spec("audit-file").runtime_dir.join(format!("plugins/{}.so", image.sha256()));
    chmod(&copy, 0o700);
    std::fs::write(&copy, "poison").expect("writes");
    other.load("audit-file").expect("loads");
    let original = std::fs::read(other.spec("audit-file").path).expect("reads");
    assert!(std::fs::read(&copy).expect("reads") == original, "the copy is whole again");
    assert_eq!(std::fs::metadata(&copy).expect("is there").permissions().mode() & 0o777, 0o500);
}

#[test]
fn copies_of_other_builds_and_halves_go_and_what_is_loaded_stays() {
    let world = World::new();
    let image = world.load("hasher-argon2id").expect("loads");
    let runtime = world.spec("hasher-argon2id").runtime_dir;
    let folder = runtime.join("plugins");
    for old in [format!("{}.so", "0".repeat(64)), ".incoming-1-0".to_owned()] {
        std::fs::write(folder.join(old), "old").expect("writes");
    }
    Images.tidy(&runtime);
    let left: Vec<_> =
        std::fs::read_dir(&folder).expect("folder").map(|file| file.expect("file").file_name()).collect();
    assert_eq!(left, [format!("{}.so", image.sha256()).as_str()]);
    // Where nothing was ever loaded there is nothing to do.
    Images.tidy(&world.root.path().join("nowhere"));
}
