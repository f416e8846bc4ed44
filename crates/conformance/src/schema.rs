//! The part of JSON Schema that configurations use: type, required, properties, additionalProperties, bounds, enum, items.
//! Must never refuse what it does not understand.

use serde_json::Value;

/// What speaks against a value.
pub(crate) fn violations(schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(wanted) = schema.get("type").and_then(Value::as_str)
        && !has_type(value, wanted)
    {
        found.push(format!("{place} is no {wanted}"));
        return found;
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        found.push(format!("{place} is none of the allowed values"));
    }
    if let Some(number) = value.as_f64() {
        if schema.get("minimum").and_then(Value::as_f64).is_some_and(|least| number < least) {
            found.push(format!("{place} is below its minimum"));
        }
        if schema.get("maximum").and_then(Value::as_f64).is_some_and(|most| number > most) {
            found.push(format!("{place} is above its maximum"));
        }
    }
    if let Some(members) = value.as_object() {
        let properties = schema.get("properties").and_then(Value::as_object);
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            if let Some(name) = name.as_str()
                && !members.contains_key(name)
            {
                found.push(format!("{place} lacks {name}"));
            }
        }
        for (name, member) in members {
            match properties.and_then(|properties| properties.get(name)) {
                Some(inner) => found.extend(violations(inner, member, &format!("{place}.{name}"))),
                None if schema.get("additionalProperties") == Some(&Value::Bool(false)) => {
                    found.push(format!("{place}.{name} is unknown"));
                }
                None => {}
            }
        }
    }
    if let (Some(items), Some(inner)) = (value.as_array(), schema.get("items")) {
        for (number, item) in items.iter().enumerate() {
            found.extend(violations(inner, item, &format!("{place}[{number}]")));
        }
    }
    found
}

fn has_type(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_rule_is_seen_and_unknown_ones_are_let_be() {
        let schema = json!({ "type": "object", "required": ["a"], "additionalProperties": false, "pattern": "x",
            "properties": { "a": { "type": "integer", "minimum": 1, "maximum": 3 }, "b": { "enum": ["x"] },
                            "c": { "type": "array", "items": { "type": "string" } } } });
        let count = |value: Value| violations(&schema, &value, "config").len();
        assert_eq!(count(json!({ "a": 1, "b": "x", "c": ["y"] })), 0);
        assert_eq!(count(json!({})), 1);
        assert_eq!(count(json!({ "a": 4, "b": "y", "c": [1], "d": 0 })), 4);
        assert_eq!(count(json!([])), 1);
    }
}
