//! From the configured path and an event's source to a file. Must never let text of an event choose a path: only a UUID in
//! its plain spelling takes the place of `{site}`.

use std::path::PathBuf;

use patd_sdk::Failure;

/// Replaced by the site's LUID, or by [`DIRECTORY`].
const SITE: &str = "{site}";
/// Stands for events that belong to no site.
pub(crate) const DIRECTORY: &str = "directory";

/// The configured path.
#[derive(Debug, Clone)]
pub(crate) struct Template(String);

impl Template {
    /// Checks a configured path.
    pub(crate) fn new(text: String) -> Result<Self, Failure> {
        if !text.starts_with('/') {
            return Err(Failure::invalid(format!("config: path is {text:?}, it must be absolute")));
        }
        if text.split('/').any(|part| part == "..") {
            return Err(Failure::invalid(format!("config: path {text:?} must not hold `..`")));
        }
        if text.ends_with('/') || text.contains('\0') {
            return Err(Failure::invalid(format!("config: path {text:?} does not name a file")));
        }
        let rest = text.replace(SITE, "");
        if rest.contains(['{', '}']) {
            return Err(Failure::invalid(format!(
                "config: path {text:?} holds an unknown placeholder, only {{site}} is known"
            )));
        }
        Ok(Self(text))
    }

    /// The file for events of this source.
    pub(crate) fn file(&self, source: Option<&str>) -> PathBuf {
        PathBuf::from(self.0.replace(SITE, site(source)))
    }

    /// The folder of all files, and the text before and after `{site}` in a file's name; `None` when the placeholder
    /// stands in a folder's name.
    pub(crate) fn family(&self) -> Option<(PathBuf, &str, &str)> {
        let (folder, name) = self.0.rsplit_once('/')?;
        if folder.contains(SITE) {
            return None;
        }
        let folder = PathBuf::from(if folder.is_empty() { "/" } else { folder });
        let (before, after) = name.split_once(SITE).unwrap_or((name, ""));
        Some((folder, before, after))
    }
}

/// The site's LUID of `/sites/<luid>`, else [`DIRECTORY`].
fn site(source: Option<&str>) -> &str {
    source.and_then(|source| source.strip_prefix("/sites/")).filter(|luid| is_luid(luid)).unwrap_or(DIRECTORY)
}

/// A UUID with hyphens, lower-case.
fn is_luid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LUID: &str = "018f2f7e-9d2a-7c3b-8a4e-0123456789ab";

    #[test]
    fn only_a_plain_uuid_takes_the_place_of_site() {
        let template = Template::new("/a/{site}.jsonl".into()).expect("valid");
        let file = |source: &str| template.file(Some(source)).display().to_string();
        assert_eq!(file(&format!("/sites/{LUID}")), format!("/a/{LUID}.jsonl"));
        for source in ["/sites/../../etc/passwd", "/sites/", "/directory", "", &format!("/sites/{LUID}/x")] {
            assert_eq!(file(source), "/a/directory.jsonl", "{source}");
        }
        assert_eq!(template.file(None), PathBuf::from("/a/directory.jsonl"));
    }

    #[test]
    fn relative_climbing_and_unknown_placeholders_are_refused() {
        for path in ["audit.jsonl", "/a/../b", "/a/", "/{data_dir}/x", "", "/a/{Site}"] {
            assert!(Template::new(path.into()).is_err(), "{path}");
        }
    }
}
