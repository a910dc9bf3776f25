//! Certificates for tests: an authority, and what it issues. Keys are ECDSA P-256, the defaults last for decades.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// A certificate authority.
pub struct Ca {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    /// A new authority of this name.
    pub fn new(common_name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// The authority's certificate.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for a server reached under these names: DNS names, IP addresses, or URIs.
    pub fn server(&self, names: &[&str]) -> Result<Identity> {
        let common_name = names.first().copied().unwrap_or("server");
        self.issue(common_name, &[], names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a client. Kubernetes reads the common name as the user and the organisations as its groups; others
    /// look at the names, which are DNS names, IP addresses, or URIs.
    pub fn client(&self, common_name: &str, organizations: &[&str], names: &[&str]) -> Result<Identity> {
        self.issue(common_name, organizations, names, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        common_name: &str,
        organizations: &[&str],
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.iter().map(|name| alternative_name(name)).collect::<Result<_>>()?;
        params.distinguished_name.push(DnType::CommonName, common_name);
        for organization in organizations {
            params.distinguished_name.push(DnType::OrganizationName, *organization);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca").finish_non_exhaustive()
    }
}

fn alternative_name(name: &str) -> Result<SanType> {
    let text = || name.try_into().with_context(|| format!("{name:?} cannot stand in a certificate"));
    Ok(match name.parse() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) if name.contains("://") => SanType::URI(text()?),
        Err(_) => SanType::DnsName(text()?),
    })
}

/// A certificate and its key.
pub struct Identity {
    /// The certificate.
    pub certificate_pem: String,
    /// The key, PKCS #8.
    pub key_pem: String,
}

impl Identity {
    /// Writes `<name>.crt` and `<name>.key`, each by rename, so that a reader never sees half a file.
    pub fn write(&self, folder: &Path, name: &str) -> Result<IdentityFiles> {
        Ok(IdentityFiles {
            certificate: write(folder, &format!("{name}.crt"), &self.certificate_pem)?,
            key: write(folder, &format!("{name}.key"), &self.key_pem)?,
        })
    }
}

/// Where an [`Identity`] was written.
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

/// A key pair that signs tokens.
pub(crate) struct SigningKey {
    pub(crate) private_pem: String,
    pub(crate) public_pem: String,
}

impl SigningKey {
    pub(crate) fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        Ok(Self { private_pem: key.serialize_pem(), public_pem: key.public_key_pem() })
    }
}

/// Writes a file by rename and answers its path.
pub fn write(folder: &Path, name: &str, content: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, content.as_bytes())?;
    file.persist(&path).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_the_right_kind_of_alternative_name() {
        let kind = |name: &str| match alternative_name(name).expect("a name") {
            SanType::IpAddress(_) => "address",
            SanType::URI(_) => "uri",
            SanType::DnsName(_) => "dns",
            _ => "other",
        };
        assert_eq!(kind("127.0.0.1"), "address");
        assert_eq!(kind("::1"), "address");
        assert_eq!(kind("spiffe://cluster/controller"), "uri");
        assert_eq!(kind("provider.example.com"), "dns");
        assert!(alternative_name("héhé").is_err());
    }
}
