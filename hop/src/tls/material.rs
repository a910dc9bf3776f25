//! Reading a certificate, its key and the CA bundle, and checking them before they are used.

use std::{
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    client::Resumption,
    crypto::{CryptoProvider, ring},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::{San, verify::PinnedServer};

/// gRPC is HTTP/2, and nothing else is spoken here.
const ALPN: &[u8] = b"h2";
const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13];

/// The three PEM files of one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The private key of the leaf (PKCS#8, PKCS#1 or SEC1). May be the same file as `certificate`.
    pub private_key: PathBuf,
    /// The private CAs whose certificates the other side may have. Several at once make a change of CA possible: first
    /// both, then the new one. No public CA is ever trusted.
    pub ca: PathBuf,
}

/// Why files are not used. Names the file; never quotes its content.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says it")]
pub enum TlsError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} holds no {what} in PEM form", path.display())]
    Empty { path: PathBuf, what: &'static str },
    #[error("{}: {problem}", path.display())]
    Invalid { path: PathBuf, problem: String },
    #[error("the private key in {} does not belong to the certificate in {}", key.display(), certificate.display())]
    Mismatch { key: PathBuf, certificate: PathBuf },
    #[error("the certificate in {} {problem}", path.display())]
    Validity { path: PathBuf, problem: String },
}

/// One consistent state of the files, ready for use.
pub(super) struct Material {
    pub(super) digest: [u8; 32],
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
    pub(super) server: Arc<ServerConfig>,
    key: Arc<CertifiedKey>,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

/// The files' bytes at one moment.
pub(super) struct Contents {
    certificate: Vec<u8>,
    private_key: Zeroizing<Vec<u8>>,
    ca: Vec<u8>,
    pub(super) digest: [u8; 32],
}

impl Contents {
    pub(super) fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let certificate = read(&files.certificate)?;
        let private_key = Zeroizing::new(read(&files.private_key)?);
        let ca = read(&files.ca)?;
        let mut hash = Sha256::new();
        for part in [&certificate, &*private_key, &ca] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Ok(Self { certificate, private_key, ca, digest: hash.finalize().into() })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

impl Material {
    /// Checks that the parts fit each other and are valid `now`.
    pub(super) fn build(files: &TlsFiles, contents: &Contents, now: SystemTime) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&files.certificate, &contents.certificate)?;
        let (not_before, not_after) = validity(&files.certificate, &chain[0])?;
        check_validity(&files.certificate, not_before, not_after, now)?;
        let key = private_key(files, &contents.private_key, chain, &provider)?;
        let roots = roots(&files.ca, &contents.ca)?;
        let server = server_config(&provider, &key, &roots).map_err(|problem| invalid(&files.ca, problem))?;
        Ok(Self { digest: contents.digest, not_before, not_after, server, key, roots, provider })
    }

    /// A configuration that talks to the holder of a certificate with exactly this name, and to nobody else.
    pub(super) fn client(&self, pin: &San) -> ClientConfig {
        let verifier = PinnedServer::new(self.roots.clone(), pin.clone(), &self.provider);
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(VERSIONS)
            .expect("ring has suites for TLS 1.3")
            .dangerous() // Only the name check differs from the usual verifier: it is stricter.
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(self.key.clone())));
        config.alpn_protocols = vec![ALPN.to_vec()];
        // A resumed session would not look at certificates again: an identity could outlive its CA.
        config.resumption = Resumption::disabled();
        config
    }
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    key: &Arc<CertifiedKey>,
    roots: &Arc<RootCertStore>,
) -> Result<Arc<ServerConfig>, String> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
        .build()
        .map_err(|error| error.to_string())?;
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(VERSIONS)
        .expect("ring has suites for TLS 1.3")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key.clone())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // No resumption: see `Material::client`.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

fn invalid(path: &Path, problem: impl Display) -> TlsError {
    TlsError::Invalid { path: path.to_owned(), problem: format!("{problem}") }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid(path, format!("is no PEM file: {error}")))?;
    if chain.is_empty() {
        return Err(TlsError::Empty { path: path.to_owned(), what: "certificate" });
    }
    Ok(chain)
}

fn private_key(
    files: &TlsFiles,
    pem: &[u8],
    chain: Vec<CertificateDer<'static>>,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let path = &files.private_key;
    // The parser's own words are not passed on: they may quote the key.
    let key = PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| TlsError::Empty { path: path.clone(), what: "private key (PKCS#8, PKCS#1 or SEC1)" })?;
    match CertifiedKey::from_der(chain, key, provider) {
        Ok(key) => Ok(Arc::new(key)),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::Mismatch { key: path.clone(), certificate: files.certificate.clone() })
        }
        Err(_) => Err(invalid(path, "the private key is of no supported kind (ECDSA P-256/P-384, Ed25519, RSA)")),
    }
}

fn roots(path: &Path, pem: &[u8]) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for ca in certificates(path, pem)? {
        roots.add(ca).map_err(|error| invalid(path, error))?;
    }
    Ok(Arc::new(roots))
}

fn validity(path: &Path, leaf: &CertificateDer<'_>) -> Result<(SystemTime, SystemTime), TlsError> {
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|error| invalid(path, error))?;
    let time = |seconds: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let validity = leaf.validity();
    Ok((time(validity.not_before.timestamp()), time(validity.not_after.timestamp())))
}

fn check_validity(path: &Path, not_before: SystemTime, not_after: SystemTime, now: SystemTime) -> Result<(), TlsError> {
    let problem = if now > not_after {
        format!("ended {} s ago; renew it", seconds_between(not_after, now))
    } else if now < not_before {
        format!("begins only in {} s; check this machine's clock", seconds_between(now, not_before))
    } else {
        return Ok(());
    };
    Err(TlsError::Validity { path: path.to_owned(), problem })
}

fn seconds_between(earlier: SystemTime, later: SystemTime) -> u64 {
    later.duration_since(earlier).unwrap_or_default().as_secs()
}
