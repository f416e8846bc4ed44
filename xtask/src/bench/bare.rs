//! The peer: a bare `axum::serve` that answers 204 to everything, an example of patd-http.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use super::cpu::Cores;
use crate::failure::{Context, Failure};

/// A running one; it ends when this is dropped.
pub(crate) struct Bare {
    child: Child,
    address: String,
}

impl Bare {
    /// Starts it on the server's core and reads where it listens.
    pub(crate) fn start(program: &Path, cores: Cores) -> Result<Self, Failure> {
        let name = program.to_string_lossy();
        let mut child = cores
            .server(&name)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context(format_args!("cannot start {name}"))?;
        let output = child.stdout.take();
        let mut bare = Self { child, address: String::new() };
        if let Some(output) = output {
            BufReader::new(output).read_line(&mut bare.address).context(&name)?;
        }
        bare.address.truncate(bare.address.trim_end().len());
        if bare.address.is_empty() { Err(Failure::new(format!("{name} does not listen"))) } else { Ok(bare) }
    }

    /// taskset becomes it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It holds nothing worth an orderly end; a failure means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
