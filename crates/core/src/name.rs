//! Names that people choose, with their rules: user names, content URLs, token names, roles.

use std::fmt;

/// A name was refused: says which rule it broke, never the name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadName {
    /// Not a user name.
    #[error("a username is 1 to 128 printable ASCII characters without blanks")]
    Username,
    /// Not a content URL.
    #[error("a content URL is 1 to 64 characters of A-Z, a-z, 0-9, `_` and `-`")]
    ContentUrl,
    /// Not a token name.
    #[error("a token name is 1 to 200 characters, none of them a control character")]
    TokenName,
}

/// A user name: printable ASCII without blanks, compared without case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Username(String);

impl Username {
    /// Checks and keeps the spelling.
    ///
    /// # Errors
    /// [`BadName::Username`] when the text breaks the rule.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let ok = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if ok { Ok(Self(text.to_owned())) } else { Err(BadName::Username) }
    }

    /// As the person spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The spelling that is compared and unique.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// A site's content URL, matched without case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContentUrl(String);

impl ContentUrl {
    /// Checks and keeps the canonical spelling.
    ///
    /// # Errors
    /// [`BadName::ContentUrl`] when the text breaks the rule.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let ok = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if ok { Ok(Self(text.to_owned())) } else { Err(BadName::ContentUrl) }
    }

    /// The canonical spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The spelling that is compared and unique.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// A token's name: unique among its owner's live tokens at one site, compared exactly.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TokenName(String);

impl TokenName {
    /// Checks the text.
    ///
    /// # Errors
    /// [`BadName::TokenName`] when the text breaks the rule.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let ok = (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if ok { Ok(Self(text.to_owned())) } else { Err(BadName::TokenName) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a member may do in one site, in Tableau's words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SiteRole {
    /// Site admin with a Creator licence.
    SiteAdministratorCreator,
    /// Site admin with an Explorer licence.
    SiteAdministratorExplorer,
    /// Creator.
    Creator,
    /// Explorer that can publish.
    ExplorerCanPublish,
    /// Explorer.
    Explorer,
    /// Viewer.
    Viewer,
    /// Member without a licence: cannot sign in.
    Unlicensed,
}

impl SiteRole {
    /// Every role, strongest first.
    pub const ALL: [Self; 7] = [
        Self::SiteAdministratorCreator,
        Self::SiteAdministratorExplorer,
        Self::Creator,
        Self::ExplorerCanPublish,
        Self::Explorer,
        Self::Viewer,
        Self::Unlicensed,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SiteAdministratorCreator => "SiteAdministratorCreator",
            Self::SiteAdministratorExplorer => "SiteAdministratorExplorer",
            Self::Creator => "Creator",
            Self::ExplorerCanPublish => "ExplorerCanPublish",
            Self::Explorer => "Explorer",
            Self::Viewer => "Viewer",
            Self::Unlicensed => "Unlicensed",
        }
    }

    /// Reads the exact name on the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether this is a site admin.
    #[must_use]
    pub const fn is_admin(self) -> bool {
        matches!(self, Self::SiteAdministratorCreator | Self::SiteAdministratorExplorer)
    }
}

impl fmt::Display for SiteRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
