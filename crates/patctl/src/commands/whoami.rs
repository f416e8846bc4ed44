//! `patctl whoami`: who is signed in, where, how and until when.

use super::Context;
use crate::api::Method;
use crate::failure::Failure;
use crate::output::Field;

pub(crate) const EXAMPLES: &str = "Example:\n  patctl whoami --output json";

const FIELDS: &[Field] = &[
    ("user", "/user/username"),
    ("luid", "/user/luid"),
    ("role", "/user/site_role"),
    ("site", "/site/content_url"),
    ("site luid", "/site/luid"),
    ("session", "/session/id"),
    ("kind", "/session/kind"),
    ("until", "/session/expires_at"),
    ("token", "/token/name"),
    ("token id", "/token/id"),
];

pub(crate) fn run(mut context: Context<'_>) -> Result<(), Failure> {
    let current = context.api()?.call(Method::Get, "/v1/sessions/current", None, &[])?;
    Ok(context.output.object(&current, FIELDS)?)
}
