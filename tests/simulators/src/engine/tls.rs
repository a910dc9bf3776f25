//! A certificate authority of the cloud's own, and a certificate for all its hosts.

use std::sync::Arc;

use anyhow::Context as _;
use provider_hop::testing::{Authority, Wanted};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// What is needed to serve TLS, and to trust it.
pub(crate) struct Material {
    /// The authority's certificate, PEM.
    pub(crate) ca: String,
    /// For the server.
    pub(crate) config: Arc<ServerConfig>,
}

/// Issues a certificate for the names and loopback's own.
pub(crate) fn issue(names: &[String]) -> anyhow::Result<Material> {
    let authority = Authority::new("simulated cloud");
    let mut all = vec!["localhost", "127.0.0.1", "::1"];
    all.extend(names.iter().map(String::as_str));
    let issued = authority.issue(&Wanted { client: false, ..Wanted::named(&all) });
    let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).context("the certificate")?;
    let key = PrivateKeyDer::from_pem_slice(issued.private_key.as_bytes()).context("the key")?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Material { ca: authority.certificate(), config: Arc::new(config) })
}
