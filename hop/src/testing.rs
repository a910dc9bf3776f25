//! A certificate authority for tests and demonstrations: never for real use.

use std::{
    fs, io,
    net::IpAddr,
    path::Path,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::tls::TlsFiles;

const DAY: Duration = Duration::from_hours(24);

/// A private CA whose key lives in memory only.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a certificate is to say.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Names: a text with `://` is a URI, an IP literal an address, anything else a DNS name.
    pub names: Vec<String>,
    /// From when it is valid.
    pub not_before: SystemTime,
    /// Until when it is valid.
    pub not_after: SystemTime,
    /// Fit for servers.
    pub server: bool,
    /// Fit for clients.
    pub client: bool,
}

impl Wanted {
    /// Valid from yesterday for a month, for servers and clients.
    pub fn named(names: &[&str]) -> Self {
        let now = SystemTime::now();
        Self {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            not_before: now - DAY,
            not_after: now + 30 * DAY,
            server: true,
            client: true,
        }
    }
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub private_key: String,
}

impl Authority {
    /// A new CA.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        Self(CertifiedIssuer::self_signed(params, key).expect("a CA can sign itself"))
    }

    /// The CA's certificate as PEM.
    pub fn certificate(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate with a fresh key.
    pub fn issue(&self, wanted: &Wanted) -> Issued {
        let mut params = CertificateParams::default();
        params.subject_alt_names = wanted.names.iter().map(|name| subject_alternative_name(name)).collect();
        params.not_before = wanted.not_before.into();
        params.not_after = wanted.not_after.into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if wanted.server {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        if wanted.client {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        }
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.0).expect("the CA can sign");
        Issued { certificate: certificate.pem(), private_key: key.serialize_pem() }
    }

    /// Issues a certificate for servers and clients and writes it to `directory`: see [`write()`].
    pub fn write(&self, directory: &Path, names: &[&str]) -> io::Result<TlsFiles> {
        write(directory, &self.issue(&Wanted::named(names)), &[self])
    }
}

fn subject_alternative_name(name: &str) -> SanType {
    if name.contains("://") {
        SanType::URI(name.try_into().expect("a URI is ASCII"))
    } else if let Ok(ip) = name.parse::<IpAddr>() {
        SanType::IpAddress(ip)
    } else {
        SanType::DnsName(name.try_into().expect("a DNS name is ASCII"))
    }
}

/// Writes `tls.crt`, `tls.key` and `ca.crt`, the names of a mounted Secret, each file replaced at once.
pub fn write(directory: &Path, issued: &Issued, trusted: &[&Authority]) -> io::Result<TlsFiles> {
    let files = TlsFiles {
        certificate: directory.join("tls.crt"),
        private_key: directory.join("tls.key"),
        ca: directory.join("ca.crt"),
    };
    let bundle: String = trusted.iter().map(|authority| authority.certificate()).collect();
    replace(&files.ca, &bundle)?;
    replace(&files.private_key, &issued.private_key)?;
    replace(&files.certificate, &issued.certificate)?;
    Ok(files)
}

fn replace(path: &Path, content: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, content)?;
    fs::rename(new, path)
}
