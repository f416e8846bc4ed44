//! Sites: the caller's own one; others do not exist here (R8).

use patd_core::id::SiteLuid;
use patd_service::view::{Caller, SiteView};
use uuid::Uuid;

use super::Call;
use super::answer::{Element, Reply};
use super::error::Failure;
use super::query;

/// `GET sites`: refused as the vendor's Cloud does; clients tell Cloud from Server by this very code.
pub(super) fn list() -> Failure {
    Failure::new(403_069, "Forbidden", "Listing sites is not available; a session belongs to one site.")
}

pub(super) fn get(call: &Call<'_>, caller: &Caller) -> Result<Reply, Failure> {
    let site = call.service.site_view(caller.site).ok_or_else(Failure::no_site)?;
    if !names(call.parameter(0), query::parameter(call.query, "key").as_deref(), &site) {
        return Err(Failure::no_site());
    }
    Ok(Reply::ok(vec![element(&site).with("adminMode", "ContentAndUsers").with("state", "Active")]))
}

/// Whether a path's site, read under `?key=`, is this one.
fn names(text: &str, key: Option<&str>, site: &SiteView) -> bool {
    match key {
        None | Some("") => luid(text) == Some(site.luid.0),
        Some("contentUrl") => text.eq_ignore_ascii_case(&site.content_url),
        Some("name") => text == site.name,
        Some(_) => false,
    }
}

/// The site of a path below `sites/{site}`, which must be the session's.
pub(super) fn own(text: &str, caller: &Caller) -> Result<SiteLuid, Failure> {
    if luid(text) == Some(caller.site.0) { Ok(caller.site) } else { Err(Failure::no_site()) }
}

/// `<site id name contentUrl/>`.
pub(super) fn element(site: &SiteView) -> Element {
    Element::new("site")
        .with("id", site.luid.to_string())
        .with("name", site.name.as_str())
        .with("contentUrl", site.content_url.as_str())
}

/// Reads a LUID in its one usual spelling, in any case.
pub(super) fn luid(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_answers_to_its_luid_name_or_content_url_only() {
        let luid = Uuid::from_u128(0xabcdef);
        let site = SiteView { luid: SiteLuid(luid), content_url: "Acme".into(), name: "Acme Ltd".into() };
        let id = luid.to_string();
        assert!(names(&id, None, &site));
        assert!(names(&id.to_ascii_uppercase(), None, &site));
        assert!(names("acme", Some("contentUrl"), &site));
        assert!(names("Acme Ltd", Some("name"), &site));
        assert!(!names("acme", None, &site));
        assert!(!names(&id, Some("contentUrl"), &site));
        assert!(!names("acme ltd", Some("name"), &site));
        assert!(!names(&id, Some("luid"), &site));
        assert!(!names(&Uuid::nil().to_string(), None, &site));
        assert!(!names(&luid.simple().to_string(), None, &site));
    }
}
