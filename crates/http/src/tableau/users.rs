//! Members of the session's site: list, look at, invite, change the role, remove.
//!
//! Acts on the membership, never on the person (R2, R10): a changed name or e-mail address, and any password, is
//! refused; what merely repeats the present value is let through, since tableauserverclient sends back all it read.

use patd_core::id::{SiteLuid, UserLuid};
use patd_core::name::SiteRole;
use patd_service::error::Error;
use patd_service::view::{Caller, UserView};

use super::answer::{Element, Reply};
use super::body::{Malformed, Node};
use super::error::{Failure, Place, time};
use super::query::{self, PageAsked};
use super::{Call, sites};

/// How many members a filtered listing reads at a time.
const SCAN: u32 = 1000;

pub(super) async fn list(call: &Call<'_>, caller: &Caller) -> Result<Reply, Failure> {
    let site = sites::own(call.parameter(0), caller)?;
    let page = PageAsked::of(call.query)?;
    let (offset, filter) = (page.offset()?, Filter::of(call.query)?);
    let (users, total) = match filter {
        None => members(call, caller, site, offset, page.size).await?,
        Some(filter) => matching(call, caller, site, &filter, page).await?,
    };
    let users = users.iter().map(element).collect();
    Ok(Reply::ok(vec![page.element(total)?, Element::list("users", users)]))
}

async fn members(
    call: &Call<'_>,
    caller: &Caller,
    site: SiteLuid,
    offset: u32,
    limit: u32,
) -> Result<(Vec<UserView>, u64), Failure> {
    let found = call.service.members_page(caller, site, offset, limit).await;
    found.map_err(|error| Failure::of(&error, Place::Users))
}

/// A page of the members that pass the filter. Reads the whole site: only admins get here, and scripts that filter
/// by name are rare beside sign-ins.
async fn matching(
    call: &Call<'_>,
    caller: &Caller,
    site: SiteLuid,
    filter: &Filter,
    page: PageAsked,
) -> Result<(Vec<UserView>, u64), Failure> {
    let (skip, mut offset) = (u64::from(page.offset()?), 0);
    let (mut kept, mut count) = (Vec::new(), 0);
    loop {
        let (users, total) = members(call, caller, site, offset, SCAN).await?;
        let read = u32::try_from(users.len()).unwrap_or(u32::MAX);
        for user in users.into_iter().filter(|user| filter.passes(user)) {
            if count >= skip && count < skip + u64::from(page.size) {
                kept.push(user);
            }
            count += 1;
        }
        offset = offset.saturating_add(read);
        if read == 0 || u64::from(offset) >= total {
            return Ok((kept, count));
        }
    }
}

/// `?filter=name:eq:…` or `siteRole:eq:…`. Others are refused rather than ignored: a script that deletes what it
/// filtered must not be given everybody.
#[derive(Default)]
struct Filter {
    name: Option<String>,
    role: Option<SiteRole>,
}

impl Filter {
    fn of(query: &str) -> Result<Option<Self>, Failure> {
        let Some(text) = query::parameter(query, "filter").filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let refuse = || Failure::bad_request("Users are filtered by `name:eq:` or `siteRole:eq:` only.");
        let mut filter = Self::default();
        for term in text.split(',') {
            if let Some(name) = term.strip_prefix("name:eq:").filter(|_| filter.name.is_none()) {
                filter.name = Some(name.to_owned());
            } else if let Some(role) = term.strip_prefix("siteRole:eq:").filter(|_| filter.role.is_none()) {
                filter.role = Some(self::role(role)?);
            } else {
                return Err(refuse());
            }
        }
        Ok(Some(filter))
    }

    fn passes(&self, user: &UserView) -> bool {
        self.name.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(&user.username))
            && self.role.is_none_or(|role| role == user.site_role)
    }
}

pub(super) async fn get(call: &Call<'_>, caller: &Caller) -> Result<Reply, Failure> {
    let (site, user) = (sites::own(call.parameter(0), caller)?, luid(call.parameter(1))?);
    let found = call.service.member(caller, site, user).await;
    found.map(|user| Reply::ok(vec![element(&user)])).map_err(|error| Failure::of(&error, Place::Users))
}

/// Invites. The answer's `invitation` is the one-time text that the person redeems; a person who exists proves the
/// own password with it, so an admin gets into nobody's account by it.
pub(super) async fn add(call: &Call<'_>, caller: &Caller) -> Result<Reply, Failure> {
    let site = sites::own(call.parameter(0), caller)?;
    let body = call.body()?;
    let user = body.need("user")?;
    let name = user.attribute("name").ok_or(Malformed::Lacks("name"))?;
    let role = role(user.attribute("siteRole").ok_or(Malformed::Lacks("siteRole"))?)?;
    no_password(user)?;
    let invited = call.service.invite(caller, site, name, role, call.from.clone()).await;
    let invited = invited.map_err(|error| Failure::of(&error, Place::Session))?;
    let user = element(&invited.user)
        .with("invitation", invited.invitation.expose())
        .with("invitationExpiresAt", time(invited.expires_at));
    Ok(Reply::created(vec![user]))
}

pub(super) async fn update(call: &Call<'_>, caller: &Caller) -> Result<Reply, Failure> {
    let (site, user) = (sites::own(call.parameter(0), caller)?, luid(call.parameter(1))?);
    let body = call.body()?;
    let change = body.need("user")?;
    no_password(change)?;
    let asked = change.attribute("siteRole").map(role).transpose()?;
    let fail = |error: Error| {
        Failure::of(&error, if user == caller.user { Place::OwnMembership } else { Place::Membership })
    };
    let now = call.service.member(caller, site, user).await.map_err(fail)?;
    same_identity(change, &now)?;
    match asked {
        None => Ok(Reply::ok(vec![element(&now)])),
        Some(role) => {
            let changed = call.service.change_member(caller, site, user, Some(role), None, call.from.clone());
            Ok(Reply::ok(vec![element(&changed.await.map_err(fail)?)]))
        }
    }
}

pub(super) async fn remove(call: &Call<'_>, caller: &Caller) -> Result<Reply, Failure> {
    let (site, user) = (sites::own(call.parameter(0), caller)?, luid(call.parameter(1))?);
    let done = call.service.remove_member(caller, site, user, call.from.clone()).await;
    done.map(|()| Reply::empty()).map_err(|error| Failure::of(&error, Place::Membership))
}

/// The user of a path.
pub(super) fn luid(text: &str) -> Result<UserLuid, Failure> {
    sites::luid(text).map(UserLuid).ok_or_else(Failure::no_user)
}

fn role(text: &str) -> Result<SiteRole, Failure> {
    SiteRole::parse(text).ok_or_else(|| {
        let roles = SiteRole::ALL.map(SiteRole::as_str).join(", ");
        Failure::new(400_013, "Invalid site role", format!("The site role must be one of: {roles}."))
    })
}

fn no_password(user: &Node) -> Result<(), Failure> {
    match user.attribute("password") {
        None => Ok(()),
        Some(_) => Err(Failure::forbidden("Nobody sets another person's password; people set their own.")),
    }
}

/// Refuses a change of what belongs to the person.
fn same_identity(change: &Node, now: &UserView) -> Result<(), Failure> {
    for (name, value) in [("name", &now.username), ("fullName", &now.full_name), ("email", &now.email)] {
        if change.attribute(name).is_some_and(|asked| asked != value) {
            return Err(Failure::forbidden(format!(
                "Only the person can change `{name}`; a site administrator changes the site role."
            )));
        }
    }
    Ok(())
}

fn element(user: &UserView) -> Element {
    Element::new("user")
        .with("id", user.luid.to_string())
        .with("name", user.username.as_str())
        .with("siteRole", user.site_role.as_str())
        .with_any("fullName", &user.full_name)
        .with_any("email", &user.email)
        .child(Element::new("domain").with("name", "local"))
}

#[cfg(test)]
mod tests {
    use patd_core::record::MemberState;
    use uuid::Uuid;

    use super::super::body::parse;
    use super::*;

    fn ann() -> UserView {
        UserView {
            luid: UserLuid(Uuid::from_u128(1)),
            username: "ann".to_owned(),
            full_name: "Ann".to_owned(),
            email: String::new(),
            site_role: SiteRole::Viewer,
            state: MemberState::Active,
        }
    }

    #[test]
    fn an_admin_may_repeat_but_not_change_what_belongs_to_the_person() {
        for (attributes, allowed) in [
            ("siteRole='Viewer' authSetting='SAML'", true),
            ("fullName='Ann' name='ann' email=''", true),
            ("fullName='Bob'", false),
            ("name='bob'", false),
            ("email='ann@evil.example'", false),
        ] {
            let root = parse(format!("<tsRequest><user {attributes}/></tsRequest>").as_bytes());
            let root = root.expect("a body");
            let user = root.need("user").expect("a user");
            assert_eq!(same_identity(user, &ann()).is_ok(), allowed, "{attributes}");
        }
        let root = parse(b"<tsRequest><user password=''/></tsRequest>").expect("a body");
        assert!(no_password(root.need("user").expect("a user")).is_err());
    }

    #[test]
    fn filters_pick_by_name_and_role_and_others_are_refused() {
        let passes = |query| Filter::of(query).map(|filter| filter.is_none_or(|f| f.passes(&ann())));
        assert_eq!(passes("pageSize=1"), Ok(true));
        assert_eq!(passes("filter=name:eq:ANN"), Ok(true));
        assert_eq!(passes("filter=name%3Aeq%3Abob"), Ok(false));
        assert_eq!(passes("filter=siteRole:eq:Viewer,name:eq:ann"), Ok(true));
        assert_eq!(passes("filter=siteRole:eq:Creator"), Ok(false));
        for refused in
            ["filter=lastLogin:gt:2020", "filter=name:in:[a]", "filter=name:eq:a,name:eq:b", "filter=x"]
        {
            assert!(passes(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn only_the_roles_of_the_cloud_are_taken() {
        assert_eq!(role("Creator"), Ok(SiteRole::Creator));
        for text in ["ServerAdministrator", "Interactor", "creator", ""] {
            assert!(role(text).is_err(), "{text}");
        }
    }
}
