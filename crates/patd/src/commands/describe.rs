//! `patd routes`, `patd openapi`, `patd problems`, `patd events`: what this program's API is, from the code itself. They read no config
//! and reach no daemon.

use std::collections::BTreeMap;

use patd_core::event::EventType;
use patd_http::problem::Kind;
use patd_http::problem::registry::Entry;
use patd_http::{routes, tableau};
use patd_service::cloud_event::{DATA_SCHEMA, ENVELOPE, MEMBERS, Member};
use serde_json::{Value, json};

use super::Context;
use crate::failure::Failure;
use crate::output::{self, Format};

/// Every route of both surfaces, and what the names of callers mean.
pub(super) fn routes(context: &Context) {
    match context.format {
        Format::Json => context.print(&document()),
        Format::Text => {
            let native = routes::table().iter().map(|r| (r.method, r.path, r.who.meaning()));
            let tableau = tableau::table().iter().map(|r| (r.method, r.path, r.access.meaning()));
            for (method, path, who) in native.chain(tableau) {
                output::line(&format!("{method:6}  {path:72}  {who}"));
            }
        }
    }
}

fn document() -> Value {
    let named = |who: Value, meaning: &'static str| (who.as_str().unwrap_or_default().to_owned(), meaning);
    let native: BTreeMap<_, _> =
        routes::table().iter().map(|r| named(json!(r.who), r.who.meaning())).collect();
    let tableau_callers: BTreeMap<_, _> =
        tableau::table().iter().map(|r| named(json!(r.access), r.access.meaning())).collect();
    json!({
        "native": routes::table(),
        "tableau": tableau::table(),
        "callers": {"native": native, "tableau": tableau_callers},
    })
}

/// The OpenAPI document; JSON whatever `--output` says.
pub(super) fn openapi() -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&routes::openapi())
        .map_err(|e| Failure::Start(format!("the OpenAPI document cannot be written as JSON: {e}")))?;
    output::line(&text);
    Ok(())
}

/// The registry of problem types.
pub(super) fn problems(context: &Context) {
    let entries: Vec<Entry> = Kind::ALL.iter().map(|kind| kind.entry()).collect();
    match context.format {
        Format::Json => context.print(&json!(entries)),
        Format::Text => {
            for entry in entries {
                output::line(&format!("{}  {}: {}. {}", entry.status, entry.name, entry.title, entry.remedy));
            }
        }
    }
}

/// The vocabulary of audit events.
pub(super) fn events(context: &Context) {
    match context.format {
        Format::Json => context.print(&vocabulary()),
        Format::Text => {
            for kind in EventType::ALL {
                output::line(&format!(
                    "{:28}  {:13}  {}",
                    kind.as_str(),
                    kind.severity().as_str(),
                    kind.when()
                ));
            }
        }
    }
}

fn vocabulary() -> Value {
    let table = |members: &[Member]| -> Vec<_> {
        members
            .iter()
            .map(|m| json!({"name": m.name, "meaning": m.meaning, "everywhere": m.types.is_empty()}))
            .collect()
    };
    let types = EventType::ALL.map(|kind| {
        let ocsf = kind.ocsf();
        let own = MEMBERS.iter().filter(|m| !m.types.is_empty() && m.of(kind)).map(|m| m.name);
        json!({
            "name": kind.as_str(),
            "when": kind.when(),
            "severity": kind.severity().as_str(),
            "class": ocsf.class_name(),
            "class_uid": ocsf.class_uid,
            "activity_id": ocsf.activity_id,
            "members": own.collect::<Vec<_>>(),
        })
    });
    json!({"dataschema": DATA_SCHEMA, "envelope": table(ENVELOPE), "data": table(MEMBERS), "types": types})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_says_who_may_call_it_and_every_name_is_explained() {
        let document = document();
        for (surface, key) in [("native", "who"), ("tableau", "access")] {
            let routes = document[surface].as_array().expect("routes");
            assert!(!routes.is_empty());
            for route in routes {
                let who = route[key].as_str().expect("a caller");
                assert!(document["callers"][surface][who].is_string(), "{surface} {route}");
            }
        }
    }
}
