//! The command line of the kit and what it does: prepare, ask, run case by case, report. The hidden arguments are how the
//! kit runs a case in a child process; nobody else may rely on them.

use std::cell::OnceCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use patd_plugin_host::Kind;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::case::{Case, cases};
use crate::child::{self, Identity};
use crate::report::{CaseReport, Outcome, PluginReport, Report};
use crate::subject::Subject;
use crate::{print, suite};

/// How the report is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A line per case.
    Text,
    /// One JSON value.
    Json,
}

/// Why nothing could be examined.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The command line, or the configuration that it names.
    #[error("{0}")]
    Usage(String),
}

/// `plugin check`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The plug-in file.
    file: PathBuf,
    /// Show failed and crashed cases only.
    #[arg(long)]
    only_failed: bool,
    /// Run all cases in this process, for a debugger; the first crash ends everything.
    #[arg(long)]
    in_process: bool,
    /// Run the cases whose name this regular expression finds.
    #[arg(long, value_name = "REGEX")]
    include: Option<regex::Regex>,
    /// Examine this kind only, of a plug-in that offers several.
    #[arg(long, value_name = "KIND", value_parser = ["hasher", "store", "audit"])]
    kind: Option<String>,
    /// How long one answer of the plug-in may take.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 5000)]
    patience: u64,
    #[arg(long, hide = true)]
    case: Option<String>,
    #[arg(long, hide = true)]
    copy: Option<PathBuf>,
    #[arg(long, hide = true)]
    scratch: Option<PathBuf>,
    #[arg(long, hide = true)]
    result: Option<PathBuf>,
}

/// What a run works with.
struct Prepared {
    file: PathBuf,
    copy: PathBuf,
    sha256: String,
    folder: tempfile::TempDir,
    config: Option<Value>,
}

impl Arguments {
    /// Examines the plug-in and prints the report; true when nothing failed or crashed. `config` is a file with the plug-in's
    /// own configuration, TOML or JSON; `prefix` is what leads to these arguments on the own command line.
    ///
    /// # Errors
    /// [`Error`] when there is nothing to examine.
    pub fn run(
        &self,
        config: Option<&Path>,
        format: Format,
        prefix: &'static [&'static str],
    ) -> Result<bool, Error> {
        if let (Some(case), Some(copy), Some(scratch)) = (&self.case, &self.copy, &self.scratch) {
            let subject = self.subject(config, prefix, copy, scratch)?;
            return child::serve(&subject, case, self.result.as_deref());
        }
        let report = self.examine(config, prefix, &mut |done| {
            if format == Format::Text && (!self.only_failed || done.outcome.is_bad()) {
                print::case(done);
            }
        })?;
        match format {
            Format::Text => print::summary(&report),
            Format::Json => print::json(&report),
        }
        Ok(report.is_good())
    }

    fn examine(
        &self,
        config: Option<&Path>,
        prefix: &'static [&'static str],
        show: &mut dyn FnMut(&CaseReport),
    ) -> Result<Report, Error> {
        let prepared = prepare(&self.file, config)?;
        let identity = self.identify(&prepared, config, prefix);
        if let Some(kind) = &self.kind
            && !identity.kinds.is_empty()
            && !identity.kinds.contains(kind)
        {
            let is = identity.kinds.join(", ");
            return Err(Error::Usage(format!("--kind: {} is no {kind}; it offers: {is}", identity.id)));
        }
        let mut report = Report {
            plugin: PluginReport {
                id: identity.id.clone(),
                version: identity.version.clone(),
                kind: identity.kinds.join("+"),
                sha256: prepared.sha256.clone(),
            },
            ..Report::default()
        };
        let kinds: Vec<Kind> = [Kind::Hasher, Kind::Store, Kind::Audit]
            .into_iter()
            .filter(|kind| identity.kinds.iter().any(|known| known == kind.name()))
            .filter(|kind| self.kind.as_deref().is_none_or(|wanted| wanted == kind.name()))
            .collect();
        let wanted = |case: &&Case| self.include.as_ref().is_none_or(|include| include.is_match(case.name));
        let mut plan: Vec<(&Case, Option<Kind>)> = Vec::new();
        for case in cases().filter(wanted) {
            if case.is_once() {
                plan.push((case, None));
            }
            plan.extend(
                kinds.iter().filter(|kind| case.kinds.contains(kind)).map(|kind| (case, Some(*kind))),
            );
        }
        if plan.is_empty() {
            let none = "--include: no case of such a plug-in has a name that this finds; without it all are run and named";
            return Err(Error::Usage(none.to_owned()));
        }
        let total = plan.len();
        for (number, (case, kind)) in plan.into_iter().enumerate() {
            print::progress(number + 1, total, case.name);
            let name = match kind {
                Some(kind) if kinds.len() > 1 => format!("{} ({})", case.name, kind.name()),
                _ => case.name.to_owned(),
            };
            let done = self.one(&prepared, config, prefix, (case, kind.or(kinds.first().copied())), name);
            print::progress_end();
            report.summary.count(done.outcome);
            show(&done);
            if !self.only_failed || done.outcome.is_bad() {
                report.cases.push(done);
            }
        }
        Ok(report)
    }

    /// Which kinds it offers and how it names itself; asked in a child, as it means loading.
    fn identify(
        &self,
        prepared: &Prepared,
        config: Option<&Path>,
        prefix: &'static [&'static str],
    ) -> Identity {
        let case = Case::once(suite::IDENTIFY, "", suite::identify);
        let done = self.one(prepared, config, prefix, (&case, None), String::new());
        serde_json::from_str(&done.detail).unwrap_or_default()
    }

    fn one(
        &self,
        prepared: &Prepared,
        config: Option<&Path>,
        prefix: &'static [&'static str],
        (case, kind): (&Case, Option<Kind>),
        name: String,
    ) -> CaseReport {
        let scratch = prepared.folder.path().join(format!("{}-{}", case.name, kind.map_or("", Kind::name)));
        #[expect(clippy::disallowed_methods, reason = "a measured duration")]
        let begin = Instant::now();
        let (outcome, detail) = match fs::create_dir_all(&scratch) {
            Err(error) => (Outcome::Failed, format!("no scratch folder: {error}")),
            Ok(()) if self.in_process => {
                let subject = Subject {
                    config: prepared.config.clone(),
                    ..self.bare(prefix, config, &prepared.file, &prepared.copy, &scratch, kind)
                };
                child::guarded(case, &subject)
            }
            Ok(()) => {
                let kind = kind.map(Kind::name);
                let command = command(prefix, &self.launch(prepared, config, &scratch, kind), case.name);
                child::run(command, &scratch, Duration::from_secs(case.seconds))
            }
        };
        let ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        CaseReport { name, outcome, detail, ms }
    }

    fn launch(
        &self,
        prepared: &Prepared,
        config: Option<&Path>,
        scratch: &Path,
        kind: Option<&str>,
    ) -> Launch {
        Launch {
            file: prepared.file.clone(),
            copy: prepared.copy.clone(),
            scratch: scratch.to_owned(),
            config: config.map(Path::to_owned),
            kind: kind.map(str::to_owned),
            patience: self.patience,
        }
    }

    /// The subject in a child.
    fn subject(
        &self,
        config: Option<&Path>,
        prefix: &'static [&'static str],
        copy: &Path,
        scratch: &Path,
    ) -> Result<Subject, Error> {
        let kind = self.kind.as_deref().and_then(kind_named);
        let read = config.map(read_config).transpose()?;
        Ok(Subject { config: read, ..self.bare(prefix, config, &self.file, copy, scratch, kind) })
    }

    fn bare(
        &self,
        prefix: &'static [&'static str],
        config: Option<&Path>,
        file: &Path,
        copy: &Path,
        scratch: &Path,
        kind: Option<Kind>,
    ) -> Subject {
        let launch = Launch {
            file: file.to_owned(),
            copy: copy.to_owned(),
            scratch: scratch.to_owned(),
            config: config.map(Path::to_owned),
            kind: kind.map(|kind| kind.name().to_owned()),
            patience: self.patience,
        };
        Subject {
            file: file.to_owned(),
            copy: copy.to_owned(),
            kind: kind.unwrap_or(Kind::Hasher),
            config: None,
            scratch: scratch.to_owned(),
            patience: Duration::from_millis(self.patience),
            relaunch: Box::new(move |case| command(prefix, &launch, case)),
            library: OnceCell::new(),
        }
    }
}

/// What a child is told.
struct Launch {
    file: PathBuf,
    copy: PathBuf,
    scratch: PathBuf,
    config: Option<PathBuf>,
    kind: Option<String>,
    patience: u64,
}

fn command(prefix: &[&str], launch: &Launch, case: &str) -> Command {
    let own = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
    let mut command = Command::new(own);
    command.args(prefix).arg(&launch.file).args(["--case", case, "--in-process"]);
    command.arg("--copy").arg(&launch.copy).arg("--scratch").arg(&launch.scratch);
    command.arg("--patience").arg(launch.patience.to_string());
    if let Some(kind) = &launch.kind {
        command.args(["--kind", kind]);
    }
    if let Some(config) = &launch.config {
        command.arg("--config").arg(config);
    }
    command
}

fn kind_named(name: &str) -> Option<Kind> {
    [Kind::Hasher, Kind::Store, Kind::Audit].into_iter().find(|kind| kind.name() == name)
}

fn prepare(file: &Path, config: Option<&Path>) -> Result<Prepared, Error> {
    let io = |what, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { what, path, source }
    };
    let config = config.map(read_config).transpose()?;
    let file = std::path::absolute(file).map_err(io("find", file))?;
    let bytes = fs::read(&file).map_err(io("read", &file))?;
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let temporary = std::env::temp_dir();
    let folder = tempfile::Builder::new()
        .prefix("patd-check-")
        .tempdir()
        .map_err(io("make a folder in", &temporary))?;
    // The loader takes one name for one content, so the copy is named by its digest.
    let copy = folder.path().join(format!("{sha256}.so"));
    fs::write(&copy, &bytes).map_err(io("write", &copy))?;
    fs::set_permissions(&copy, PermissionsExt::from_mode(0o500)).map_err(io("set the mode of", &copy))?;
    Ok(Prepared { file, copy, sha256, folder, config })
}

/// A plug-in's own table: JSON, or TOML.
fn read_config(path: &Path) -> Result<Value, Error> {
    let text = fs::read_to_string(path).map_err(|source| Error::Io {
        what: "read",
        path: path.to_owned(),
        source,
    })?;
    let usage =
        |error: String| Error::Usage(format!("{} is no configuration table: {error}", path.display()));
    let value: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|error| usage(error.to_string()))?
    } else {
        toml::from_str(&text).map_err(|error| usage(error.to_string()))?
    };
    if value.is_object() { Ok(value) } else { Err(usage("it is not a table".into())) }
}
