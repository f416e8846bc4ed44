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
    Ok(vec![
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
