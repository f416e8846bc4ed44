//! Which sites, accounts and tokens an environment has. Data only; the bootstrap carries it out.

/// What an environment shall hold.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Whether mails and webhooks go out, to catchers.
    pub(crate) catchers: bool,
    pub(crate) sites: &'static [Site],
    pub(crate) users: &'static [User],
    pub(crate) tokens: &'static [Token],
}

/// A site as the config names it.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) key: &'static str,
    pub(crate) content_url: &'static str,
    pub(crate) name: &'static str,
    /// Further lines of its config section.
    pub(crate) policy: &'static str,
}

/// A person with memberships (site key, role), the first of which sets the password.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) username: &'static str,
    pub(crate) memberships: &'static [(&'static str, &'static str)],
    pub(crate) totp: bool,
}

/// A token that its owner mints.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) owner: &'static str,
    pub(crate) home: &'static str,
    pub(crate) name: &'static str,
}

const ACME: Site = Site { key: "acme", content_url: "Acme", name: "Acme", policy: "switch_site = true\n" };
const GLOBEX: Site =
    Site { key: "globex", content_url: "globex", name: "Globex", policy: "switch_site = true\n" };
/// Its tokens live for seconds, so that the demo can show one expire.
const BRIEF: Site = Site {
    key: "brief",
    content_url: "brief",
    name: "Brief",
    policy: "pat = { enabled = true, max_lifetime = \"4s\" }\n",
};

const ACME_MEMBER: User = User { username: "acme-member", memberships: &[("acme", "Explorer")], totp: false };
const ACME_ADMIN: User =
    User { username: "acme-admin", memberships: &[("acme", "SiteAdministratorCreator")], totp: false };
const GLOBEX_ADMIN: User =
    User { username: "globex-admin", memberships: &[("globex", "SiteAdministratorCreator")], totp: false };
const MFA_MEMBER: User = User { username: "mfa-member", memberships: &[("acme", "Creator")], totp: true };

/// What `env up` makes.
pub(crate) const SAMPLE: Plan = Plan {
    catchers: true,
    sites: &[ACME, GLOBEX],
    users: &[
        User { username: "member", memberships: &[("acme", "Creator"), ("globex", "Viewer")], totp: false },
        ACME_MEMBER,
        ACME_ADMIN,
        GLOBEX_ADMIN,
        MFA_MEMBER,
    ],
    tokens: &[
        Token { owner: "member", home: "acme", name: "sample" },
        Token { owner: "acme-admin", home: "acme", name: "sample" },
    ],
};

/// What the demo makes: a third site, and no tokens, because the story mints them.
pub(crate) const DEMO: Plan = Plan {
    catchers: false,
    sites: &[ACME, GLOBEX, BRIEF],
    users: &[
        User {
            username: "member",
            memberships: &[("acme", "Creator"), ("globex", "Viewer"), ("brief", "Viewer")],
            totp: false,
        },
        ACME_MEMBER,
        ACME_ADMIN,
        GLOBEX_ADMIN,
        MFA_MEMBER,
    ],
    tokens: &[],
};

/// What is measured: the sample without sinks that would be measured along.
pub(crate) const BENCH: Plan = Plan { catchers: false, ..SAMPLE };
