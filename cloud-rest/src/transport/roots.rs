//! Who is trusted to vouch for a cloud's endpoints.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::TransportError;

/// Where Linux distributions keep the system's certificates, as one file. The first that exists counts.
const SYSTEM: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The system's certificates, plus those of `SSL_CERT_FILE`, plus the files named.
pub(super) fn client_config(files: &[PathBuf]) -> Result<ClientConfig, TransportError> {
    let environment = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()).map(PathBuf::from);
    let mut roots = RootCertStore::empty();
    if let Some(system) = SYSTEM.iter().map(Path::new).find(|file| file.exists()) {
        // One odd certificate in the system's bundle is not our matter.
        roots.add_parsable_certificates(read(system)?);
    }
    for file in environment.iter().chain(files) {
        let certificates = read(file)?;
        if certificates.is_empty() {
            return Err(fault(file, "it holds no certificate in PEM form"));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| fault(file, &error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TransportError::Setup(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(|error| fault(file, &error))
}

fn fault(path: &Path, cause: &(impl ToString + ?Sized)) -> TransportError {
    TransportError::CaFile { path: path.to_owned(), cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused_by_name() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("ca.pem");
        for content in [None, Some(""), Some("nothing of the kind")] {
            if let Some(content) = content {
                std::fs::write(&file, content).unwrap();
            }
            let error = client_config(std::slice::from_ref(&file)).unwrap_err().to_string();
            assert!(error.contains("ca.pem"), "{error}");
        }
    }
}
