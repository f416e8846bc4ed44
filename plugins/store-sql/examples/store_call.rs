//! What the boundary adds to a store call: `store_call LIBRARY FOLDER [ROUNDS]`. The read of a sign-in, one at a time.
//!
//! Prints two medians of rounds in turn: microseconds per read linked directly, and through the library, the crossing of both
//! JSON texts included. Each side has a file of its own, because two SQLites in one process must not share one.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures and reports")]

mod rows;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use patd_core::id::TokenId;
use patd_plugin_host::adapt::{PluginStore, StoreRole};
use patd_plugin_host::{Images, Kind, PluginSpec, ServiceHandle};
use patd_proto::store::{Found, Query, Role};
use patd_service::ports::{self, Store as _};
use serde_json::json;
use store_sql::{Config, Engine};

/// Reads per round and side.
const CALLS: u32 = 2_000;

async fn filled(file: &Path) -> Engine {
    let engine = Engine::open(Config::at(file), Some(Role::Site)).await.expect("opens");
    rows::insert_tokens(&engine, 100).await;
    engine
}

async fn loaded(library: PathBuf, folder: &Path) -> PluginStore {
    let file = folder.join("loaded.db");
    filled(&file).await.close().await.expect("closes");
    let spec = PluginSpec {
        name: "store-sql".to_owned(),
        path: library,
        sha256: None,
        allow_unpinned: true,
        runtime_dir: folder.join("runtime"),
    };
    let image = Images.load(&spec).expect("loads");
    let config = json!({"url": Config::at(&file).url});
    let handle = ServiceHandle::create(&image, Kind::Store, "bench", &config).expect("an instance");
    PluginStore::start(handle, StoreRole::Site, Duration::from_secs(30)).await.expect("starts")
}

/// Microseconds per call.
async fn time(call: impl AsyncFn(u32)) -> f64 {
    let begun = Instant::now();
    for n in 0..CALLS {
        call(n).await;
    }
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let library: PathBuf = arguments.next().expect("the library").into();
    let folder: PathBuf = arguments.next().expect("a folder").into();
    let rounds: usize =
        arguments.next().map_or(15, |n| n.to_str().and_then(|n| n.parse().ok()).expect("a number"));
    std::fs::create_dir_all(&folder).expect("a folder");
    let linked = filled(&folder.join("linked.db")).await;
    let loaded = loaded(library, &folder).await;

    let id = |n: u32| rows::token(u128::from(n % 100)).id;
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let here = time(async |n| {
            let found = linked.query(vec![Query::TokenAndSession(id(n))]).await.expect("is answered");
            assert!(matches!(&found[..], [Found::TokenAndSession(Some(_))]), "{found:?}");
        });
        direct.push(here.await);
        let there = time(async |n| {
            let query = ports::Query::TokenAndSession(TokenId(id(n)));
            let found = loaded.query(vec![query]).await.expect("is answered");
            assert!(
                matches!(&found[..], [ports::Found::TokensAndSessions(one)] if one.len() == 1),
                "{found:?}"
            );
        });
        through.push(there.await);
    }
    println!("{:.1} {:.1}", median(direct), median(through));
}
