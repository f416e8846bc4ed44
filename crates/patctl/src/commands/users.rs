//! `patctl users`: the members of a site, for its administrators. Nothing here touches a person's password or identity.

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{Context, list};
use crate::api::{Method, segment};
use crate::failure::Failure;
use crate::output::Field;

const COLUMNS: &[Field] = &[
    ("LUID", "/luid"),
    ("ROLE", "/site_role"),
    ("STATE", "/state"),
    ("USERNAME", "/username"),
    ("FULL NAME", "/full_name"),
];

const FIELDS: &[Field] = &[
    ("luid", "/luid"),
    ("username", "/username"),
    ("full name", "/full_name"),
    ("e-mail", "/email"),
    ("role", "/site_role"),
    ("state", "/state"),
];

const INVITED: &[Field] = &[
    ("luid", "/luid"),
    ("username", "/username"),
    ("role", "/site_role"),
    ("state", "/state"),
    ("invitation", "/invitation"),
    ("works until", "/expires_at"),
];

/// What a member may do at the site, by Tableau's names.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum Role {
    SiteAdministratorCreator,
    SiteAdministratorExplorer,
    Creator,
    ExplorerCanPublish,
    Explorer,
    Viewer,
    Unlicensed,
}

impl Role {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the members by name
    #[command(after_help = "Example:\n  patctl users list")]
    List {
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Invite a person; the invitation is shown once, hand it over yourself
    #[command(after_help = "Example:\n  patctl users invite ada --role Creator")]
    Invite {
        /// The user name; nothing tells whether somebody has it already
        #[arg(value_name = "USERNAME")]
        username: String,
        /// The role at this site
        #[arg(long, value_enum, ignore_case = true)]
        role: Role,
    },
    /// Show one member
    #[command(after_help = "Example:\n  patctl users show 0b56cd27-4ac6-4f5f-9c07-1c5ba2d50b3c")]
    Show {
        /// The member
        #[arg(value_name = "LUID")]
        luid: String,
    },
    /// Change a member's role; `Unlicensed` ends their tokens and sessions here
    #[command(after_help = "Example:\n  patctl users set-role 0b56cd27-4ac6-4f5f-9c07-1c5ba2d50b3c Viewer")]
    SetRole {
        /// The member
        #[arg(value_name = "LUID")]
        luid: String,
        /// The new role
        #[arg(value_enum, ignore_case = true)]
        role: Role,
    },
    /// Disable a membership: ends the person's tokens and sessions here, nothing elsewhere
    #[command(after_help = "Example:\n  patctl users disable 0b56cd27-4ac6-4f5f-9c07-1c5ba2d50b3c")]
    Disable {
        /// The member
        #[arg(value_name = "LUID")]
        luid: String,
    },
    /// Enable a membership again; ended tokens stay ended
    #[command(after_help = "Example:\n  patctl users enable 0b56cd27-4ac6-4f5f-9c07-1c5ba2d50b3c")]
    Enable {
        /// The member
        #[arg(value_name = "LUID")]
        luid: String,
    },
    /// Remove a member from the site
    #[command(after_help = "Example:\n  patctl users remove 0b56cd27-4ac6-4f5f-9c07-1c5ba2d50b3c")]
    Remove {
        /// The member
        #[arg(value_name = "LUID")]
        luid: String,
    },
}

pub(crate) fn run(command: Command, mut context: Context<'_>) -> Result<(), Failure> {
    let (api, site) = context.site_api()?;
    let member = |luid: &str| format!("{site}/users/{}", segment(luid));
    let patch = |luid: &str, change: Value| -> Result<Value, Failure> {
        let answer = api.call(Method::Patch, &member(luid), Some(change.clone()), &[])?;
        Ok(if answer.is_null() { json!({"luid": luid, "changed": change}) } else { answer })
    };
    match command {
        Command::List { limit } => {
            let page = list(&api, &format!("{site}/users"), &[], limit)?;
            context.output.list(&page, COLUMNS)?;
        }
        Command::Invite { username, role } => {
            let body = json!({"username": username, "site_role": role.name()});
            let invited = api.call(Method::Post, &format!("{site}/users"), Some(body), &[])?;
            context.output.object(&invited, INVITED)?;
            context.output.note("the invitation is never shown again; hand it to the person only")?;
        }
        Command::Show { luid } => {
            let user = api.call(Method::Get, &member(&luid), None, &[])?;
            context.output.object(&user, FIELDS)?;
        }
        Command::SetRole { luid, role } => {
            let done = patch(&luid, json!({"site_role": role.name()}))?;
            context.output.changed(&format!("{luid} is {} now", role.name()), &done)?;
        }
        Command::Disable { luid } => {
            let done = patch(&luid, json!({"disabled": true}))?;
            context.output.changed(&format!("disabled {luid} at this site"), &done)?;
        }
        Command::Enable { luid } => {
            let done = patch(&luid, json!({"disabled": false}))?;
            context.output.changed(&format!("enabled {luid} at this site"), &done)?;
        }
        Command::Remove { luid } => {
            api.call(Method::Delete, &member(&luid), None, &[])?;
            context.output.changed(&format!("removed {luid} from this site"), &json!({"removed": luid}))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_spelled_as_tableau_spells_them() {
        let names: Vec<_> = Role::value_variants().iter().map(|role| role.name()).collect();
        let expected = [
            "SiteAdministratorCreator",
            "SiteAdministratorExplorer",
            "Creator",
            "ExplorerCanPublish",
            "Explorer",
            "Viewer",
            "Unlicensed",
        ];
        assert_eq!(names, expected);
    }
}
