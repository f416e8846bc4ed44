//! The targets over their seeds, and over thousands of inputs that are made of them: what a fuzzer does for hours, for
//! seconds at each test run. An input that broke something belongs among the seeds.

use std::fs;
use std::path::{Path, PathBuf};

use patd_fuzz_targets::{TARGETS, Target};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

/// Made-up inputs per target.
const CASES: u32 = 3_000;
/// Pieces that mean something to one reader or another.
const WORDS: &[&str] = &[
    "",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "1e999",
    "0.1",
    "18446744073709551616",
    "\\ud800",
    "\\u0000",
    "\u{0}",
    "\u{1b}[2J",
    "\u{feff}",
    "\u{10ffff}",
    "$ref",
    "#",
    "pattern",
    "(a+)+$",
    "type",
    "<",
    "/>",
    "&amp;",
    "&x;",
    "<!DOCTYPE",
    "\n",
    "=",
    "[[",
    "'''",
    "|",
    "$",
    "_",
    "i=1",
    "p=4294967295",
];

/// A change of an input.
#[derive(Clone, Debug)]
enum Change {
    /// Another byte.
    Byte(Index, u8),
    /// A word put in.
    Word(Index, &'static str),
    /// Some bytes left out.
    Cut(Index, usize),
    /// Some bytes once more, so often.
    Again(Index, usize, usize),
    /// The rest of another seed.
    Rest(Index, Vec<u8>, Index),
}

impl Change {
    fn any(seeds: &[Vec<u8>]) -> impl Strategy<Value = Self> + use<> {
        let at = any::<Index>;
        prop_oneof![
            3 => (at(), any::<u8>()).prop_map(|(at, byte)| Self::Byte(at, byte)),
            4 => (at(), select(WORDS)).prop_map(|(at, word)| Self::Word(at, word)),
            2 => (at(), 1..40_usize).prop_map(|(at, many)| Self::Cut(at, many)),
            1 => (at(), 1..60_usize, 1..200_usize).prop_map(|(at, many, times)| Self::Again(at, many, times)),
            1 => (at(), select(seeds.to_vec()), at()).prop_map(|(at, seed, from)| Self::Rest(at, seed, from)),
        ]
    }

    fn apply(self, input: &mut Vec<u8>) {
        // One beyond the end is a place too, but for a byte.
        let place = |at: Index, input: &Vec<u8>| at.index(input.len() + 1);
        match self {
            Self::Byte(at, byte) => {
                if !input.is_empty() {
                    let at = at.index(input.len());
                    input[at] = byte;
                }
            }
            Self::Word(at, word) => {
                let at = place(at, input);
                input.splice(at..at, word.bytes());
            }
            Self::Cut(at, many) => {
                let at = place(at, input);
                input.drain(at..input.len().min(at + many));
            }
            Self::Again(at, many, times) => {
                let at = place(at, input);
                let piece = input[at..input.len().min(at + many)].repeat(times);
                input.splice(at..at, piece);
            }
            Self::Rest(at, seed, from) => {
                let at = place(at, input);
                input.truncate(at);
                input.extend_from_slice(&seed[place(from, &seed)..]);
            }
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus")
}

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder().join(target.name)).expect("a folder of seeds");
    files.map(|file| fs::read(file.expect("a file").path()).expect("reads")).collect()
}

#[test]
fn every_target_has_seeds_and_every_folder_of_seeds_a_target() {
    let mut folders: Vec<String> = fs::read_dir(folder())
        .expect("the seeds")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("plain names"))
        .collect();
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    folders.sort();
    names.sort_unstable();
    assert_eq!(folders, names);
    for target in TARGETS {
        assert!(seeds(target).len() >= 3, "{}", target.name);
    }
}

/// Runs a target over its seeds and what is made of them.
fn hunt(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let seeds = seeds(target);
    seeds.iter().for_each(|seed| (target.run)(seed));
    let made = (select(seeds.clone()), vec(Change::any(&seeds), 1..8)).prop_map(|(mut input, changes)| {
        changes.into_iter().for_each(|change| change.apply(&mut input));
        input
    });
    let inputs =
        prop_oneof![8 => made, 1 => vec(any::<u8>(), 0..200), 1 => ".{0,200}".prop_map(String::into_bytes)];
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&inputs, |input| {
        (target.run)(&input);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
}

macro_rules! hunts {
    ($($test:ident = $name:literal,)+) => {
        $(#[test]
        fn $test() {
            hunt($name);
        })+

        #[test]
        fn every_target_is_hunted() {
            let hunted = [$($name),+];
            assert!(TARGETS.iter().all(|target| hunted.contains(&target.name)), "{hunted:?}");
        }
    };
}

hunts! {
    no_description_breaks_the_host = "describe",
    no_schema_breaks_the_host = "settings",
    no_answer_breaks_the_host = "replies",
    no_detail_breaks_the_log = "refusals",
    no_stored_digest_breaks_a_sign_in = "phc",
    no_secret_text_has_two_readings = "secrets",
    no_request_body_breaks_the_tableau_surface = "tableau",
    no_config_file_breaks_the_daemon = "config",
}
