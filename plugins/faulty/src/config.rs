//! The configuration of all kinds, and the sins of reading one.

use std::path::PathBuf;

use patd_sdk::{Context, Failure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sin::Sin;

/// The configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) sin: Sin,
    /// How many requests before its own `completes_foreign` answers.
    pub(crate) reach: u64,
    /// The store's journal.
    pub(crate) path: Option<String>,
    /// Sins only while this file is there.
    pub(crate) when: Option<PathBuf>,
}

impl Config {
    /// The sin to commit now.
    pub(crate) fn now(&self) -> Sin {
        if self.when.as_ref().is_none_or(|when| when.exists()) { self.sin } else { Sin::None }
    }

    /// Reads it; a sin of the environment counts when the configuration names none.
    pub(crate) fn read(context: &Context) -> Result<Self, Failure> {
        let environment = Sin::of_environment();
        let with = |config: Self| {
            let sin = if config.sin == Sin::None { environment } else { config.sin };
            Self { sin, ..config }
        };
        match environment {
            Sin::IgnoresConfig => return Ok(with(Self::default())),
            Sin::RefusesExample => return Err(Failure::invalid("asked to refuse its example")),
            Sin::TakesUnknownKey => {
                let mut table: Value = context.config()?;
                if let Some(table) = table.as_object_mut() {
                    table.retain(|key, _| ["sin", "reach", "path", "when"].contains(&key.as_str()));
                }
                return serde_json::from_value(table).map(with).map_err(|_| Failure::invalid("config"));
            }
            Sin::LogsConfig => {
                context.host().log(4, &String::from_utf8_lossy(context.danger_config()), "{}");
            }
            Sin::EchoesConfig => {
                let text = String::from_utf8_lossy(context.danger_config()).into_owned();
                return context.config().map(with).map_err(|_| Failure::invalid(text));
            }
            _ => {}
        }
        context.config().map(with)
    }

    /// Its JSON Schema.
    pub(crate) fn schema() -> Value {
        match Sin::of_environment() {
            Sin::DescribesNoSchema => return json!({ "type": "integre" }),
            Sin::DescribesRemoteSchema => return json!({ "$ref": "http://127.0.0.1:9/schema.json" }),
            Sin::DescribesOtherConfig => return json!({ "type": "object", "required": ["nothing"] }),
            _ => {}
        }
        let names: Vec<&str> = std::iter::once("none").chain(Sin::NAMES.iter().copied()).collect();
        json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "sin": { "type": "string", "enum": names, "default": "none" },
                "reach": { "type": "integer", "minimum": 0, "default": 0 },
                "path": { "type": "string" },
                "when": { "type": "string", "description": "sins only while this file is there" },
            },
        })
    }
}

/// Sins that any kind commits in `create`.
pub(crate) fn create(context: &Context, sin: Sin) -> Result<(), Failure> {
    assert!(sin != Sin::PanicInCreate, "asked to panic");
    let (size, minor) = context.host().danger_age();
    if sin == Sin::RefusesNewerHost && (size != 56 || minor != 0) {
        return Err(Failure::invalid("asked to refuse a newer host"));
    }
    if sin == Sin::RefusesSecondImage && !crate::process::first_image() {
        return Err(Failure::unavailable("asked to work in one copy only"));
    }
    Ok(())
}
