//! `config/patd.toml` is the default, and complete.

use serde::de::{self, Deserialize, Visitor};

use super::parse;
use crate::*;

/// The example with every `#key = …` and `#[table]` switched on.
fn uncommented() -> String {
    let setting = |line: &str| {
        line.strip_prefix('#')
            .is_some_and(|rest| rest.starts_with(|first: char| first == '[' || first.is_ascii_lowercase()))
    };
    EXAMPLE
        .lines()
        .map(|line| if setting(line) { &line[1..] } else { line })
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The names of a struct's fields, as serde knows them.
fn fields_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    struct Asking<'a>(&'a mut &'static [&'static str]);
    impl<'de> de::Deserializer<'de> for Asking<'_> {
        type Error = de::value::Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(de::Error::custom("asked"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(de::Error::custom("no struct"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut fields: &[&str] = &[];
    assert!(T::deserialize(Asking(&mut fields)).is_err());
    assert!(!fields.is_empty(), "a section is a struct");
    fields
}

#[test]
fn the_example_is_the_default() {
    assert_eq!(Config::parse(EXAMPLE, "config/patd.toml").unwrap(), Config::default());
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse("").unwrap(), Config::default());
}

#[test]
fn the_example_mentions_every_field() {
    let example: toml::Table = uncommented().parse().unwrap();
    let at = |path: &[&str]| {
        path.iter().fold(toml::Value::Table(example.clone()), |value, key| {
            value.get(key).unwrap_or_else(|| panic!("the example says nothing of {}", path.join("."))).clone()
        })
    };
    let sections: [(&[&str], &[&str]); 14] = [
        (&[], fields_of::<Config>()),
        (&["server"], fields_of::<Server>()),
        (&["log"], fields_of::<Log>()),
        (&["limits"], fields_of::<Limits>()),
        (&["leaks"], fields_of::<Leaks>()),
        (&["audit"], fields_of::<Audit>()),
        (&["plugins"], fields_of::<Plugins>()),
        (&["hashers", "tokens"], fields_of::<Hasher>()),
        (&["stores", "directory"], fields_of::<Store>()),
        (&["sinks", "file"], fields_of::<Sink>()),
        (&["sinks", "file", "retry"], fields_of::<Retry>()),
        (&["defaults"], fields_of::<Defaults>()),
        (&["sites", "acme"], fields_of::<Site>()),
        (&["sites", "acme", "pat"], fields_of::<Pat>()),
    ];
    for (section, fields) in sections {
        for field in fields {
            at(&[section, &[*field]].concat());
        }
    }
}

#[test]
fn what_the_example_has_commented_out_is_valid_and_says_what_holds_anyway() {
    let config = parse(&uncommented()).unwrap();
    let site = &config.resolved_sites()[0];
    let plain = &parse("[sites.acme]").unwrap().resolved_sites()[0];
    let named =
        ResolvedSite { content_url: plain.content_url.clone(), name: plain.name.clone(), ..site.clone() };
    assert_eq!(&named, plain);
    assert_eq!((&*site.content_url, &*site.name), ("Acme", "Acme Corporation"));
    assert!(config.unpinned().is_empty());
}
