//! What the boundary adds to a hasher call: `hash_call LIBRARY [ROUNDS]`. The cheapest hasher, so that the boundary shows.
//!
//! Prints two medians of rounds in turn: nanoseconds per derivation linked directly, and through the library.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures and reports")]

use std::time::Instant;

use hasher_hmac::{KeyedHasher, Keys};
use patd_plugin_host::{HasherHandle, Images, PluginSpec};
use patd_sdk::Hasher as _;
use serde_json::json;

/// Derivations per round and side.
const CALLS: u32 = 50_000;
/// As long as a token's secret is.
const SECRET: &[u8] = b"0123456789012345678901234567890123456789012";

/// Nanoseconds per call.
fn time(mut call: impl FnMut() -> usize) -> f64 {
    let begun = Instant::now();
    let bytes: usize = (0..CALLS).map(|_| call()).sum();
    assert_eq!(bytes, 32 * CALLS as usize, "each derivation gives 32 bytes");
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("the library").into();
    let rounds: usize = arguments.next().map_or(15, |n| n.parse().expect("a number"));
    let runtime = tempfile::tempdir().expect("a folder");
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let config = json!({"keys": [{"kid": "bench", "key": key}]});

    let keys = serde_json::from_value(config.clone()).expect("keys");
    let linked = KeyedHasher::with(Keys::read(keys).expect("keys"));
    let spec = PluginSpec {
        name: "hasher-hmac".to_owned(),
        path,
        sha256: None,
        allow_unpinned: true,
        runtime_dir: runtime.path().to_owned(),
    };
    let image = Images.load(&spec).expect("loads");
    let loaded = HasherHandle::create(&image, "bench", &config).expect("an instance");

    let params = loaded.new_params(&[7; 16]).expect("parameters");
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        direct.push(time(|| linked.derive(SECRET, &params).expect("a digest").len()));
        through.push(time(|| loaded.derive(SECRET, &params).expect("a digest").len()));
    }
    println!("{:.1} {:.1}", median(direct), median(through));
}
