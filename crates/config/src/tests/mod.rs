//! The example against the defaults, and every kind of bad value against its line.
#![expect(clippy::unwrap_used, reason = "tests")]

mod bad_values;
mod example;
mod meaning;

use crate::{Config, ConfigError};

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, "patd.toml")
}
