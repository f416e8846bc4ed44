//! Whether a configuration fits the `config_schema` that its plug-in describes, said before the plug-in sees it.
//!
//! A schema comes out of a library, so it is bounded before it is compiled: it must never make the daemon fetch anything,
//! loop, run out of stack, or match a pattern in more than linear time. What is told must never hold a configured value:
//! any of them may be a secret.

use boon::{Compiler, Draft, ErrorKind, InstanceToken, Schemas, SchemeUrlLoader, ValidationError};
use regex::RegexBuilder;
use serde_json::Value;

use crate::output::brief;

/// Most bytes of a schema, as JSON.
const MAX_BYTES: usize = 64 << 10;
/// Most parts of a schema, each `$ref` counted as what it leads to.
const MAX_PARTS: usize = 20_000;
/// Deepest nesting of a schema, `$ref`s followed; so one that refers to itself is refused.
const MAX_DEPTH: usize = 48;
/// How many parts a pattern counts for: it compiles to more than a number does.
const PATTERN_PARTS: usize = 200;
/// Most bytes of a compiled pattern.
const MAX_PATTERN: usize = 1 << 20;
/// Most violations that are told.
const MAX_TOLD: usize = 32;

/// Other names and places for a schema: with them a `$ref` could lead anywhere.
const NOT_HERE: [&str; 7] =
    ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary"];
/// What the schema is called while it is compiled.
const PLACE: &str = "urn:patd:config_schema";
/// The one dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// One value that its schema does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The keys that lead to it; `[0]` is the first of a list. Empty for the configuration itself.
    pub path: Vec<String>,
    /// What was expected, in the schema's words; never the value.
    pub message: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("config")?;
        for part in &self.path {
            write!(f, "{}{}", if part.starts_with('[') { "" } else { "." }, part.escape_debug())?;
        }
        write!(f, ": {}", self.message)
    }
}

/// What in `settings` the schema does not allow; empty where all fits. `null` is no schema, and allows anything; `null`
/// settings are an empty table.
///
/// # Errors
/// The schema is no JSON Schema (2020-12) of its own, or larger than one of a configuration should be; says how.
pub fn violations(schema: &Value, settings: &Value) -> Result<Vec<Violation>, String> {
    if schema.is_null() {
        return Ok(Vec::new());
    }
    bounded(schema)?;
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.set_default_draft(Draft::V2020_12);
    // It knows no scheme: nothing is ever fetched.
    compiler.use_loader(Box::new(SchemeUrlLoader::new()));
    let refused = |error: boon::CompileError| brief(&format_args!("{error:#}"));
    compiler.add_resource(PLACE, schema.clone()).map_err(refused)?;
    let index = compiler.compile(PLACE, &mut schemas).map_err(refused)?;
    let (none, mut found) = (Value::Object(serde_json::Map::new()), Vec::new());
    if let Err(error) = schemas.validate(if settings.is_null() { &none } else { settings }, index) {
        tell(schema, &error, &mut found);
    }
    found.truncate(MAX_TOLD);
    Ok(found)
}

/// Refuses a schema that is too large, too deep, or leads out of itself.
fn bounded(schema: &Value) -> Result<(), String> {
    if !schema.is_object() {
        return Err("it is no JSON object".into());
    }
    if schema.to_string().len() > MAX_BYTES {
        return Err(format!("it has more than {MAX_BYTES} bytes"));
    }
    if schema.get("$schema").is_some_and(|dialect| dialect != DIALECT) {
        return Err(format!("its `$schema` is another one than {DIALECT}"));
    }
    weigh(schema, schema, 0, &mut MAX_PARTS.clone())
}

fn weigh(root: &Value, node: &Value, depth: usize, left: &mut usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("it is nested deeper than {MAX_DEPTH} levels, or refers to itself"));
    }
    spend(left, 1)?;
    match node {
        Value::Array(items) => items.iter().try_for_each(|item| weigh(root, item, depth + 1, left)),
        Value::Object(members) => {
            for (key, value) in members {
                match (key.as_str(), value) {
                    ("$ref", Value::String(target)) => {
                        let within = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
                        let within = within.ok_or("a `$ref` is no JSON pointer into the schema itself")?;
                        weigh(root, within, depth + 1, left)?;
                    }
                    ("pattern", Value::String(pattern)) => bounded_pattern(pattern, left)?,
                    ("patternProperties", Value::Object(by_pattern)) => {
                        by_pattern.keys().try_for_each(|pattern| bounded_pattern(pattern, left))?;
                    }
                    (name, _) if NOT_HERE.contains(&name) => {
                        return Err(format!("it has a `{name}`, which a configuration's schema must not"));
                    }
                    _ => {}
                }
                weigh(root, value, depth + 1, left)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Refuses a pattern that compiles to too much, or is none of those that match in linear time.
fn bounded_pattern(pattern: &str, left: &mut usize) -> Result<(), String> {
    spend(left, PATTERN_PARTS)?;
    let compiled = RegexBuilder::new(pattern).size_limit(MAX_PATTERN).build();
    compiled.map(drop).map_err(|error| brief(&format_args!("a pattern is no regular expression: {error}")))
}

fn spend(left: &mut usize, parts: usize) -> Result<(), String> {
    *left = left
        .checked_sub(parts)
        .ok_or_else(|| format!("it has more than {MAX_PARTS} parts, each `$ref` and pattern counted"))?;
    Ok(())
}

/// The violations in the schema's words, one for each value or unknown key.
fn tell(schema: &Value, error: &ValidationError<'_, '_>, found: &mut Vec<Violation>) {
    let path: Vec<String> = error.instance_location.tokens.iter().map(segment).collect();
    let mut add = |further: Option<&str>, message: String| {
        let path = path.iter().cloned().chain(further.map(str::to_owned)).collect();
        found.push(Violation { path, message });
    };
    let keyword = match &error.kind {
        ErrorKind::Group | ErrorKind::Schema { .. } | ErrorKind::Reference { .. } | ErrorKind::AllOf => {
            error.causes.iter().for_each(|cause| tell(schema, cause, found));
            return;
        }
        ErrorKind::AdditionalProperties { got } => {
            got.iter().for_each(|name| add(Some(&**name), "unknown key".to_owned()));
            return;
        }
        ErrorKind::Required { want } => {
            want.iter().for_each(|name| add(None, format!("missing key `{}`", brief(name))));
            return;
        }
        ErrorKind::FalseSchema => {
            // As `additionalProperties: false` and `unevaluatedProperties: false` are told too.
            add(None, "unknown key".to_owned());
            return;
        }
        ErrorKind::Type { .. } => "type",
        ErrorKind::Enum { .. } => "enum",
        ErrorKind::Const { .. } => "const",
        ErrorKind::Minimum { .. } => "minimum",
        ErrorKind::Maximum { .. } => "maximum",
        ErrorKind::ExclusiveMinimum { .. } => "exclusiveMinimum",
        ErrorKind::ExclusiveMaximum { .. } => "exclusiveMaximum",
        ErrorKind::MultipleOf { .. } => "multipleOf",
        ErrorKind::MinLength { .. } => "minLength",
        ErrorKind::MaxLength { .. } => "maxLength",
        ErrorKind::Pattern { .. } => "pattern",
        ErrorKind::MinItems { .. } => "minItems",
        ErrorKind::MaxItems { .. } => "maxItems",
        ErrorKind::UniqueItems { .. } => "uniqueItems",
        ErrorKind::MinProperties { .. } => "minProperties",
        ErrorKind::MaxProperties { .. } => "maxProperties",
        ErrorKind::DependentRequired { .. } => "dependentRequired",
        ErrorKind::AnyOf => "anyOf",
        ErrorKind::OneOf(_) => "oneOf",
        ErrorKind::Not => "not",
        ErrorKind::Contains | ErrorKind::MinContains { .. } | ErrorKind::MaxContains { .. } => "contains",
        ErrorKind::PropertyName { .. } => "propertyNames",
        _ => "",
    };
    // What belongs to the keyword says what was expected, unless it is as long as a schema.
    let at = error.schema_url.split_once('#').and_then(|(_, pointer)| schema.pointer(pointer));
    let message = match at.and_then(|at| at.get(keyword)) {
        Some(wanted) if !wanted.is_object() && !["anyOf", "oneOf"].contains(&keyword) => {
            format!("expected {keyword} {}", brief(wanted))
        }
        _ if keyword.is_empty() => "expected what the plug-in's config_schema says".to_owned(),
        _ => format!("expected what `{keyword}` of the plug-in's config_schema says"),
    };
    add(None, message);
}

fn segment(token: &InstanceToken<'_>) -> String {
    match token {
        InstanceToken::Prop(name) => name.to_string(),
        InstanceToken::Item(index) => format!("[{index}]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(schema: &Value, settings: &Value) -> Vec<String> {
        violations(schema, settings).expect("a schema").iter().map(ToString::to_string).collect()
    }

    fn example() -> Value {
        json!({ "type": "object", "required": ["a"], "additionalProperties": false, "properties": {
            "a": { "type": "integer", "minimum": 1, "maximum": 3 },
            "b": { "enum": ["x", "y"] },
            "c": { "type": "array", "items": { "$ref": "#/$defs/port" } },
            "d": { "type": "string", "pattern": "^[a-z]+$", "writeOnly": true },
            "e": { "anyOf": [{ "type": "string" }, { "type": "boolean" }] },
        }, "$defs": { "port": { "type": "integer", "maximum": 65535 } } })
    }

    #[test]
    fn what_fits_is_let_be() {
        let settings = json!({ "a": 1, "b": "x", "c": [80, 443], "d": "abc", "e": true });
        assert_eq!(texts(&example(), &settings), Vec::<String>::new());
        assert_eq!(texts(&Value::Null, &json!({ "any": "thing" })), Vec::<String>::new());
        assert_eq!(texts(&json!({ "type": "object" }), &Value::Null), Vec::<String>::new());
    }

    #[test]
    fn each_misfit_is_told_by_its_key_and_what_was_expected() {
        let settings = json!({ "a": 4, "b": "z", "c": [80, 65536, "x"], "d": "ABC", "e": 1, "f": 1 });
        let mut found = texts(&example(), &settings);
        found.sort();
        assert_eq!(
            found,
            [
                "config.a: expected maximum 3",
                r#"config.b: expected enum ["x","y"]"#,
                "config.c[1]: expected maximum 65535",
                r#"config.c[2]: expected type "integer""#,
                r#"config.d: expected pattern "^[a-z]+$""#,
                "config.e: expected what `anyOf` of the plug-in's config_schema says",
                "config.f: unknown key",
            ]
        );
        assert_eq!(texts(&example(), &Value::Null), ["config: missing key `a`"]);
        assert_eq!(texts(&example(), &json!([])), [r#"config: expected type "object""#]);
    }

    #[test]
    fn no_value_is_ever_told() {
        let canary = "canary-5d41402abc4b2a76";
        for settings in [
            json!({ "a": canary, "b": canary, "c": [canary], "d": canary.to_uppercase(), "e": [canary] }),
            json!([canary]),
            json!({ "a": { "x": canary } }),
        ] {
            let told = texts(&example(), &settings).join("\n").to_lowercase();
            assert!(!told.is_empty() && !told.contains(canary), "{told}");
        }
    }

    #[test]
    fn a_schema_that_is_none_is_refused() {
        for (schema, wanted) in [
            (json!(true), "no JSON object"),
            (json!({ "type": "integre" }), "type"),
            (json!({ "minimum": "1" }), "minimum"),
            (json!({ "properties": [] }), "properties"),
            (json!({ "pattern": "(" }), "regular expression"),
            (json!({ "pattern": "(?=a)b" }), "regular expression"),
            (json!({ "$schema": "http://json-schema.org/draft-04/schema#" }), "$schema"),
        ] {
            let refused = violations(&schema, &json!({})).expect_err("is refused");
            assert!(refused.contains(wanted), "{schema}: {refused}");
        }
    }

    #[test]
    fn a_schema_reaches_nothing_but_itself() {
        for target in ["http://127.0.0.1:1/x", "file:///etc/passwd", "other.json", "#anchor", "#/$defs/none"]
        {
            let refused = violations(&json!({ "$ref": target }), &json!({})).expect_err("is refused");
            assert!(refused.contains("$ref"), "{target}: {refused}");
        }
        for name in NOT_HERE {
            let schema = json!({ "properties": { "a": { name: "http://127.0.0.1:1/x" } } });
            assert!(violations(&schema, &json!({})).is_err(), "{name}");
        }
    }

    #[test]
    fn a_hostile_schema_is_bounded() {
        let deep = (0..100).fold(json!({ "type": "string" }), |inner, _| json!({ "not": inner }));
        let mut bomb = json!({ "$ref": "#/$defs/0" });
        for level in 0..30 {
            let next = json!({ "$ref": format!("#/$defs/{}", level + 1) });
            bomb["$defs"][level.to_string()] = json!({ "allOf": [next, next] });
        }
        bomb["$defs"]["30"] = json!({});
        let patterns: Vec<Value> = (0..200).map(|n| json!({ "pattern": format!("^a{{{n}}}$") })).collect();
        for (what, schema) in [
            ("deep", deep),
            ("refers to itself", json!({ "$ref": "#" })),
            ("refers to itself below", json!({ "allOf": [{ "$ref": "#" }] })),
            ("a tree of references", bomb),
            ("long", json!({ "description": "x".repeat(MAX_BYTES) })),
            ("many patterns", json!({ "anyOf": patterns })),
            ("a huge pattern", json!({ "pattern": "(a{1000}){1000}" })),
            ("a huge pattern of keys", json!({ "patternProperties": { "(a{1000}){1000}": {} } })),
        ] {
            assert!(violations(&schema, &json!({})).is_err(), "{what}");
        }
    }

    #[test]
    fn a_pattern_takes_linear_time() {
        let schema = json!({ "properties": { "a": { "pattern": "^(a+)+$" } } });
        let settings = json!({ "a": format!("{}!", "a".repeat(60_000)) });
        assert_eq!(texts(&schema, &settings), [r#"config.a: expected pattern "^(a+)+$""#]);
    }
}
