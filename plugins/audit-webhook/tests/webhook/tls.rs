//! HTTPS: only a receiver whose certificate fits gets events.

use std::sync::Arc;

use patd_plugin_host::Kind;
use patd_plugin_host::probe::Running;
use patd_sdk::abi::status;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::receiver::Receiver;
use crate::{LONG, NEW, event, library, started};

/// A receiver whose certificate is for `name`, and that certificate.
fn receiver(name: &str) -> (Receiver, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a configuration");
    (Receiver::start(Some(TlsAcceptor::from(Arc::new(config)))), cert.pem())
}

#[test]
fn a_certificate_of_the_given_authorities_is_trusted_and_no_other() {
    let (receiver, pem) = receiver("127.0.0.1");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, pem).expect("written");
    let url = format!("https://{}/", receiver.address);

    let known = started(&json!({ "url": url, "secrets": [NEW], "ca_file": file }));
    let answer = known.deliver(&[event("1")], LONG);
    assert_eq!(answer.status, status::OK, "{}", answer.detail);
    known.stop();

    let unknown = started(&json!({ "url": url, "secrets": [NEW] }));
    let answer = unknown.deliver(&[event("2")], LONG);
    assert_eq!(answer.status, status::UNAVAILABLE);
    assert!(answer.detail.contains("TLS"), "{}", answer.detail);
    unknown.stop();
    assert_eq!(receiver.ids(), ["1"]);
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let (receiver, pem) = receiver("other.example");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, pem).expect("written");
    let url = format!("https://{}/", receiver.address);
    let sink = started(&json!({ "url": url, "secrets": [NEW], "ca_file": file }));
    assert_eq!(sink.deliver(&[event("1")], LONG).status, status::UNAVAILABLE);
    assert!(receiver.got().is_empty());
    sink.stop();
}

#[test]
fn a_ca_file_that_is_none_keeps_the_sink_from_starting_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.pem");
    let start = || {
        let config = json!({ "url": "https://127.0.0.1:1/", "secrets": [NEW], "ca_file": file });
        Running::start(&library(), Kind::Audit, &config).err().unwrap_or_default()
    };
    assert!(start().contains("ca_file"), "it is not there");
    std::fs::write(&file, "no certificate").expect("written");
    assert!(start().contains("ca_file"), "it holds none");
}
