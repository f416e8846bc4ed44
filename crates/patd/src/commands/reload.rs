//! `patd reload`.

use serde_json::Value;

use super::Context;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::operate::Operation;
use crate::output::{self, Format};

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let path = &context.config_path;
    let path = std::fs::canonicalize(path).map_err(|e| Failure::io("find", path, e))?;
    let value = Connection::daemon(&context.config()?)?
        .operate(Operation::Reload { config: path.display().to_string() })?;
    match context.format {
        Format::Json => context.print(&value),
        Format::Text => text(&value),
    }
    Ok(())
}

/// What changed, one line each.
fn text(report: &Value) {
    let field = |of: &Value, name: &str| of[name].as_str().unwrap_or("-").to_owned();
    output::line(&field(report, "result"));
    for plugin in
        report["plugins"].as_array().into_iter().flatten().filter(|one| one["action"] != "unchanged")
    {
        let digests: Vec<_> =
            ["old_sha256", "new_sha256"].iter().filter_map(|which| plugin[*which].as_str()).collect();
        let generation = plugin["generation"].as_u64();
        output::line(&format!(
            "{} {} ({}): {}, sha256 {}{}",
            field(plugin, "kind"),
            field(plugin, "instance"),
            field(plugin, "plugin"),
            field(plugin, "action"),
            digests.join(" to "),
            generation.map_or_else(String::new, |number| format!(", generation {number}"))
        ));
    }
    for (what, sites) in report["sites"].as_object().into_iter().flatten() {
        if let Some(sites) = sites.as_array().filter(|sites| !sites.is_empty()) {
            let names: Vec<_> = sites.iter().filter_map(Value::as_str).collect();
            output::line(&format!("sites {what}: {}", names.join(", ")));
        }
    }
    for warning in report["warnings"].as_array().into_iter().flatten() {
        output::line(&format!("warning: {}", warning.as_str().unwrap_or_default()));
    }
}
