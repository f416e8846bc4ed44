//! `patctl logout`: ends the session and forgets it, even if the server had ended it before.

use serde_json::json;

use super::Context;
use crate::api::Method;
use crate::failure::Failure;

pub(crate) const EXAMPLES: &str = "Example:\n  patctl logout";

pub(crate) fn run(mut context: Context<'_>) -> Result<(), Failure> {
    let ended = match context.api()?.call(Method::Delete, "/v1/sessions/current", None, &[]) {
        Ok(_) => true,
        // Whatever ended it, it is over.
        Err(Failure::Refused(problem)) if problem.status == 401 => false,
        Err(other) => return Err(other),
    };
    context.sessions.forget()?;
    let sentence = if ended { "signed out" } else { "the session had ended before; forgotten" };
    Ok(context.output.changed(sentence, &json!({"signed_out": ended}))?)
}
