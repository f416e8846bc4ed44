//! TLS by rustls. Must never connect to a host whose certificate does not fit: there is no setting for that.

use std::path::Path;
use std::sync::Arc;

use patd_sdk::Failure;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::{Address, Duplex, Stream};

/// Opens TLS connections.
#[derive(Clone)]
pub struct Tls(TlsConnector);

impl Tls {
    /// Trusts the certificates in `ca_file` (PEM) and no others, or the public authorities when there is no file. Reads the
    /// file: blocks.
    ///
    /// # Errors
    /// INVALID, naming the key `ca_file`, when it cannot be read or holds no certificate.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, Failure> {
        let roots = match ca_file {
            Some(path) => trusted(path)?,
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::internal(format!("TLS: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Makes a plain connection to `address` an encrypted one.
    ///
    /// # Errors
    /// UNAVAILABLE when the handshake fails: another certificate, another name, no TLS there.
    pub async fn wrap(&self, address: &Address, plain: impl Duplex + 'static) -> Result<Stream, Failure> {
        let name = ServerName::try_from(address.host().to_owned())
            .map_err(|_| Failure::invalid(format!("{address}: this is no name of a TLS server")))?;
        let stream = self.0.connect(name, plain).await;
        Ok(Box::new(stream.map_err(|error| Failure::unavailable(format!("{address}: TLS: {error}")))?))
    }
}

fn trusted(path: &Path) -> Result<RootCertStore, Failure> {
    let refused = |why: String| {
        Failure::invalid(format!("config: ca_file must name a PEM file of certificates: {why}"))
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| refused(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        roots.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refused("there is none in it".into()));
    }
    Ok(roots)
}
