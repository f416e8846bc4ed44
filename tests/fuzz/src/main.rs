//! One program for all targets: `PATD_FUZZ_TARGET` names the one that it runs. Must never hold a target itself: they are in
//! `targets`, where ordinary tests run them too.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use patd_fuzz_targets::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("PATD_FUZZ_TARGET").unwrap_or_default();
    TARGETS.iter().find(|target| target.name == name).expect("PATD_FUZZ_TARGET names a target")
});

fuzz_target!(|data: &[u8]| (TARGET.run)(data));
