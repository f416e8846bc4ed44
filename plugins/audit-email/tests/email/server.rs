//! The mail server as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value;

use crate::LONG;

/// A running server; killed when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
    mails: Receiver<Value>,
}

impl Server {
    pub(crate) fn plain() -> Self {
        Self::start(&[])
    }

    /// With a certificate for 127.0.0.1 in `folder/ca.pem`.
    pub(crate) fn protected(folder: &Path, protection: &str, further: &[&str]) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        std::fs::write(folder.join("ca.pem"), cert.pem()).expect("written");
        std::fs::write(folder.join("key.pem"), signing_key.serialize_pem()).expect("written");
        let folder = folder.to_str().expect("a plain path");
        Self::start(&[&["--protection", protection, "--folder", folder], further].concat())
    }

    pub(crate) fn start(arguments: &[&str]) -> Self {
        let python = std::env::var_os("PATD_TEST_PYTHON_SMTP")
            .expect("PATD_TEST_PYTHON_SMTP names a Python with aiosmtpd; `cargo xtask test` makes one");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/email/server.py");
        let mut process = Command::new(python)
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python runs");
        let (said, mails) = channel::<Value>();
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = said.send(serde_json::from_str(&line).expect("JSON"));
            }
        });
        let port = mails.recv_timeout(LONG).expect("the port")["port"].as_u64().expect("a number");
        Self { process, port: u16::try_from(port).expect("a port"), mails }
    }

    /// The next mail.
    pub(crate) fn mail(&self) -> Value {
        self.mails.recv_timeout(LONG).expect("a mail")
    }

    /// Mails that came and were not looked at.
    pub(crate) fn rest(&self) -> Vec<Value> {
        self.mails.try_iter().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The values of a header.
pub(crate) fn header<'a>(mail: &'a Value, name: &str) -> Vec<&'a str> {
    let all = mail["headers"].as_array().expect("headers");
    all.iter().filter(|one| one[0] == name).filter_map(|one| one[1].as_str()).collect()
}
