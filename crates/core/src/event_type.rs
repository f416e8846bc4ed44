//! The vocabulary of audit events: each type with its severity and its place in OCSF, in one table.
//!
//! A type is never renamed and never gets another meaning: logs outlive releases.

/// How much an event matters; the names and numbers are OCSF's `severity_id`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// For the record.
    Informational = 1,
    /// Ordinary changes.
    Low = 2,
    /// Worth a look.
    Medium = 3,
    /// Somebody should act.
    High = 4,
    /// Somebody should act at once.
    Critical = 5,
}

impl Severity {
    /// From least to most.
    pub const ALL: [Self; 5] = [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The name on the wire and in filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == text)
    }
}

/// An event's classification in the Open Cybersecurity Schema Framework (schema.ocsf.io, 1.3 and later).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ocsf {
    /// The class, e.g. 3002 for Authentication.
    pub class_uid: u32,
    /// What happened, in the class's numbers; 99 for what it has no number for.
    pub activity_id: u32,
    /// `severity_id`.
    pub severity: Severity,
    /// Whether it tells of something that did not succeed (`status_id` 2, otherwise 1).
    pub failure: bool,
}

impl Ocsf {
    /// The category: the class's thousands.
    #[must_use]
    pub const fn category_uid(self) -> u32 {
        self.class_uid / 1000
    }

    /// The class and the activity in one number.
    #[must_use]
    pub const fn type_uid(self) -> u32 {
        self.class_uid * 100 + self.activity_id
    }

    /// The class's name.
    #[must_use]
    pub const fn class_name(self) -> &'static str {
        match self.class_uid {
            DETECTION_FINDING => "Detection Finding",
            ACCOUNT_CHANGE => "Account Change",
            AUTHENTICATION => "Authentication",
            ENTITY_MANAGEMENT => "Entity Management",
            USER_ACCESS_MANAGEMENT => "User Access Management",
            APPLICATION_LIFECYCLE => "Application Lifecycle",
            _ => "Base Event",
        }
    }
}

/// For what is no activity of OCSF's: messages to people, marks in the trail.
const BASE_EVENT: u32 = 0;
/// Something looks like an incident. 1 create.
const DETECTION_FINDING: u32 = 2004;
/// A person's account. 1 create, 2 enable, 3 password change, 5 disable, 10 and 11 second factor on and off.
const ACCOUNT_CHANGE: u32 = 3001;
/// 1 logon, 2 logoff.
const AUTHENTICATION: u32 = 3002;
/// Tokens and sites, which are entities and no accounts. 1 create, 3 update, 4 delete.
const ENTITY_MANAGEMENT: u32 = 3004;
/// What somebody may do at a site. 1 assign privileges, 2 revoke privileges.
const USER_ACCESS_MANAGEMENT: u32 = 3005;
/// Parts of the daemon. 8 update.
const APPLICATION_LIFECYCLE: u32 = 6002;
/// An activity that the class has no number for.
const OTHER: u32 = 99;

macro_rules! event_types {
    ($(#[doc = $when:literal] $variant:ident = $name:literal, $severity:ident, $class:ident $activity:expr;)+) => {
        /// The types of events.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum EventType {
            $(#[doc = $when] $variant,)+
        }

        impl EventType {
            /// Every type.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The CloudEvents type.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// When it is written, for the documentation.
            #[must_use]
            pub fn when(self) -> &'static str {
                match self { $(Self::$variant => $when.trim_ascii(),)+ }
            }

            /// How much it matters.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)+ }
            }

            const fn class_and_activity(self) -> (u32, u32) {
                match self { $(Self::$variant => ($class, $activity),)+ }
            }
        }
    };
}

event_types! {
    /// A token was minted.
    TokenMinted = "patd.token.minted", Low, ENTITY_MANAGEMENT 1;
    /// A token was revoked, or all of a member's; `reason` is `leaked` when its secret was reported.
    TokenRevoked = "patd.token.revoked", Low, ENTITY_MANAGEMENT 4;
    /// A token reached one of its ends; `reason` says which.
    TokenExpired = "patd.token.expired", Informational, ENTITY_MANAGEMENT 4;
    /// Somebody signed in.
    SessionOpened = "patd.session.opened", Informational, AUTHENTICATION 1;
    /// A session gave way to a newer one of its token.
    SessionSuperseded = "patd.session.superseded", Informational, AUTHENTICATION 2;
    /// A session's holder signed out.
    SessionSignedOut = "patd.session.signed_out", Informational, AUTHENTICATION 2;
    /// A session ended otherwise; `reason` says why.
    SessionEnded = "patd.session.ended", Informational, AUTHENTICATION 2;
    /// Sign-ins failed; `count` is how many in one minute with the same account or token, address and reason.
    SigninFailed = "patd.signin.failed", Medium, AUTHENTICATION 1;
    /// A person was invited to a site, or to recover.
    UserInvited = "patd.user.invited", Low, ACCOUNT_CHANGE 1;
    /// A person joined.
    UserJoined = "patd.user.joined", Low, ACCOUNT_CHANGE 2;
    /// A member's role changed.
    UserRoleChanged = "patd.user.role_changed", Medium, USER_ACCESS_MANAGEMENT 1;
    /// A membership, or a person by an operator, was disabled.
    UserDisabled = "patd.user.disabled", Medium, ACCOUNT_CHANGE 5;
    /// A membership, or a person by an operator, was enabled.
    UserEnabled = "patd.user.enabled", Low, ACCOUNT_CHANGE 2;
    /// A member was removed from the site.
    UserRemoved = "patd.user.removed", Medium, USER_ACCESS_MANAGEMENT 2;
    /// A person changed the own name, e-mail address or user name.
    UserProfileChanged = "patd.user.profile_changed", Informational, ACCOUNT_CHANGE OTHER;
    /// A person set a new password.
    UserPasswordChanged = "patd.user.password_changed", Low, ACCOUNT_CHANGE 3;
    /// A person's second factor was confirmed.
    UserTotpEnabled = "patd.user.totp_enabled", Low, ACCOUNT_CHANGE 10;
    /// A person's second factor was removed.
    UserTotpDisabled = "patd.user.totp_disabled", Medium, ACCOUNT_CHANGE 11;
    /// A site was added, or its policy, name or credential changed.
    SitePolicyChanged = "patd.site.policy_changed", Medium, ENTITY_MANAGEMENT 3;
    /// Everything at home in the site that was minted before a time was revoked.
    SiteRevokedBefore = "patd.site.revoked_before", High, ENTITY_MANAGEMENT 4;
    /// A plug-in was replaced.
    PluginReplaced = "patd.plugin.replaced", Medium, APPLICATION_LIFECYCLE 8;
    /// Tells the owner that a token of theirs was minted.
    NoticeTokenMinted = "patd.notice.token_minted", Informational, BASE_EVENT OTHER;
    /// Tells the owner that somebody else revoked a token of theirs, or several at once: no `token_id` then.
    NoticeTokenRevoked = "patd.notice.token_revoked", Low, BASE_EVENT OTHER;
    /// Tells the owner that the secret of a token of theirs was reported as leaked, and that the token is revoked.
    NoticeTokenLeaked = "patd.notice.token_leaked", High, DETECTION_FINDING 1;
    /// Tells the owner that a token of theirs will end: in how many `days`, and which of its two `ends` comes first.
    NoticeTokenExpires = "patd.notice.token_expires", Low, BASE_EVENT OTHER;
    /// Tells the owner that a token of theirs was used from a network for the first time.
    NoticeNewNetwork = "patd.notice.new_network", Medium, DETECTION_FINDING 1;
    /// Tells the site's admins once a week how its tokens stand.
    NoticeInventory = "patd.notice.inventory", Informational, BASE_EVENT OTHER;
    /// Seals all events of its store before it.
    AuditCheckpoint = "patd.audit.checkpoint", Informational, BASE_EVENT OTHER;
}

impl EventType {
    /// Reads the CloudEvents type.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == text)
    }

    /// Its place in OCSF.
    #[must_use]
    pub const fn ocsf(self) -> Ocsf {
        let (class_uid, activity_id) = self.class_and_activity();
        Ocsf {
            class_uid,
            activity_id,
            severity: self.severity(),
            failure: matches!(self, Self::SigninFailed),
        }
    }

    /// Whether it is a message to people, which follows from other events.
    #[must_use]
    pub fn is_notice(self) -> bool {
        self.as_str().starts_with("patd.notice.")
    }

    /// Whether a pattern names it: a type, or the start of some with `*` at the end (`patd.token.*`).
    #[must_use]
    pub fn matches(self, pattern: &str) -> bool {
        match pattern.strip_suffix('*') {
            Some(start) => self.as_str().starts_with(start),
            None => self.as_str() == pattern,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_back_and_has_a_known_class() {
        for kind in EventType::ALL {
            assert_eq!(EventType::parse(kind.as_str()), Some(kind));
            let ocsf = kind.ocsf();
            assert_eq!(ocsf.class_uid == BASE_EVENT, ocsf.class_name() == "Base Event", "{kind:?}");
            assert_eq!(ocsf.type_uid() / 100, ocsf.class_uid);
            assert!(kind.when().ends_with('.'));
        }
    }

    #[test]
    fn no_two_types_have_one_name() {
        for (at, kind) in EventType::ALL.iter().enumerate() {
            assert!(EventType::ALL[..at].iter().all(|other| other.as_str() != kind.as_str()));
        }
    }

    #[test]
    fn a_pattern_is_a_type_or_the_start_of_some() {
        assert!(EventType::TokenMinted.matches("patd.token.minted"));
        assert!(EventType::TokenMinted.matches("patd.token.*"));
        assert!(EventType::TokenMinted.matches("*"));
        assert!(!EventType::TokenMinted.matches("patd.token"));
        assert!(!EventType::NoticeTokenMinted.matches("patd.token.*"));
    }
}
