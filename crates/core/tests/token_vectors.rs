//! The published examples of token secrets, good and bad, go through the parser.
#![forbid(unsafe_code)]

use patd_core::token_text::{SCANNER_RULE, TokenText};
use regex::bytes::RegexBuilder;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn vectors() -> serde_json::Value {
    serde_json::from_str(include_str!("fixtures/token-secret.json")).expect("the fixture is JSON")
}

#[test]
fn every_valid_example_reads_as_written_and_writes_as_read() {
    let vectors = vectors();
    let valid = vectors["valid"].as_array().expect("a list");
    assert!(valid.len() >= 20);
    for case in valid {
        let text = case["text"].as_str().expect("a text");
        let token = TokenText::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(u64::from(token.home.0), case["home"].as_u64().expect("a number"), "{text}");
        assert_eq!(token.id.to_string(), case["id"].as_str().expect("a text"), "{text}");
        assert_eq!(hex(token.secret.expose()), case["secret_hex"].as_str().expect("a text"), "{text}");
        assert_eq!(token.render().expose(), text);
    }
}

#[test]
fn every_invalid_example_is_refused() {
    let vectors = vectors();
    let invalid = vectors["invalid"].as_array().expect("a list");
    assert!(invalid.len() >= 20);
    for case in invalid {
        let text = case["text"].as_str().expect("a text");
        assert!(TokenText::parse(text).is_err(), "{}: {text}", case["why"]);
    }
}

#[test]
fn the_published_scanner_rules_find_every_valid_example_wherever_it_stands() {
    let document = include_str!("../../../docs/scanner-rules.md");
    assert_eq!(
        document.matches(SCANNER_RULE).count(),
        2,
        "the document gives the rule as it is and for gitleaks"
    );
    assert!(document.contains(&format!("regex = '''{SCANNER_RULE}'''")), "gitleaks");
    let rule = RegexBuilder::new(SCANNER_RULE).unicode(false).build().expect("an expression");
    for case in vectors()["valid"].as_array().expect("a list") {
        let text = case["text"].as_str().expect("a text");
        for around in ["{}", "token={}\n", "\"{}\"", "https://x.example/?t={}&u=1", "({}),"] {
            let found = around.replace("{}", text);
            let hit = rule.find(found.as_bytes()).unwrap_or_else(|| panic!("not found in {found}"));
            assert_eq!(hit.as_bytes(), text.as_bytes());
        }
        assert!(rule.find(format!("{text}0").as_bytes()).is_none(), "a longer word is another one");
    }
}
