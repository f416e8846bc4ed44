//! Configurations, good and bad. What is refused must be refused with INVALID and a detail, and no value may be repeated
//! where it could be a secret.

use patd_abi::status;
use patd_plugin_host::probe::{Hasher, Host, Reply, Service, Shape};
use patd_plugin_host::{Kind, settings};
use serde_json::{Value, json};

use super::ALL;
use crate::case::{Case, Outcome, ensure, pass, pass_with};
use crate::subject::{Subject, status_name};

pub(crate) const CASES: &[Case] = &[
    Case::of(ALL, "config.schema", "its config_schema is one that the daemon takes", schema),
    Case::of(ALL, "config.example", "the example is taken, and its own schema allows it", example),
    Case::of(ALL, "config.unknown-key", "a key that it does not know is refused, by name", unknown_key),
    Case::of(ALL, "config.wrong-type", "a value of the wrong type is refused", wrong_type),
    Case::of(ALL, "config.hostile", "what is no table at all is refused", hostile),
    Case::of(ALL, "config.secrets", "a value is repeated neither in details nor in logs", secrets),
];

const CANARY: &str = "canary-5d41402abc4b2a76b9719d911017c592";

/// What `create` said, and the host that recorded it.
fn create(subject: &Subject, config: &[u8]) -> Result<(Reply, &'static Host), String> {
    let (factory, host) = (subject.factory()?, Host::leak(Shape::Exact));
    let reply = if subject.kind == Kind::Hasher {
        let made = Hasher::create(factory, host, config);
        if let Some(hasher) = made.instance {
            hasher.destroy();
        }
        made.reply
    } else {
        let made = Service::create(factory, host, config);
        if let Some(service) = made.instance {
            service.destroy();
        }
        made.reply
    };
    Ok((reply, host))
}

/// Refused as it should be.
fn refused(reply: &Reply, what: &str) -> Result<(), String> {
    ensure(reply.status == status::INVALID, || {
        format!("create answers {} to {what}, INVALID is asked for", status_name(reply.status))
    })?;
    ensure(!reply.detail.is_empty(), || format!("create refuses {what} without a detail"))?;
    ensure(std::str::from_utf8(&reply.detail).is_ok(), || format!("the detail about {what} is not UTF-8"))
}

/// What its own schema does not allow in a configuration.
fn violations(subject: &Subject, config: &Value) -> Result<String, String> {
    let found = settings::violations(&subject.description()?["config_schema"], config);
    let found = found.map_err(|error| format!("its config_schema is none: {error}"))?;
    Ok(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

fn schema(subject: &Subject) -> Outcome {
    violations(subject, &json!({}))?;
    pass()
}

fn example(subject: &Subject) -> Outcome {
    let config = subject.config()?;
    let against = violations(subject, &config)?;
    let whose = if subject.config.is_some() { "the file of --config" } else { "its example" };
    ensure(against.is_empty(), || format!("its own schema speaks against {whose}: {against}"))?;
    let (reply, _) = create(subject, config.to_string().as_bytes())?;
    ensure(reply.is_ok(), || {
        format!("create answers {}: {}", status_name(reply.status), reply.detail_text())
    })?;
    pass()
}

fn unknown_key(subject: &Subject) -> Outcome {
    let mut config = subject.config()?;
    config["patd_unknown_key"] = json!(1);
    let (reply, _) = create(subject, config.to_string().as_bytes())?;
    refused(&reply, "an unknown key")?;
    ensure(reply.detail_text().contains("patd_unknown_key"), || {
        format!("the detail does not name the key: {}", reply.detail_text())
    })?;
    pass()
}

/// The good configuration with each known property of a wrong type.
fn wrongly_typed(subject: &Subject) -> Result<Vec<(String, Value)>, String> {
    let (description, config) = (subject.description()?, subject.config()?);
    let properties = description["config_schema"]["properties"].as_object().cloned().unwrap_or_default();
    let wrong = |property: &Value| match property["type"].as_str() {
        Some("string") => Some(json!({ CANARY: CANARY })),
        Some("integer" | "number" | "boolean" | "array" | "object") => Some(json!(CANARY)),
        _ => None,
    };
    Ok(properties
        .iter()
        .filter_map(|(name, property)| {
            let mut config = config.clone();
            config[name] = wrong(property)?;
            Some((name.clone(), config))
        })
        .collect())
}

fn wrong_type(subject: &Subject) -> Outcome {
    let tries = wrongly_typed(subject)?;
    for (name, config) in &tries {
        let (reply, _) = create(subject, config.to_string().as_bytes())?;
        refused(&reply, &format!("a {name} of the wrong type"))?;
    }
    pass_with(format!("{} keys", tries.len()))
}

fn hostile(subject: &Subject) -> Outcome {
    let long = vec![b'a'; 1 << 20];
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    let long_key = format!("{{\"{}\":1}}", "k".repeat(1 << 20));
    for (what, config) in [
        ("a list", &b"[]"[..]),
        ("a text", b"\"text\""),
        ("half a table", b"{"),
        ("invalid UTF-8", b"{\"\xff\xfe\":1}"),
        ("1 MiB of letters", &long),
        ("a key of 1 MiB", long_key.as_bytes()),
        ("100 000 nested lists", &deep),
        ("a table with something behind", b"{} {}"),
    ] {
        let (reply, _) = create(subject, config)?;
        refused(&reply, what)?;
    }
    let (reply, _) = create(subject, b"")?;
    ensure(reply.is_ok() || reply.status == status::INVALID, || {
        format!("create answers {} to no bytes at all", status_name(reply.status))
    })?;
    pass()
}

fn secrets(subject: &Subject) -> Outcome {
    let mut tries = wrongly_typed(subject)?;
    let mut config = subject.config()?;
    config["patd_unknown_key"] = json!(CANARY);
    tries.push(("unknown key".into(), config));
    let described = subject.description()?;
    for (name, property) in described["config_schema"]["properties"].as_object().into_iter().flatten() {
        if property["writeOnly"] == true {
            let mut config = subject.config()?;
            config[name] = json!(format!("{CANARY}\u{0}"));
            tries.push((name.clone(), config));
        }
    }
    tries.push(("broken table".into(), Value::Null));
    for (name, config) in &tries {
        let text = if config.is_null() { format!("{{\"a\":\"{CANARY}") } else { config.to_string() };
        let (reply, host) = create(subject, text.as_bytes())?;
        ensure(!has(&reply.detail), || format!("the detail about the {name} repeats the value"))?;
        let logged = host.lines().iter().any(|line| has(&line.message) || has(&line.fields));
        ensure(!logged, || format!("the log about the {name} repeats the value"))?;
    }
    pass()
}

fn has(bytes: &[u8]) -> bool {
    bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
}
