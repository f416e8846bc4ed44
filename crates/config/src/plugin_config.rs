//! A plug-in's own settings: free TOML here, JSON for the plug-in.
//!
//! Only the plug-in knows what they mean, so any of them may be a secret: neither `Debug` nor an error ever shows a value.
//!
//! - Any value may be written as `{ from_file = "/path" }` or `{ from_env = "VARIABLE" }` and is then read from there, so that
//!   secrets need not lie in the config file. Both at once is refused when the file is parsed, a file that others than its
//!   owner can read when it is read.
//! - `{data_dir}`, `{site}` and `{luid}` in texts are replaced where they mean something.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use serde::Deserialize;
use serde_json::Value as Json;
use toml::Value as Toml;

use crate::source::Check;

const FROM_FILE: &str = "from_file";
const FROM_ENV: &str = "from_env";
/// More than any secret needs, less than a mistaken path to a log could hold.
const LARGEST_SECRET: usize = 64 * 1024;
/// Permissions of group and others.
const OTHERS: u32 = 0o077;

/// The table `config` of a hasher, store or sink.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct PluginConfig(toml::Table);

impl fmt::Debug for PluginConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why a setting cannot be handed to its plug-in.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// The file that holds it cannot be read.
    #[error("setting `{key}`: cannot read its value from the file {path}")]
    File {
        /// The setting, dotted.
        key: String,
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others can read the file that holds it.
    #[error(
        "setting `{key}`: {path} has mode {mode:04o}, so others can read the secret in it: run `chmod 600 {path}`"
    )]
    FileMode {
        /// The setting, dotted.
        key: String,
        /// The file.
        path: String,
        /// Its permissions.
        mode: u32,
    },
    /// The file's content is no text or too much.
    #[error("setting `{key}`: the file {path} must hold at most 64 KiB of UTF-8 text")]
    FileContent {
        /// The setting, dotted.
        key: String,
        /// The file.
        path: String,
    },
    /// The environment variable that holds it is missing or no text.
    #[error("setting `{key}`: the environment variable {variable} is not set, or not UTF-8")]
    Environment {
        /// The setting, dotted.
        key: String,
        /// The variable.
        variable: String,
    },
    /// JSON has no such number.
    #[error("setting `{key}`: neither infinity nor not-a-number can be handed to a plug-in")]
    Number {
        /// The setting, dotted.
        key: String,
    },
}

impl PluginConfig {
    pub(crate) fn new(settings: impl IntoIterator<Item = (&'static str, Toml)>) -> Self {
        Self(settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// Whether any text contains `{name}`: a store that mentions `{luid}` is one store per site.
    #[must_use]
    pub fn mentions(&self, name: &str) -> bool {
        fn within(value: &Toml, needle: &str) -> bool {
            match value {
                Toml::String(text) => text.contains(needle),
                Toml::Array(array) => array.iter().any(|value| within(value, needle)),
                Toml::Table(table) => table.values().any(|value| within(value, needle)),
                _ => false,
            }
        }
        let needle = format!("{{{name}}}");
        self.0.values().any(|value| within(value, &needle))
    }

    /// The settings as a JSON object: `{name}` replaced for each pair of `names`, secrets read from where they lie.
    ///
    /// # Errors
    /// A secret's file or variable cannot be read, or a number has no JSON form. No error holds a value.
    pub fn to_json(&self, names: &[(&str, &str)]) -> Result<Json, SettingError> {
        table_to_json(&self.0, names, &mut Vec::new())
    }

    /// Refuses values that say `from_file` and `from_env` at once, or beside anything else.
    pub(crate) fn check(&self, path: &[&str], check: &mut Check<'_>) {
        fn walk(value: &Toml, path: &[&str], check: &mut Check<'_>) {
            match value {
                Toml::Table(table) => {
                    let indirect = table.contains_key(FROM_FILE) || table.contains_key(FROM_ENV);
                    if indirect && table.len() > 1 {
                        let message =
                            "a value comes from one place: inline, `from_file` or `from_env`, never two";
                        check.refuse(path, message);
                    } else if indirect && !table.values().all(Toml::is_str) {
                        check.refuse(
                            path,
                            "`from_file` and `from_env` take a text: a path, or a variable's name",
                        );
                    }
                    table
                        .iter()
                        .for_each(|(key, value)| walk(value, &[path, &[key.as_str()]].concat(), check));
                }
                Toml::Array(array) => array.iter().for_each(|value| walk(value, path, check)),
                _ => {}
            }
        }
        self.0
            .iter()
            .for_each(|(key, value)| walk(value, &[path, &["config", key.as_str()]].concat(), check));
    }
}

fn table_to_json(
    table: &toml::Table,
    names: &[(&str, &str)],
    path: &mut Vec<String>,
) -> Result<Json, SettingError> {
    let mut object = serde_json::Map::new();
    for (key, value) in table {
        path.push(key.clone());
        object.insert(key.clone(), value_to_json(value, names, path)?);
        path.pop();
    }
    Ok(Json::Object(object))
}

fn value_to_json(value: &Toml, names: &[(&str, &str)], path: &mut Vec<String>) -> Result<Json, SettingError> {
    Ok(match value {
        Toml::String(text) => Json::String(replaced(text, names)),
        Toml::Integer(number) => Json::from(*number),
        Toml::Float(number) => serde_json::Number::from_f64(*number)
            .map(Json::Number)
            .ok_or_else(|| SettingError::Number { key: path.join(".") })?,
        Toml::Boolean(flag) => Json::Bool(*flag),
        Toml::Datetime(time) => Json::String(time.to_string()),
        Toml::Array(array) => Json::Array(
            array.iter().map(|value| value_to_json(value, names, path)).collect::<Result<_, _>>()?,
        ),
        Toml::Table(table) => match (table.get(FROM_FILE), table.get(FROM_ENV)) {
            (Some(Toml::String(file)), _) => Json::String(read_file(&replaced(file, names), path)?),
            (None, Some(Toml::String(variable))) => Json::String(read_variable(variable, path)?),
            _ => table_to_json(table, names, path)?,
        },
    })
}

fn replaced(text: &str, names: &[(&str, &str)]) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// The file's text without the line end that editors add. A file that others can read keeps no secret and is refused; the
/// mode is that of the file that was opened.
fn read_file(file: &str, path: &[String]) -> Result<String, SettingError> {
    let (key, file_name) = (path.join("."), file.to_owned());
    let read = || {
        let open = File::open(file)?;
        let mode = open.metadata()?.permissions().mode() & 0o7777;
        // One byte more than is taken tells that there is too much, whatever the file claims to be.
        let mut bytes = Vec::new();
        if mode & OTHERS == 0 {
            open.take(LARGEST_SECRET as u64 + 1).read_to_end(&mut bytes)?;
        }
        Ok((mode, bytes))
    };
    let (mode, bytes) = match read() {
        Ok(read) => read,
        Err(source) => return Err(SettingError::File { key, path: file_name, source }),
    };
    if mode & OTHERS != 0 {
        return Err(SettingError::FileMode { key, path: file_name, mode });
    }
    match String::from_utf8(bytes) {
        Ok(text) if text.len() <= LARGEST_SECRET => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
        _ => Err(SettingError::FileContent { key, path: file_name }),
    }
}

fn read_variable(variable: &str, path: &[String]) -> Result<String, SettingError> {
    std::env::var(variable)
        .map_err(|_| SettingError::Environment { key: path.join("."), variable: variable.to_owned() })
}
