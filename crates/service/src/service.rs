//! [`Service`]: everything that patd does for its callers. Each use-case lives in the module of its subject.

use patd_core::id::SiteLuid;

/// The use-cases over their ports. Shared by every surface; cheap to clone behind an `Arc`.
pub struct Service {}

/// Which site a caller means: a content URL in any case, or a LUID.
#[derive(Clone, Debug)]
pub struct SiteRef<'a>(pub &'a str);

impl Service {
    /// Whether every part that requests need is up; the reasons if not (for `/readyz`; never a secret).
    pub async fn readiness(&self) -> Vec<String> {
        Vec::new()
    }

    /// The LUID of an active site, by content URL (any case) or LUID.
    #[must_use]
    pub fn site(&self, _site: &SiteRef<'_>) -> Option<SiteLuid> {
        None
    }
}
