//! The server's certificates and TLS settings.

use rustls::crypto::ring;

/// The cipher suites of TLS 1.2 that can be chosen, in the IANA's names, and those of TLS 1.3, which are always on.
pub(crate) fn suite_names() -> Vec<String> {
    ring::ALL_CIPHER_SUITES.iter().map(|suite| iana_name(suite.suite())).collect()
}

fn iana_name(suite: rustls::CipherSuite) -> String {
    format!("{suite:?}").replace("TLS13_", "TLS_")
}
