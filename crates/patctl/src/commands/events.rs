//! `patctl events`: the site's audit events for its administrators, as a list or as they happen.

use std::io::BufRead;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::{Context, list};
use crate::failure::Failure;
use crate::output::Field;
use crate::problem::Problem;

const EXAMPLES: &str = "Examples:\n  patctl events --limit 20\n  patctl events --type 'patd.token.*' --since 2026-01-01T00:00:00Z\n  \
                        patctl events --severity high --output json\n  patctl events --follow --type patd.session.superseded";

const COLUMNS: &[Field] = &[
    ("TIME", "/time"),
    ("TYPE", "/type"),
    ("BY", "/data/actor/username"),
    ("ADDRESS", "/data/address"),
    ("TOKEN", "/data/token_id"),
    ("REASON", "/data/reason"),
    ("SUBJECT", "/subject"),
];

/// How long to wait before a stream that broke off is opened again.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only this type, or all that begin so: 'patd.token.*'; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only what concerns this person (LUID)
    #[arg(long, value_name = "LUID")]
    user: Option<String>,
    /// Only what concerns this token (id)
    #[arg(long, value_name = "ID")]
    token_id: Option<String>,
    /// Only what concerns this session (id)
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// Only at this time or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only of this severity or a higher one: informational, low, medium, high, critical
    #[arg(long, value_name = "SEVERITY")]
    severity: Option<String>,
    /// Show events as they happen, from now on, until interrupted; with `--output json` one object per line
    #[arg(long, conflicts_with = "limit")]
    follow: bool,
    /// With --follow: begin after the event with this id
    #[arg(long, value_name = "ID", requires = "follow")]
    after: Option<String>,
}

impl Options {
    fn query(&self) -> Vec<(&'static str, String)> {
        let one = [
            ("user", &self.user),
            ("token", &self.token_id),
            ("session", &self.session_id),
            ("since", &self.since),
            ("until", &self.until),
            ("severity", &self.severity),
        ];
        let types = self.types.iter().map(|kind| ("type", kind.clone()));
        types.chain(one.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)))).collect()
    }
}

pub(crate) fn run(options: &Options, mut context: Context<'_>) -> Result<(), Failure> {
    if options.follow {
        return follow(options, context);
    }
    let (api, site) = context.site_api()?;
    let page = list(&api, &format!("{site}/events"), &options.query(), options.limit)?;
    Ok(context.output.list(&page, COLUMNS)?)
}

/// What a stream said last.
enum Ending {
    /// It broke off, or the daemon stops: it may be opened again.
    BrokeOff,
    /// The server refuses to go on.
    Refused(Failure),
}

fn follow(options: &Options, mut context: Context<'_>) -> Result<(), Failure> {
    let (api, site) = context.site_api()?;
    let (path, query) = (format!("{site}/events"), options.query());
    let mut last = options.after.clone();
    let mut stream = api.stream(&path, &query, last.as_deref())?;
    loop {
        if let Ending::Refused(failure) = read(&mut stream, &mut context, &mut last)? {
            return Err(failure);
        }
        context.output.note("the stream broke off; opening it again")?;
        stream = loop {
            pause();
            match api.stream(&path, &query, last.as_deref()) {
                Ok(stream) => break stream,
                Err(Failure::Unreachable { .. }) => {}
                Err(other) => return Err(other),
            }
        };
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing else runs in this program, and the server gives no sign to wait for"
)]
fn pause() {
    std::thread::sleep(AGAIN);
}

/// Shows events to the stream's end.
fn read(
    stream: &mut dyn BufRead,
    context: &mut Context<'_>,
    last: &mut Option<String>,
) -> Result<Ending, Failure> {
    let (mut line, mut id, mut kind, mut data) = (String::new(), None, String::new(), String::new());
    loop {
        line.clear();
        match stream.read_line(&mut line) {
            Ok(0) | Err(_) => return Ok(Ending::BrokeOff),
            Ok(_) => {}
        }
        match line
            .trim_end_matches(['\r', '\n'])
            .split_once(':')
            .map(|(name, value)| (name, value.trim_start()))
        {
            Some(("id", value)) => id = Some(value.to_owned()),
            Some(("event", value)) => value.clone_into(&mut kind),
            Some(("data", value)) => data.push_str(value),
            Some(_) => {}
            None if data.is_empty() => {}
            None => {
                if kind == "end" {
                    return Ok(ending(&data));
                }
                let event: Value = serde_json::from_str(&data).unwrap_or(Value::Null);
                context.output.row(&event, COLUMNS)?;
                *last = id.take().or_else(|| last.take());
                data.clear();
                kind.clear();
            }
        }
    }
}

fn ending(data: &str) -> Ending {
    let document: Value = serde_json::from_str(data).unwrap_or(Value::Null);
    let status = document["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(503);
    match Problem::read(status, data) {
        Some(problem) if status != 503 => Ending::Refused(Failure::Refused(Box::new(problem))),
        _ => Ending::BrokeOff,
    }
}
