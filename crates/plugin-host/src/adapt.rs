//! Plug-in instances dressed as patd-service's ports. Must never turn a doubtful answer into a good one: what does not read
//! back as the contract says is a failure, and a write whose answer is doubtful has an unknown outcome.

mod callee;
mod convert;
mod hasher;
#[doc(hidden)]
pub mod replies;
mod sink;
mod store;

pub use hasher::{PluginHasher, PreparedHasher};
pub use sink::PluginSink;
pub use store::{PluginStore, StoreRole};
