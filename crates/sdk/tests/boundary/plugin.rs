//! The plug-in: a hasher without any strength, a sink that is driven by what it is told, and a store close to the ABI.

use std::sync::atomic::{AtomicU32, Ordering};

use patd_sdk::abi::{Bytes, FACTORY_AUDIT, FACTORY_HASHER, FACTORY_STORE, PATD_PLUGIN_MAGIC};
use patd_sdk::{
    AsyncService, Completion, Context, Failure, Hasher, HasherDescription, Managed, Request, Service,
    ServiceDescription, flags,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    rounds: u8,
}

pub(crate) struct Toy(Config);

impl Hasher for Toy {
    fn create(context: &Context) -> Result<Self, Failure> {
        Ok(Self(context.config()?))
    }

    fn describe(_me: Option<&Self>) -> HasherDescription {
        HasherDescription {
            kind: "hasher".into(),
            schema: 1,
            schemes: vec!["toy".into()],
            config_schema: serde_json::Value::Null,
            example_config: serde_json::json!({"rounds": 1}),
            self_test: Vec::new(),
        }
    }

    fn new_params(&self, salt: &[u8]) -> Result<String, Failure> {
        Ok(format!("$toy$r={}${}", self.0.rounds, salt.len()))
    }

    fn derive(&self, secret: &[u8], params: &str) -> Result<Vec<u8>, Failure> {
        assert_ne!(secret, b"panic", "a secret: {}", String::from_utf8_lossy(secret));
        if !params.starts_with("$toy$") {
            return Err(Failure::invalid("these are no params of mine"));
        }
        Ok((0..32_u8).map(|at| secret.iter().fold(at, |sum, byte| sum.wrapping_mul(31) ^ byte)).collect())
    }

    fn needs_rehash(&self, params: &str) -> Result<bool, Failure> {
        Ok(!params.starts_with(&format!("$toy$r={}$", self.0.rounds)))
    }
}

/// Does what the payload says.
pub(crate) struct Obedient {
    started: AtomicU32,
}

impl AsyncService for Obedient {
    const FLAGS: u64 = flags::ORDERED;

    fn create(context: &Context) -> Result<Self, Failure> {
        let _config: Config = context.config()?;
        Ok(Self { started: AtomicU32::new(0) })
    }

    fn describe(_me: Option<&Self>) -> ServiceDescription {
        service("audit")
    }

    async fn start(&self, _payload: Vec<u8>) -> Result<(), Failure> {
        self.started.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn stop(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn call(&self, op: u32, payload: Vec<u8>) -> Result<Vec<u8>, Failure> {
        match payload.as_slice() {
            b"echo" => Ok(payload),
            b"yield" => {
                tokio::task::yield_now().await;
                Ok(payload)
            }
            b"blocking" => patd_sdk::spawn_blocking(|| b"from beside".to_vec()).await,
            b"panic" => panic!("a secret"),
            _ => Err(Failure::unsupported(op)),
        }
    }
}

/// Answers within `submit`, or not at all.
pub(crate) struct AtOnce;

impl Service for AtOnce {
    const FLAGS: u64 = 0;

    fn create(_context: &Context) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn describe(_me: Option<&Self>) -> ServiceDescription {
        service("store")
    }

    fn submit(&self, request: Request, completion: Completion) {
        match request.payload.as_slice() {
            b"panic" => panic!("a secret"),
            b"forget" => drop(completion),
            _ => completion.finish(Ok(request.payload)),
        }
    }
}

fn service(kind: &str) -> ServiceDescription {
    ServiceDescription {
        kind: kind.into(),
        schema: 1,
        max_in_flight: 8,
        config_schema: serde_json::Value::Null,
        example_config: serde_json::Value::Null,
        wants: Vec::new(),
    }
}

patd_sdk::export! { id: "boundary", hasher: Toy, audit: Managed<Obedient>, store: AtOnce }

fn factory(id: &[u8]) -> *const std::ffi::c_void {
    let get = patd_plugin_v1.get_factory.expect("is there");
    // SAFETY: the id outlives the call.
    unsafe { get(Bytes::of(id)) }
}

#[test]
fn the_exported_object_has_its_tables_and_no_others() {
    assert_eq!(patd_plugin_v1.magic, PATD_PLUGIN_MAGIC);
    // SAFETY: constant texts of this binary.
    let (id, version) = unsafe { (patd_plugin_v1.id.as_slice(), patd_plugin_v1.version.as_slice()) };
    assert_eq!((id, version), (&b"boundary"[..], env!("CARGO_PKG_VERSION").as_bytes()));
    let known = [FACTORY_HASHER, FACTORY_AUDIT, FACTORY_STORE].map(|id| factory(id.as_bytes()));
    assert!(known.iter().all(|table| !table.is_null()));
    for unknown in ["", "patd.hasher/2", "patd.hasher/11", "patd.hasher/", "\0"] {
        assert!(factory(unknown.as_bytes()).is_null(), "{unknown:?}");
    }
}
