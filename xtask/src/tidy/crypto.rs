//! One crypto provider in the whole tree, and packages from one place.

use super::lock::Lock;

/// Other implementations of cryptography or TLS. `openssl-probe` only looks for certificate files.
const OTHERS: [&str; 9] = [
    "aws-lc-fips-sys",
    "aws-lc-rs",
    "aws-lc-sys",
    "boring",
    "mbedtls",
    "native-tls",
    "openssl",
    "openssl-sys",
    "rustls-openssl",
];

/// What Cargo.lock has that it should not have.
pub(super) fn check(lock: &Lock) -> Vec<String> {
    let mut wrong: Vec<String> = OTHERS
        .iter()
        .filter(|name| lock.versions(name) > 0)
        .map(|name| format!("Cargo.lock: {name} is a second crypto provider; the one of this tree is ring"))
        .collect();
    if lock.versions("ring") > 1 {
        wrong.push("Cargo.lock: more than one version of ring".to_owned());
    }
    let foreign = lock.foreign.iter();
    wrong.extend(foreign.map(|(name, source)| format!("Cargo.lock: {name} comes from {source}, not from crates.io")));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_crypto_provider_or_source_is_found() {
        #[track_caller]
        fn check(packages: &[(&str, &str, &str)], expected: &[&str]) {
            let entry = |(name, version, source): &(&str, &str, &str)| {
                format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\n")
            };
            let lock = Lock::parse(&packages.iter().map(entry).collect::<String>()).unwrap();
            let found = super::check(&lock);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            assert!(found.iter().zip(expected).all(|(found, words)| found.contains(words)), "{found:?}");
        }
        let here = "registry+https://github.com/rust-lang/crates.io-index";
        check(&[("ring", "0.17.0", here), ("openssl-probe", "0.2.0", here)], &[]);
        check(&[("ring", "0.17.0", here), ("ring", "0.18.0", here)], &["more than one version of ring"]);
        check(&[("aws-lc-rs", "1.0.0", here)], &["aws-lc-rs is a second"]);
        check(&[("openssl", "0.10.0", here)], &["openssl is a second"]);
        check(&[("ring", "0.17.0", "git+https://example.com/ring")], &["ring comes from git"]);
    }
}
