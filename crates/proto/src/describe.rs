//! What a plug-in says about itself, before and after `create`. Must never carry a secret: answers land in logs and pages.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the payloads in this module.
pub const SCHEMA: u32 = 1;

/// [`ServiceDescription::max_in_flight`] when the plug-in does not say.
pub const DEFAULT_MAX_IN_FLIGHT: u32 = 64;

/// Description of a hasher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HasherDescription {
    /// `hasher`.
    pub kind: String,
    /// Version of this payload.
    pub schema: u32,
    /// PHC scheme names whose parameters the hasher understands.
    pub schemes: Vec<String>,
    /// JSON Schema of the configuration; what may be a secret is marked `writeOnly`.
    #[serde(default)]
    pub config_schema: Value,
    /// A configuration that works.
    #[serde(default)]
    pub example_config: Value,
    /// Known answers; the host checks them before it uses the hasher.
    #[serde(default)]
    pub self_test: Vec<KnownAnswer>,
}

/// One known answer of a hasher. The secret is a published test value, never a real one. A keyed hasher answers under a
/// published key and gives `params` a scheme that is not among `schemes`, so that no stored digest is checked with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAnswer {
    /// The secret, base64url without padding.
    pub secret: String,
    /// The parameters text.
    pub params: String,
    /// The digest, base64url without padding.
    pub digest: String,
}

impl KnownAnswer {
    /// From constant texts.
    #[must_use]
    pub fn new(secret: &str, params: &str, digest: &str) -> Self {
        Self { secret: secret.into(), params: params.into(), digest: digest.into() }
    }
}

/// Description of a store or an audit sink.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceDescription {
    /// `store` or `audit`.
    pub kind: String,
    /// Version of this payload.
    pub schema: u32,
    /// How many requests the plug-in takes at once.
    #[serde(default = "default_max_in_flight")]
    pub max_in_flight: u32,
    /// JSON Schema of the configuration; what may be a secret is marked `writeOnly`.
    #[serde(default)]
    pub config_schema: Value,
    /// A configuration that works.
    #[serde(default)]
    pub example_config: Value,
    /// What a sink needs beside events; see [`crate::audit::WANTS_RECIPIENTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wants: Vec<String>,
}

fn default_max_in_flight() -> u32 {
    DEFAULT_MAX_IN_FLIGHT
}
