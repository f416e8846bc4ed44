//! `cargo xtask codegen`: the files that are written from the code, in `docs/` and the C header of plug-ins.
//!
//! Asks the built `patd` and renders what it answers; knows no route and no problem itself. With `--check` it writes
//! nothing and fails when a file is not what the code says.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::command::{cargo, run as run_command, shown};
use crate::failure::{Context, Failure};
use crate::workspace::{Profile, Workspace};
use crate::{header, out};

/// The command line of `cargo xtask codegen`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail when a file differs from what the code says.
    #[arg(long)]
    check: bool,
}

/// Runs the task.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    run_command(cargo().current_dir(&workspace.root).args(["build", "--package", "patd"]))?;
    if args.check { check(&workspace) } else { write(&workspace) }
}

/// Fails when a file differs from what the built `patd` says.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    out::step("docs and header as the code says");
    differing(&workspace.root, &files(workspace)?)
}

fn write(workspace: &Workspace) -> Result<(), Failure> {
    for (name, content) in files(workspace)? {
        let path = workspace.root.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).context(format_args!("cannot make {}", folder.display()))?;
        }
        std::fs::write(&path, content).context(format_args!("cannot write {}", path.display()))?;
        out::line(path.display());
    }
    Ok(())
}

fn differing(root: &Path, files: &[(&str, String)]) -> Result<(), Failure> {
    let names: Vec<_> = files
        .iter()
        .filter(|(name, content)| std::fs::read_to_string(root.join(name)).ok().as_ref() != Some(content))
        .map(|(name, _)| *name)
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "not what the code says: {}; run `cargo xtask codegen` and commit what it writes",
        names.join(", ")
    )))
}

/// Every generated file, by its path in the repository.
fn files(workspace: &Workspace) -> Result<Vec<(&'static str, String)>, Failure> {
    let patd = &workspace.bin(Profile::Debug, "patd");
    let openapi = ask(patd, "openapi")?;
    let routes: Routes = serde_json::from_str(&ask(patd, "routes")?).context("`patd routes`")?;
    let problems: Vec<Problem> = serde_json::from_str(&ask(patd, "problems")?).context("`patd problems`")?;
    let events: Vocabulary = serde_json::from_str(&ask(patd, "events")?).context("`patd events`")?;
    Ok(vec![
        ("docs/events.md", events_page(&events)),
        ("docs/openapi.json", openapi),
        ("docs/routes.md", routes_page(&routes)),
        ("docs/problems.md", problems_page(&problems)),
        (header::PATH, header::text(&workspace.root)?),
    ])
}

fn ask(patd: &Path, what: &str) -> Result<String, Failure> {
    let mut command = Command::new(patd);
    command.args([what, "--output", "json"]).stdin(Stdio::null()).stderr(Stdio::inherit());
    let line = shown(&command);
    let output = command.output().context(format_args!("cannot run `{line}`"))?;
    if !output.status.success() {
        return Err(Failure::new(format!("`{line}` ended with {}", output.status)));
    }
    String::from_utf8(output.stdout).context(format_args!("`{line}` answered no text"))
}

#[derive(Deserialize)]
struct Routes {
    native: Vec<Route>,
    tableau: Vec<Route>,
    callers: Callers,
}

#[derive(Deserialize)]
struct Callers {
    native: Meanings,
    tableau: Meanings,
}

type Meanings = std::collections::BTreeMap<String, String>;

#[derive(Deserialize)]
struct Route {
    method: String,
    path: String,
    #[serde(alias = "access")]
    who: String,
}

#[derive(Deserialize)]
struct Problem {
    name: String,
    status: u16,
    title: String,
    remedy: String,
}

#[derive(Deserialize)]
struct Vocabulary {
    dataschema: String,
    envelope: Vec<Member>,
    data: Vec<Member>,
    types: Vec<EventType>,
}

#[derive(Deserialize)]
struct Member {
    name: String,
    meaning: String,
    everywhere: bool,
}

#[derive(Deserialize)]
struct EventType {
    name: String,
    when: String,
    severity: String,
    class: String,
    class_uid: u32,
    activity_id: u32,
    members: Vec<String>,
}

const GENERATED: &str = "<!-- Written by `cargo xtask codegen`; do not edit. -->\n\n";

fn routes_page(routes: &Routes) -> String {
    let mut page = format!(
        "{GENERATED}# Routes\n\nEvery HTTP route and who may call it. Whoever else does is refused. \
         [openapi.json](openapi.json) describes the native calls, [problems.md](problems.md) their refusals.\n"
    );
    for (title, rows, meanings) in [
        ("Native API", &routes.native, &routes.callers.native),
        ("Tableau surface", &routes.tableau, &routes.callers.tableau),
    ] {
        page.push_str(&format!("\n## {title}\n\n| method | path | who may call it |\n|---|---|---|\n"));
        for Route { method, path, who } in rows {
            let meaning = meanings.get(who).map_or(who.as_str(), String::as_str);
            page.push_str(&format!("| {method} | `{path}` | {meaning} |\n"));
        }
    }
    page
}

fn problems_page(problems: &[Problem]) -> String {
    let mut page = format!(
        "{GENERATED}# Problems\n\nHow the native API says that something was refused: `application/problem+json` \
         (RFC 9457). The member `type` is `urn:patd:problem:` and the name.\n\n\
         | name | status | title | what to do |\n|---|---|---|---|\n"
    );
    for Problem { name, status, title, remedy } in problems {
        page.push_str(&format!("| `{name}` | {status} | {title} | {remedy} |\n"));
    }
    page
}

fn events_page(vocabulary: &Vocabulary) -> String {
    let Vocabulary { dataschema, envelope, data, types } = vocabulary;
    let mut page = format!(
        "{GENERATED}# Audit events\n\nEvery event is a [CloudEvent 1.0](https://cloudevents.io) in JSON, the same in \
         `GET /v1/sites/{{site}}/events`, in its live stream and in every sink. Each is written with the change that it \
         tells of, or neither is. No event holds a secret or a digest.\n\n\
         ## Version\n\nThe vocabulary's version is the attribute `dataschema`, now `{dataschema}`. Within a version \
         types, members and words of `reason` are only added, and none changes its meaning: readers ignore what they do \
         not know. A change that breaks readers gets the next number.\n\n\
         ## Attributes\n\n| attribute | meaning |\n|---|---|\n"
    );
    for Member { name, meaning, .. } in envelope {
        page.push_str(&format!("| `{name}` | {meaning} |\n"));
    }
    page.push_str("| `data` | The members below. |\n");
    page.push_str(
        "\n## Members of `data`\n\nOne without a value is left out. Those marked * are in events of the types that name \
         them, and in no others.\n\n| member | meaning |\n|---|---|\n",
    );
    for Member { name, meaning, everywhere } in data {
        page.push_str(&format!("| `{name}`{} | {meaning} |\n", if *everywhere { "" } else { " *" }));
    }
    page.push_str(
        "\n## Types\n\nSeverity is OCSF's. Class and activity are those of [OCSF](https://schema.ocsf.io) 1.3; activity 99 \
         is what the class has no number for. `patd.notice.*` are messages to people, which follow from other events: they \
         are no activities of their own.\n\n\
         | type | when | severity | class | activity | members * |\n|---|---|---|---|---|---|\n",
    );
    for EventType { name, when, severity, class, class_uid, activity_id, members } in types {
        let members: Vec<_> = members.iter().map(|member| format!("`{member}`")).collect();
        page.push_str(&format!(
            "| `{name}` | {when} | {severity} | {class} ({class_uid}) | {activity_id} | {} |\n",
            members.join(", ")
        ));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_differs_is_named_with_the_command_that_mends_it() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(root.path().join("docs")).expect("a folder");
        for (name, content) in [("docs/a.md", "same"), ("docs/b.md", "old")] {
            std::fs::write(root.path().join(name), content).expect("written");
        }
        let same = ("docs/a.md", "same".to_owned());
        differing(root.path(), std::slice::from_ref(&same)).expect("nothing differs");
        let all = [same, ("docs/b.md", "new".to_owned()), ("docs/c.md", "absent".to_owned())];
        let text = differing(root.path(), &all).expect_err("two differ").to_string();
        assert!(text.contains("docs/b.md, docs/c.md") && !text.contains("a.md"), "{text}");
        assert!(text.contains("cargo xtask codegen"), "{text}");
    }

    #[test]
    fn a_route_is_a_row_with_what_its_caller_means() {
        let routes: Routes = serde_json::from_str(
            r#"{"native": [{"method": "GET", "path": "/v1/x", "who": "anyone"}],
                "tableau": [{"method": "PUT", "path": "/api/y", "access": "member"}],
                "callers": {"native": {"anyone": "everybody"}, "tableau": {"member": "a member"}}}"#,
        )
        .expect("routes");
        let page = routes_page(&routes);
        assert!(page.contains("| GET | `/v1/x` | everybody |\n"), "{page}");
        assert!(page.contains("| PUT | `/api/y` | a member |\n"), "{page}");
    }
}
