//! DIGESTS: how many live digests there are, by what they were made with. Must never carry a digest.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::wire::Nat;

/// DIGESTS: counts those of a site's tokens that are not ended, or of all passwords without a site. Whether any hasher knows
/// them is not asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Digests {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// Whose tokens; absent: the passwords of the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Uuid>,
}

/// Answer to DIGESTS: digests whose text is the same up to the salt are one group. In no order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DigestGroups {
    /// [`SCHEMA`](super::SCHEMA).
    pub schema: u32,
    /// The groups; none is empty.
    pub groups: Vec<DigestGroup>,
}

/// A group of digests.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DigestGroup {
    /// `$scheme$params$salt` of any one of them; the stored text without its last part.
    pub sample: String,
    /// How many there are.
    pub count: Nat,
}
