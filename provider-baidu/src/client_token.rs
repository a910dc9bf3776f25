//! Tokens by which the cloud knows a call it has carried out already.

use sha2::{Digest, Sha256};

/// Longest token the cloud takes, in bytes.
const LONGEST: usize = 64;

/// The token of a call that makes something: the same for the same parts, whoever makes the call and however often, and another for
/// any other. Parts are what the thing is made for and from, each for itself: `a`, `bc` is not `ab`, `c`.
pub fn client_token(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut token = hex::encode(hash.finalize());
    token.truncate(LONGEST);
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_calls_have_equal_tokens_and_others_have_others() {
        let token = client_token(&["cluster", "service"]);
        assert_eq!(token, client_token(&["cluster", "service"]));
        for other in [&["clusters", "ervice"][..], &["cluster"], &["cluster", "service", ""], &["service", "cluster"]] {
            assert_ne!(token, client_token(other), "{other:?}");
        }
        assert!(token.is_ascii() && token.len() <= LONGEST && token.len() >= 32);
    }
}
