//! Names in certificates, compared exactly.

use std::{fmt, net::IpAddr, str::FromStr};

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// A subject alternative name. Common names are never looked at, and wildcards neither written nor matched.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum San {
    /// A URI, for instance a SPIFFE id. Compared byte by byte.
    Uri(String),
    /// A DNS name, in lower case.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
}

/// Why a text is no name to pin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SAN {text:?}: {problem}")]
pub struct SanError {
    text: String,
    problem: &'static str,
}

impl FromStr for San {
    type Err = SanError;

    fn from_str(text: &str) -> Result<Self, SanError> {
        let fail = |problem| SanError { text: text.to_owned(), problem };
        if text.contains('*') {
            return Err(fail("a wildcard would let in whoever gets a certificate under it; write the exact name"));
        }
        if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(fail("must be one URI, DNS name or IP address"));
        }
        if text.contains("://") {
            return Ok(Self::Uri(text.to_owned()));
        }
        if let Ok(ip) = text.parse() {
            return Ok(Self::Ip(ip));
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')) {
            return Err(fail("is neither a URI (with ://) nor a DNS name nor an IP address"));
        }
        Ok(Self::Dns(text.trim_end_matches('.').to_ascii_lowercase()))
    }
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(name) | Self::Dns(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

/// The names of a certificate that could be pinned: wildcards and other kinds of names are left out. An unreadable
/// certificate has none.
pub(crate) fn names_of(certificate: &CertificateDer<'_>) -> Vec<San> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    names.value.general_names.iter().filter_map(pinnable).collect()
}

fn pinnable(name: &GeneralName<'_>) -> Option<San> {
    match name {
        GeneralName::URI(uri) if !uri.contains('*') => Some(San::Uri((*uri).to_owned())),
        GeneralName::DNSName(dns) => dns.parse().ok().filter(|san| matches!(san, San::Dns(_))),
        GeneralName::IPAddress(bytes) => ip_of(bytes).map(San::Ip),
        _ => None,
    }
}

fn ip_of(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_one_exact_name() {
        let parse = |text: &str| text.parse::<San>();
        assert_eq!(parse("spiffe://example/ccm"), Ok(San::Uri("spiffe://example/ccm".to_owned())));
        assert_eq!(parse("CCM.Example.org."), Ok(San::Dns("ccm.example.org".to_owned())));
        assert_eq!(parse("::1"), Ok(San::Ip("::1".parse().unwrap())));
        for wrong in ["", "*.example.org", "spiffe://example/*", "two names", "naïve.example", "a/b"] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?}")), "{error}");
        }
    }

    #[test]
    fn only_pinnable_names_are_read_from_a_certificate() {
        let mut params =
            rcgen::CertificateParams::new(["Ccm.example", "*.example", "10.0.0.1"].map(str::to_owned)).unwrap();
        params.subject_alt_names.push(rcgen::SanType::URI("spiffe://example/ccm".try_into().unwrap()));
        params.distinguished_name.push(rcgen::DnType::CommonName, "common.example");
        let key = rcgen::KeyPair::generate().unwrap();
        let names = names_of(params.self_signed(&key).unwrap().der());
        let expected: Vec<San> =
            ["ccm.example", "10.0.0.1", "spiffe://example/ccm"].iter().map(|name| name.parse().unwrap()).collect();
        assert_eq!(names, expected);
    }
}
