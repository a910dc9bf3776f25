//! TLS settings of the server.

use std::sync::Arc;

use rustls::{
    CipherSuite, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::{
        ResolvesServerCert,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use crate::config::AdminConfig;

/// The cipher suites that can be named, in the IANA's names. Those of TLS 1.3 are always on.
pub(crate) fn suite_names() -> Vec<String> {
    ring::ALL_CIPHER_SUITES.iter().map(|suite| iana_name(suite.suite())).collect()
}

fn iana_name(suite: CipherSuite) -> String {
    format!("{suite:?}").replace("TLS13_", "TLS_")
}

/// The server's TLS settings. Any client certificate is taken here if the client has its key; whether it is trusted is
/// decided request by request, so that CAs can change without a new handshake and a stranger's certificate costs nothing.
pub(super) fn server_config(
    settings: &AdminConfig,
    certificates: Arc<dyn ResolvesServerCert>,
) -> Result<ServerConfig, Error> {
    let mut provider = ring::default_provider();
    if !settings.cipher_suites.is_empty() {
        provider.cipher_suites.retain(|suite| {
            let name = iana_name(suite.suite());
            suite.tls13().is_some() || settings.cipher_suites.contains(&name)
        });
    }
    let provider = Arc::new(provider);
    let versions: &[_] = if settings.tls13_only { &[&rustls::version::TLS13] } else { rustls::ALL_VERSIONS };
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(Arc::new(AnyClient(provider)))
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if settings.http2 {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }
    Ok(config)
}

/// Asks for a certificate and checks only that the client holds its key.
#[derive(Debug)]
struct AnyClient(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
