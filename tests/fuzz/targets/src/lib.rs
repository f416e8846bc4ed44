//! Everything that patd reads from strangers and from plug-ins, one target each: bytes go in, and nothing may come out but
//! the end of the call. A target panics when something is wrong, so the same ones serve `cargo xtask fuzz` and `cargo test`.
//!
//! A target must never judge what may be refused; it asserts what holds of every answer: texts come back as they were
//! written, errors are short, printable and know their place.
#![forbid(unsafe_code)]

mod people;
mod plugins;

/// One target.
pub struct Target {
    /// Its name, and that of its folder of seeds.
    pub name: &'static str,
    /// Reads one input.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "describe", run: plugins::describe },
    Target { name: "settings", run: plugins::settings },
    Target { name: "replies", run: plugins::replies },
    Target { name: "refusals", run: plugins::refusals },
    Target { name: "phc", run: people::phc },
    Target { name: "secrets", run: people::secrets },
    Target { name: "tableau", run: people::tableau },
    Target { name: "config", run: people::config },
];

/// What is said to people is printable, and no longer than somebody reads.
fn readable(text: &str, most: usize) {
    assert!(text.len() <= most, "{} bytes of error", text.len());
    assert!(!text.chars().any(char::is_control), "a control character in {text:?}");
}
