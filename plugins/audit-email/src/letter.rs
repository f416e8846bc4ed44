//! What a mail says: a title, a sentence, facts, advice, in plain text and in HTML. Must never pass on a control character: a
//! text of an event stays on its line and in its place.

use askama::Template;
use patd_sdk::{Event, Failure};
use serde_json::Value;

/// More facts than this say nothing more.
const MAX_ROWS: usize = 30;
/// Characters of one fact.
const MAX_VALUE: usize = 300;

/// A fact.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    label: String,
    value: String,
}

#[derive(Template)]
#[template(path = "mail.txt")]
struct Plain<'a> {
    title: &'a str,
    intro: &'a str,
    rows: &'a [Row],
    advice: &'a str,
    id: &'a str,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    title: &'a str,
    intro: &'a str,
    rows: &'a [Row],
    advice: &'a str,
    id: &'a str,
}

/// A mail's content.
pub(crate) struct Letter {
    pub(crate) title: String,
    pub(crate) plain: String,
    pub(crate) html: String,
}

impl Letter {
    /// Of an event.
    pub(crate) fn about(event: Event<'_>) -> Result<Self, Failure> {
        let kind = event.attribute("type").unwrap_or_default();
        let (title, intro, advice) = words(kind, &event.json["data"]);
        let (rows, id) = (rows(event), one_line(event.id));
        let (title, intro) = (one_line(&title), one_line(&intro));
        let failed = |error: askama::Error| Failure::internal(format!("the mail's template: {error}"));
        let plain = Plain { title: &title, intro: &intro, rows: &rows, advice, id: &id };
        let html = Html { title: &title, intro: &intro, rows: &rows, advice, id: &id };
        let (plain, html) = (plain.render().map_err(failed)?, html.render().map_err(failed)?);
        Ok(Self { title, plain, html })
    }
}

const NOT_YOU: &str = "If you know nothing of it, revoke the token, change your password and tell an administrator of the site.";
const RENEW: &str = "Make a new token and give it to whatever uses this one, before it ends.";

/// Title, sentence and advice.
fn words(kind: &str, data: &Value) -> (String, String, &'static str) {
    let fixed = |title: &str, intro: &str, advice| (title.to_owned(), intro.to_owned(), advice);
    match kind {
        "patd.notice.token_minted" => fixed(
            "A personal access token was made in your name",
            "Whoever holds its secret can sign in as you.",
            NOT_YOU,
        ),
        "patd.notice.token_revoked" => {
            let several = |which| ("Personal access tokens of yours were revoked", which, "them");
            let (title, which, used) = match (data["token_id"].as_str(), data["not_before"].as_str()) {
                (Some(_), _) => ("A personal access token of yours was revoked", "it".to_owned(), "it"),
                (None, None) => several("all that you had at the site".to_owned()),
                (None, Some(time)) => several(format!("all at the site that were minted before {time}")),
            };
            let intro = format!(
                "An administrator has revoked {which}. Whatever used {used} cannot sign in any more."
            );
            (title.to_owned(), intro, "Ask the administrators of the site if you do not know why.")
        }
        "patd.notice.token_leaked" => fixed(
            "A personal access token of yours was found in public",
            "Its secret was reported as leaked, so it was revoked. Whatever used it cannot sign in any more.",
            "Find out where it was published, look at what it was used for, and make a new one.",
        ),
        "patd.notice.new_network" => fixed(
            "A personal access token of yours was used from a new network",
            "It was not used from there before.",
            NOT_YOU,
        ),
        "patd.notice.token_expires" => {
            let when = match data["days"].as_u64() {
                Some(1) => "within a day".to_owned(),
                Some(days) => format!("in {days} days"),
                None => "soon".to_owned(),
            };
            let why = if data["ends"] == "idle" {
                "It has not been used to sign in for long. Signing in with it keeps it alive."
            } else {
                "It has reached its age and cannot be prolonged."
            };
            (format!("A personal access token of yours ends {when}"), why.to_owned(), RENEW)
        }
        other => (
            format!("patd: {other}"),
            "This happened in a site that you administer.".to_owned(),
            "You get this because the operator of patd has mail sent for events of this kind.",
        ),
    }
}

/// The facts: when, by whom, and every member of `data` that is a plain value.
fn rows(event: Event<'_>) -> Vec<Row> {
    let row = |label: &str, value: &str| Row { label: one_line(label), value: one_line(value) };
    let data = &event.json["data"];
    let mut rows = Vec::new();
    for (label, name) in [("Time", "time"), ("Event", "type"), ("Where", "source")] {
        rows.extend(event.attribute(name).map(|value| row(label, value)));
    }
    let by = data["actor"]["username"].as_str().or_else(|| data["actor"]["kind"].as_str());
    rows.extend(by.map(|by| row("By", by)));
    for (name, value) in data.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => continue,
        };
        rows.push(row(&name.replace('_', " "), &text));
    }
    rows.truncate(MAX_ROWS);
    rows
}

/// On one line and of bounded length.
pub(crate) fn one_line(text: &str) -> String {
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    text.chars().map(plain).filter(|c| !is_format(*c)).take(MAX_VALUE).collect()
}

/// Characters that turn the direction of text or part lines, with which a text could pretend to be another.
fn is_format(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn letter(json: &Value) -> Letter {
        Letter::about(Event { id: "the-id", json, recipients: &[] }).expect("a letter")
    }

    #[test]
    fn each_notice_has_a_title_and_its_facts_in_both_parts() {
        for kind in ["token_minted", "token_revoked", "token_leaked", "token_expires", "new_network"] {
            let data = json!({ "token_id": "5", "token_name": "build" });
            let event = json!({ "type": format!("patd.notice.{kind}"), "time": "2026-11-24T08:00:00Z", "data": data });
            let letter = letter(&event);
            assert!(letter.title.contains("personal access token"), "{}", letter.title);
            for part in [&letter.plain, &letter.html] {
                assert!(
                    part.contains("build")
                        && part.contains("2026-11-24T08:00:00Z")
                        && part.contains("the-id"),
                    "{part}"
                );
            }
        }
    }

    #[test]
    fn an_ending_says_when_and_why() {
        let of = |data| letter(&json!({ "type": "patd.notice.token_expires", "data": data }));
        let idle = of(json!({ "ends": "idle", "days": 5 }));
        assert!(
            idle.title.ends_with("in 5 days") && idle.plain.contains("has not been used"),
            "{}",
            idle.plain
        );
        assert!(of(json!({ "ends": "absolute", "days": 1 })).title.ends_with("within a day"));
    }

    #[test]
    fn a_revocation_of_several_tokens_says_which() {
        let of = |data| letter(&json!({ "type": "patd.notice.token_revoked", "data": data }));
        let one = of(json!({ "token_id": "5" }));
        assert!(one.title.ends_with("token of yours was revoked") && one.plain.contains("revoked it."));
        let all = of(json!({}));
        assert!(all.title.contains("tokens") && all.plain.contains("all that you had"), "{}", all.plain);
        let some = of(json!({ "not_before": "2026-11-24T08:00:00Z" }));
        assert!(some.plain.contains("minted before 2026-11-24T08:00:00Z"), "{}", some.plain);
    }

    #[test]
    fn texts_stay_on_their_line_and_markup_stays_text() {
        let event = json!({ "type": "patd.x\r\nBcc: a@b", "data": { "user_agent": "<script>\r\nTime: forged\u{202e}" } });
        let letter = letter(&event);
        assert!(!letter.title.contains(['\r', '\n']));
        assert!(
            !letter.html.contains("<script>") && letter.html.contains("&#60;script&#62;"),
            "{}",
            letter.html
        );
        assert!(!letter.plain.lines().any(|line| line.starts_with("Time: forged")), "{}", letter.plain);
        assert!(!letter.plain.contains('\u{202e}'));
    }

    #[test]
    fn what_is_endless_is_cut() {
        let many: serde_json::Map<String, Value> =
            (0..1000).map(|n| (format!("k{n}"), json!("v".repeat(9000)))).collect();
        let letter = letter(&json!({ "type": "t", "data": many }));
        assert!(letter.plain.len() < 20_000, "{}", letter.plain.len());
    }
}
