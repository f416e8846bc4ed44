//! Sins against the process that the plug-in lives in.

use std::fs::File;
use std::io::Write as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::OnceLock;

use crate::sin::Sin;

/// Commits a sin of the process; any other sin is left alone.
pub(crate) fn commit(sin: Sin) {
    match sin {
        Sin::PrintsStdout => {
            let _ = writeln!(std::io::stdout(), "asked to print");
        }
        Sin::SetsEnv => patd_sdk::danger::set_env("PATD_FAULTY_WAS_HERE", "1"),
        Sin::ChangesCwd => {
            let _ = std::env::set_current_dir("/proc");
        }
        Sin::ChangesUmask => {
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o070));
        }
        Sin::HandlesSignal => handle_signal(),
        Sin::LeaksThread => {
            std::thread::spawn(|| {
                loop {
                    std::thread::park();
                }
            });
        }
        Sin::LeaksFile => std::mem::forget(File::open("/dev/null")),
        Sin::LeaksMemory => {
            std::hint::black_box(Box::leak(vec![7_u8; 2 << 20].into_boxed_slice()));
        }
        Sin::Aborts => std::process::abort(),
        Sin::Exits => std::process::exit(0),
        Sin::OverflowsStack => {
            std::hint::black_box(deeper(1));
        }
        _ => {}
    }
}

fn handle_signal() {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let _ = runtime.block_on(async {
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined2()).map(drop)
    });
}

#[expect(unconditional_recursion, reason = "the sin")]
fn deeper(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 1024]);
    deeper(room[7] + 1) + room[9]
}

/// Whether this copy of the library is the first that asked, in this process.
pub(crate) fn first_image() -> bool {
    static HELD: OnceLock<Option<UnixListener>> = OnceLock::new();
    HELD.get_or_init(|| {
        let name = format!("patd-faulty-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name).ok()?;
        UnixListener::bind_addr(&address).ok()
    })
    .is_some()
}
