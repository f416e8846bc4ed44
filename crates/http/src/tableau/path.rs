//! Paths: which call a method and path mean.
//!
//! The routes are one table, which the dispatcher and the authorization test read alike. Fixed words match in any
//! case (clients write `serverInfo` and `serverinfo`), every version from 2.0 to the advertised one is taken on every
//! path, and segments are decoded after they are split, so an encoded slash never makes a new segment.

use http::Method;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::error::Failure;

/// The version that server info advertises, and the newest that paths may name.
pub(crate) const NEWEST: (u16, u16) = (3, 27);
const OLDEST: (u16, u16) = (2, 0);

/// Who may call. All but `Anyone` need a live `token` or `password` session; paths below `sites/{site}` need one that
/// is open at that site.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Anyone, signed in or not; a dead credential is ignored.
    Anyone,
    /// Any such session.
    Session,
    /// Such a session at the site in the path.
    Member,
    /// An admin of the site in the path.
    SiteAdmin,
    /// An admin of the site in the path, or the member that the path names.
    SiteAdminOrSelf,
    /// Nobody: the call exists to be refused with its own code.
    Nobody,
}

impl Access {
    /// Who that is, for people.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Anyone => "everybody; a dead credential is ignored",
            Self::Session => "any `token` or `password` session",
            Self::Member => "such a session at the site in the path",
            Self::SiteAdmin => "such a session of an admin of the site in the path",
            Self::SiteAdminOrSelf => {
                "such a session of an admin of the site in the path, or of the member that the path names"
            }
            Self::Nobody => "nobody: the call exists to be refused with its own code",
        }
    }
}

/// What a route does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    ServerInfo,
    SignIn,
    SignOut,
    SwitchSite,
    ServerOnly,
    Sites,
    Site,
    CurrentSession,
    Users,
    AddUser,
    User,
    UpdateUser,
    RemoveUser,
    Tokens,
    RevokeToken,
}

/// One route of the Tableau surface.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path, with `{parameters}`.
    pub path: &'static str,
    /// Who may call.
    pub access: Access,
    #[serde(skip)]
    pub(crate) action: Action,
}

const fn route(method: &'static str, path: &'static str, access: Access, action: Action) -> Route {
    Route { method, path, access, action }
}

/// Every route, once.
static TABLE: [Route; 16] = [
    route("GET", "/api/{version}/serverInfo", Access::Anyone, Action::ServerInfo),
    route("POST", "/api/{version}/auth/signin", Access::Anyone, Action::SignIn),
    route("POST", "/api/{version}/auth/signout", Access::Session, Action::SignOut),
    route("POST", "/api/{version}/auth/switchSite", Access::Session, Action::SwitchSite),
    route("POST", "/api/{version}/auth/revokeAllServerAdminTokens", Access::Nobody, Action::ServerOnly),
    route("DELETE", "/api/{version}/auth/serverAdminAccessTokens", Access::Nobody, Action::ServerOnly),
    route("GET", "/api/{version}/sessions/current", Access::Session, Action::CurrentSession),
    route("GET", "/api/{version}/sites", Access::Nobody, Action::Sites),
    route("GET", "/api/{version}/sites/{site}", Access::Member, Action::Site),
    route("GET", "/api/{version}/sites/{site}/users", Access::SiteAdmin, Action::Users),
    route("POST", "/api/{version}/sites/{site}/users", Access::SiteAdmin, Action::AddUser),
    route("GET", "/api/{version}/sites/{site}/users/{user}", Access::SiteAdminOrSelf, Action::User),
    route("PUT", "/api/{version}/sites/{site}/users/{user}", Access::SiteAdmin, Action::UpdateUser),
    route("DELETE", "/api/{version}/sites/{site}/users/{user}", Access::SiteAdmin, Action::RemoveUser),
    route(
        "GET",
        "/api/{version}/sites/{site}/users/{user}/personal-access-tokens",
        Access::SiteAdminOrSelf,
        Action::Tokens,
    ),
    route(
        "DELETE",
        "/api/{version}/sites/{site}/users/{user}/personal-access-tokens/{token}",
        Access::SiteAdminOrSelf,
        Action::RevokeToken,
    ),
];

/// The routes, for tests that go through all of them.
#[must_use]
pub fn table() -> &'static [Route] {
    &TABLE
}

/// A route and what its path's parameters (after the version) said.
#[derive(Debug)]
pub(crate) struct Matched {
    pub(crate) route: &'static Route,
    parameters: Vec<String>,
}

impl Matched {
    /// The parameter at this place, counted after the version; empty where the route has none.
    pub(crate) fn parameter(&self, place: usize) -> &str {
        self.parameters.get(place).map_or("", String::as_str)
    }
}

/// Finds the route of a request path (without query).
pub(crate) fn find(method: &Method, path: &str) -> Result<Matched, Failure> {
    let unknown = || Failure::no_path("The requested path does not exist.");
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut segments = Vec::new();
    for segment in path.split('/').skip(1) {
        let segment = percent_decode_str(segment).decode_utf8().map_err(|_| unknown())?;
        segments.push(segment.into_owned());
    }
    version(segments.get(1).ok_or_else(unknown)?)?;
    let mut allowed: Vec<&str> = Vec::new();
    for route in &TABLE {
        if let Some(parameters) = parameters(route.path, &segments) {
            if route.method == method.as_str() {
                return Ok(Matched { route, parameters });
            }
            allowed.push(route.method);
        }
    }
    if allowed.is_empty() { Err(unknown()) } else { Err(Failure::wrong_method(allowed.join(", "))) }
}

fn parameters(template: &str, segments: &[String]) -> Option<Vec<String>> {
    let mut words = template.split('/').skip(1);
    let mut found = Vec::new();
    for segment in segments {
        let word = words.next()?;
        if !word.starts_with('{') {
            if !word.eq_ignore_ascii_case(segment) {
                return None;
            }
        } else if word != "{version}" {
            found.push(segment.clone());
        }
    }
    words.next().is_none().then_some(found)
}

fn version(text: &str) -> Result<(), Failure> {
    let number = |digits: &str| {
        let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let asked = text.split_once('.').and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    match asked {
        Some(asked) if (OLDEST..=NEWEST).contains(&asked) => Ok(()),
        _ => Err(Failure::no_path(format!(
            "The requested API version is not available; versions {}.{} to {}.{} are.",
            OLDEST.0, OLDEST.1, NEWEST.0, NEWEST.1
        ))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn action(method: Method, path: &str) -> Result<Action, u16> {
        find(&method, path).map(|m| m.route.action).map_err(|failure| failure.status().as_u16())
    }

    fn method(route: &Route) -> Method {
        Method::from_bytes(route.method.as_bytes()).expect("a method")
    }

    #[test]
    fn every_clients_spelling_and_version_arrives() {
        for path in [
            "/api/2.4/serverInfo",
            "/api/3.27/serverinfo",
            "/API/2.0/SERVERINFO",
            "/api/3.4/serverInfo/",
            "/api/2.3/serverInfo",
        ] {
            assert_eq!(action(Method::GET, path), Ok(Action::ServerInfo), "{path}");
        }
        for path in ["/api/3.6/auth/switchSite", "/api/3.6/auth/switchsite"] {
            assert_eq!(action(Method::POST, path), Ok(Action::SwitchSite), "{path}");
        }
    }

    #[test]
    fn every_version_up_to_the_advertised_one_is_taken_on_every_path() {
        for route in table() {
            for version in (0..=8).map(|n| format!("2.{n}")).chain((0..=27).map(|n| format!("3.{n}"))) {
                let path = route.path.replace("{version}", &version).replace(['{', '}'], "");
                assert_eq!(action(method(route), &path), Ok(route.action), "{path}");
            }
        }
    }

    #[test]
    fn other_versions_are_not_found() {
        for version in
            ["3.28", "4.0", "1.9", "3", "3.", ".3", "3.27.1", "+3.1", "3.0001", "٣.١", "exp", "-", ""]
        {
            assert_eq!(action(Method::GET, &format!("/api/{version}/serverInfo")), Err(404), "{version}");
        }
    }

    #[test]
    fn tricks_find_nothing() {
        for path in [
            "",
            "/",
            "/api",
            "/api/3.27",
            "/api/3.27/",
            "/api//3.27/serverInfo",
            "/api/3.27//serverInfo",
            "/api/3.27/serverInfo//",
            "/api/3.27/../3.27/serverInfo",
            "/api/3.27/serverInfo/x",
            "/api/3.27/auth%2Fsignin",
            "/api/3.27/server%49nfo%00",
            "/api/3.27/%ff",
            "/api/3.27/ſerverInfo",
            "/apix/3.27/serverInfo",
            "/api/3.27/personalAccessTokens",
        ] {
            assert_eq!(action(Method::GET, path), Err(404), "{path}");
        }
    }

    #[test]
    fn a_wrong_method_names_the_right_ones() {
        assert_eq!(action(Method::GET, "/api/3.27/auth/signin"), Err(405));
        let failure = find(&Method::PATCH, "/api/3.27/sites/s/users/u").expect_err("a wrong method");
        assert_eq!(failure, Failure::wrong_method("GET, PUT, DELETE".to_owned()));
    }

    #[test]
    fn parameters_are_decoded_in_their_place() {
        let matched = find(&Method::GET, "/api/3.27/sites/a%2Fb/users/%75").expect("a route");
        assert_eq!((matched.parameter(0), matched.parameter(1), matched.parameter(2)), ("a/b", "u", ""));
    }

    #[test]
    fn no_two_routes_are_the_same() {
        for (n, route) in table().iter().enumerate() {
            let twin =
                |other: &Route| other.method == route.method && other.path.eq_ignore_ascii_case(route.path);
            assert!(!table()[..n].iter().any(twin), "{} {}", route.method, route.path);
        }
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "[/%.a-zA-Z0-9\u{e9}]{0,40}") {
            let _ = find(&Method::GET, &path);
            let _ = find(&Method::POST, &format!("/api/3.27{path}"));
        }
    }
}
