//! The plug-in under examination as a case sees it: file, copy, library, factory, configuration. Must never keep an
//! instance from one case to the next.

use std::cell::OnceCell;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use patd_plugin_host::Kind;
use patd_plugin_host::probe::{Created, Factory, Hasher, Host, Library, Service, Shape};
use serde_json::Value;

/// Takes the place of `{luid}` in an example configuration.
const LUID: &str = "018f2f7e-9d2a-7c3b-8a4e-0123456789ab";

/// The plug-in and what a case may use.
pub(crate) struct Subject {
    /// What the operator named.
    pub(crate) file: PathBuf,
    /// The private copy; only this one is loaded.
    pub(crate) copy: PathBuf,
    /// For whose factory the case runs.
    pub(crate) kind: Kind,
    /// `--config`, as JSON.
    pub(crate) config: Option<Value>,
    /// A folder of the case's own.
    pub(crate) scratch: PathBuf,
    /// How long one answer may take.
    pub(crate) patience: Duration,
    /// Makes the command that runs another case on this plug-in, in the same scratch folder.
    pub(crate) relaunch: Box<dyn Fn(&str) -> Command>,
    pub(crate) library: OnceCell<Library>,
}

impl Subject {
    /// The library, opened once.
    pub(crate) fn library(&self) -> Result<&Library, String> {
        if let Some(library) = self.library.get() {
            return Ok(library);
        }
        let library = Library::open(&self.copy).map_err(|error| format!("it does not load: {error}"))?;
        Ok(self.library.get_or_init(|| library))
    }

    /// The factory of the case's kind, of a size that can be used.
    pub(crate) fn factory(&self) -> Result<Factory, String> {
        let factory = self.library()?.factory(self.kind);
        let factory = factory.ok_or_else(|| format!("it offers no {}", self.kind.name()))?;
        let facts = factory.facts(self.kind);
        if !facts.missing.is_empty() {
            return Err(format!("its table lacks {}", facts.missing.join(", ")));
        }
        Ok(factory)
    }

    /// What it says of itself without an instance.
    pub(crate) fn description(&self) -> Result<Value, String> {
        let reply = self.factory()?.describe(self.kind).ok_or("it has no describe")?;
        if !reply.is_ok() {
            return Err(format!("describe answers {}", status_name(reply.status)));
        }
        serde_json::from_slice(&reply.output).map_err(|error| format!("its description is no JSON: {error}"))
    }

    /// The configuration to use: the operator's, or the plug-in's example with its places moved into the scratch folder.
    pub(crate) fn config(&self) -> Result<Value, String> {
        Ok(moved(self.given()?, &self.scratch.display().to_string()))
    }

    /// The same with its places moved into a folder of another name; `None` when it has no places that could be moved.
    pub(crate) fn elsewhere(&self, name: &str) -> Result<Option<Elsewhere>, String> {
        let folder = self.scratch.join(name);
        let config = moved(self.given()?, &folder.display().to_string());
        if config == self.config()? {
            return Ok(None);
        }
        fs::create_dir_all(&folder).map_err(|error| format!("no scratch folder: {error}"))?;
        Ok(Some(Elsewhere { config, folder }))
    }

    fn given(&self) -> Result<Value, String> {
        let config = match &self.config {
            Some(config) => config.clone(),
            None => self.description()?.get("example_config").cloned().unwrap_or(Value::Null),
        };
        Ok(if config.is_null() { Value::Object(serde_json::Map::new()) } else { config })
    }

    /// An instance of a hasher with that configuration.
    pub(crate) fn hasher(&self) -> Result<(Hasher, &'static Host), String> {
        let host = Host::leak(Shape::Exact);
        let hasher = made(Hasher::create(self.factory()?, host, self.config()?.to_string().as_bytes()))?;
        Ok((hasher, host))
    }

    /// An instance of a store or sink with that configuration.
    pub(crate) fn service(&self) -> Result<Service, String> {
        self.service_with(&self.config()?)
    }

    /// An instance of a store or sink with another configuration.
    pub(crate) fn service_with(&self, config: &Value) -> Result<Service, String> {
        let host = Host::leak(Shape::Exact);
        made(Service::create(self.factory()?, host, config.to_string().as_bytes()))
    }
}

/// A second place for what the plug-in keeps.
pub(crate) struct Elsewhere {
    /// The configuration that names it.
    pub(crate) config: Value,
    /// All of its places are below this folder, which is there.
    pub(crate) folder: PathBuf,
}

impl Elsewhere {
    /// The one file that the configuration names; `None` when it names none or several.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let mut found = places(&self.config, &self.folder.display().to_string());
        if found.len() == 1 { found.pop() } else { None }
    }
}

/// What the texts of a configuration say from `folder` on, up to the options of a URL.
fn places(config: &Value, folder: &str) -> Vec<PathBuf> {
    match config {
        Value::String(text) => {
            let from = text.find(folder).map(|at| &text[at..]);
            from.and_then(|place| place.split('?').next()).map(PathBuf::from).into_iter().collect()
        }
        Value::Array(items) => items.iter().flat_map(|item| places(item, folder)).collect(),
        Value::Object(members) => members.values().flat_map(|value| places(value, folder)).collect(),
        _ => Vec::new(),
    }
}

fn made<T>(created: Created<T>) -> Result<T, String> {
    let Created { reply, instance } = created;
    instance.ok_or_else(|| {
        format!(
            "create answers {} to a good configuration: {}",
            status_name(reply.status),
            reply.detail_text()
        )
    })
}

/// A configuration whose places lie in `scratch`: `{data_dir}` and the usual `/var/lib/patd`.
fn moved(config: Value, scratch: &str) -> Value {
    match config {
        Value::String(text) => Value::String(
            text.replace("{data_dir}", scratch).replace("/var/lib/patd", scratch).replace("{luid}", LUID),
        ),
        Value::Array(items) => items.into_iter().map(|item| moved(item, scratch)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(key, value)| (key, moved(value, scratch))).collect()
        }
        other => other,
    }
}

/// A status as a word.
pub(crate) fn status_name(status: patd_abi::Status) -> String {
    use patd_abi::status::{
        BUSY, CANCELLED, INTERNAL, INVALID, OK, PANIC, TIMEOUT, UNAVAILABLE, UNSUPPORTED,
    };
    match status {
        OK => "OK".into(),
        INVALID => "INVALID".into(),
        UNAVAILABLE => "UNAVAILABLE".into(),
        TIMEOUT => "TIMEOUT".into(),
        CANCELLED => "CANCELLED".into(),
        PANIC => "PANIC".into(),
        UNSUPPORTED => "UNSUPPORTED".into(),
        BUSY => "BUSY".into(),
        INTERNAL => "INTERNAL".into(),
        unknown => format!("the unknown status {unknown}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_configuration_is_found_in_a_url_and_only_when_there_is_one() {
        let of = |config| {
            let folder = PathBuf::from("/tmp/x");
            Elsewhere { config: serde_json::json!({ "a": config, "n": 1 }), folder }.file()
        };
        assert_eq!(of(serde_json::json!("sqlite:///tmp/x/y.db?mode=rw")), Some("/tmp/x/y.db".into()));
        assert_eq!(of(serde_json::json!(["/tmp/x/y", "other"])), Some("/tmp/x/y".into()));
        assert_eq!(of(serde_json::json!(["/tmp/x/y", "/tmp/x/z"])), None);
        assert_eq!(of(serde_json::json!("postgres://host/x")), None);
    }

    #[test]
    fn an_example_is_moved_into_the_scratch_folder_and_foreign_placeholders_stay() {
        let example = serde_json::json!({ "url": "sqlite:///var/lib/patd/{luid}.db", "n": 1, "p": ["{data_dir}/{site}"] });
        assert_eq!(
            moved(example, "/tmp/x"),
            serde_json::json!({ "url": format!("sqlite:///tmp/x/{LUID}.db"), "n": 1, "p": ["/tmp/x/{site}"] })
        );
    }
}
