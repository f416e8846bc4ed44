//! The command line as a whole: what is common to all commands, and their list.

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{
    completions, events, invitation, login, logout, password, profile, revocations, tokens, totp, users,
    whoami,
};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the server refused (its reason is on standard error)
  2  wrong usage
  3  the server cannot be reached, or something else than patd answered
  4  trouble with a local file: no session kept, or a file that cannot be read or written

Examples:
  patctl login --server https://pat.example.com --site acme --username ada
  patctl tokens create nightly-build --lifetime-days 90
  patctl tokens list --output json";

/// Personal access tokens of a patd site: mint, list and revoke them; invite people; read the audit events.
#[derive(Debug, Parser)]
#[command(name = "patctl", version, after_help = EXIT_CODES, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The daemon, like https://pat.example.com; by default the one that you are signed in at
    #[arg(long, global = true, env = "PATCTL_SERVER", value_name = "URL", value_parser = server_url)]
    pub(crate) server: Option<String>,
    /// The site's content URL or LUID; by default the one that you are signed in at
    #[arg(long, global = true, env = "PATCTL_SITE", value_name = "SITE")]
    pub(crate) site: Option<String>,
    /// How results (and, with json, errors) are written
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub(crate) output: Format,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// JSON, as the server gave it
    Json,
    /// For people
    Text,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in and keep the session
    Login(login::Options),
    /// Sign out and forget the session
    #[command(after_help = logout::EXAMPLES)]
    Logout,
    /// Show who is signed in, where and until when
    #[command(after_help = whoami::EXAMPLES)]
    Whoami,
    /// Mint, list and revoke tokens
    #[command(subcommand)]
    Tokens(tokens::Command),
    /// Invite and manage members (site administrators)
    #[command(subcommand)]
    Users(users::Command),
    /// Take up an invitation
    #[command(subcommand)]
    Invitation(invitation::Command),
    /// End everything minted before a time (site administrators)
    Revocations(revocations::Options),
    /// Change your own name, e-mail address or user name
    Profile(profile::Options),
    /// Change your own password
    Password(password::Options),
    /// Turn one-time codes on or off for your own account
    #[command(subcommand)]
    Totp(totp::Command),
    /// Show the site's audit events, newest first (site administrators)
    Events(events::Options),
    /// Print a completion script for a shell
    Completions(completions::Options),
}

/// Checks the form of a server's address and takes a final slash off.
fn server_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = rest.ok_or("must begin with https:// or http://")?;
    let host = rest.split('/').next().unwrap_or_default();
    if host.is_empty()
        || rest.contains(['?', '#', '@'])
        || rest.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        return Err("must be https://HOST[:PORT][/PATH], without user, query or fragment".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        fn walk(command: &clap::Command, path: &str) {
            let own: Vec<_> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
            if own.is_empty() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("patctl "), "`{path}` has no example");
            }
            for sub in own {
                walk(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        walk(&Cli::command(), "patctl");
    }

    #[test]
    fn every_example_parses() {
        fn walk(command: &clap::Command, examples: &mut Vec<String>) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            examples.extend(
                help.lines().map(str::trim).filter(|line| line.starts_with("patctl ")).map(str::to_owned),
            );
            command.get_subcommands().for_each(|sub| walk(sub, examples));
        }
        let mut examples = Vec::new();
        walk(&Cli::command(), &mut examples);
        assert!(examples.len() > 15);
        for example in examples {
            let words = example.split(['<', '>', '|', '#']).next().unwrap_or_default().split_whitespace();
            let parsed = Cli::try_parse_from(words);
            assert!(parsed.is_ok(), "{example}: {}", parsed.err().map(|e| e.to_string()).unwrap_or_default());
        }
    }

    #[test]
    fn no_option_takes_a_secret_as_its_value() {
        fn walk(command: &clap::Command) {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                let secret = ["password", "totp", "token", "invitation", "code"]
                    .iter()
                    .any(|word| name.contains(word));
                let indirect = ["_stdin", "_file", "_name", "_id"].iter().any(|end| name.ends_with(end));
                assert!(!secret || indirect, "{}: {name}", command.get_name());
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }

    #[test]
    fn server_addresses_are_checked_and_lose_their_last_slash() {
        assert_eq!(server_url("https://x:8420/base/").as_deref(), Ok("https://x:8420/base"));
        for bad in ["x", "ftp://x", "https://", "https://u:p@x", "https://x?y", "http://a b"] {
            assert!(server_url(bad).is_err(), "{bad}");
        }
    }
}
