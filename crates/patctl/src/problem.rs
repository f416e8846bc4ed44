//! The server's refusals (RFC 9457) and what a person can do about each.

use serde::Deserialize;
use serde_json::Value;

/// The beginning of every problem type of patd.
const TYPE_PREFIX: &str = "urn:patd:problem:";

/// A problem document. Members that this program does not know are kept for `--output json`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    /// Without the prefix: `session-superseded`.
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) detail: Option<String>,
    /// The request's id, for the operator.
    pub(crate) instance: Option<String>,
    pub(crate) ended_at: Option<String>,
    pub(crate) successor: Option<String>,
    /// The whole document.
    pub(crate) document: Value,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "type")]
    kind: String,
    title: Option<String>,
    detail: Option<String>,
    instance: Option<String>,
    ended_at: Option<String>,
    successor: Option<String>,
}

impl Problem {
    /// Reads the answer of `status`; `None` if it is no problem document.
    pub(crate) fn read(status: u16, body: &str) -> Option<Self> {
        let document: Value = serde_json::from_str(body).ok()?;
        let wire = Wire::deserialize(&document).ok()?;
        let name = wire.kind.strip_prefix(TYPE_PREFIX).unwrap_or(&wire.kind).to_owned();
        Some(Self {
            status,
            title: wire.title.unwrap_or_else(|| name.replace('-', " ")),
            name,
            detail: wire.detail,
            instance: wire.instance,
            ended_at: wire.ended_at,
            successor: wire.successor,
            document,
        })
    }

    /// What to do, where a person can do something.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        Some(match (self.name.as_str(), self.status) {
            ("credentials-required", _) => "sign in: `patctl login`",
            ("credentials-rejected", _) => {
                "check the site, the user name and the password or token, and that you are a member of the site"
            }
            ("session-superseded", _) => {
                "the token signed in somewhere else; sign in again, and give each job a token of its own"
            }
            ("session-signed-out" | "session-expired" | "session-revoked", _) => {
                "sign in again: `patctl login`"
            }
            ("token-expired-idle" | "token-expired-absolute" | "token-revoked", _) => {
                "mint a new token: `patctl login`, then `patctl tokens create NAME`"
            }
            ("totp-required", _) => {
                "give the code of your authenticator: on the terminal when asked, or with --totp-stdin"
            }
            ("password-not-allowed-with-mfa", _) => {
                "sign in with a token (--token-stdin), or with the one-time code"
            }
            ("interactive-required", _) => {
                "only a person may do this: sign in with user name and password, `patctl login --username NAME`"
            }
            ("current-password-wrong", _) => "nothing was changed; try again with the right current password",
            ("mint-frozen", _) => {
                "the site takes no new tokens for now; existing ones go on working. Ask its administrators"
            }
            ("foreign-token-refused", _) => "the site accepts its own tokens only: mint one there",
            ("not-permitted", _) => {
                "your role at this site does not allow it; ask an administrator of the site"
            }
            ("token-name-taken", _) => "choose another name, or revoke the token that has it",
            ("token-limit-reached", _) => {
                "revoke a token that is not needed any more: `patctl tokens list`, `patctl tokens revoke ID`"
            }
            (_, 404) => "check the site and the id; what belongs to another site does not show",
            (_, 429) => "wait, then try again",
            (_, 500..) => "try again; if it stays so, give the request id to the operator",
            _ => return None,
        })
    }

    /// Puts `replace` over every text that is shown.
    pub(crate) fn map_texts(&mut self, replace: &dyn Fn(&str) -> String) {
        let options = [&mut self.detail, &mut self.instance, &mut self.ended_at, &mut self.successor];
        options
            .into_iter()
            .flatten()
            .chain([&mut self.name, &mut self.title])
            .for_each(|text| *text = replace(text));
        map_value(&mut self.document, replace);
    }
}

fn map_value(value: &mut Value, replace: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = replace(text),
        Value::Array(items) => items.iter_mut().for_each(|item| map_value(item, replace)),
        Value::Object(members) => members.values_mut().for_each(|member| map_value(member, replace)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_read_with_its_extensions() {
        let body = r#"{"type":"urn:patd:problem:session-superseded","title":"Session superseded","status":401,
            "detail":"Signed in again.","instance":"req-1","ended_at":"2026-01-02T03:04:05Z","successor":"s-2","more":1}"#;
        let problem = Problem::read(401, body).expect("a problem");
        assert_eq!((&*problem.name, &*problem.title), ("session-superseded", "Session superseded"));
        assert_eq!(problem.ended_at.as_deref(), Some("2026-01-02T03:04:05Z"));
        assert_eq!(problem.document["more"], 1);
        assert!(problem.advice().is_some_and(|advice| advice.contains("sign in again")));
    }

    #[test]
    fn what_is_no_problem_is_not_taken_for_one() {
        for body in ["", "<html>", "[]", "{}", r#"{"type":5}"#] {
            assert_eq!(Problem::read(404, body), None, "{body}");
        }
    }

    #[test]
    fn an_unknown_problem_still_has_a_title() {
        let problem = Problem::read(409, r#"{"type":"urn:patd:problem:moon-full"}"#).expect("a problem");
        assert_eq!((&*problem.title, problem.advice()), ("moon full", None));
    }
}
