//! A digest over values, the same in every build: it is kept in the cloud's records and compared after upgrades.

use std::fmt::Write;

use sha2::{Digest as _, Sha256};

/// Takes in values one after the other. Each is written with its length, so no two lists of values look alike.
pub struct Digest(Sha256);

impl Digest {
    /// Nothing taken in yet.
    #[allow(clippy::new_without_default)] // A digest of nothing is of no use to anybody.
    pub fn new() -> Self {
        Self(Sha256::new())
    }

    /// A text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.number(text.len() as u64);
        self.0.update(text);
        self
    }

    /// A number.
    pub fn number(&mut self, number: impl Into<u64>) -> &mut Self {
        self.0.update(number.into().to_be_bytes());
        self
    }

    /// Yes or no.
    pub fn flag(&mut self, flag: bool) -> &mut Self {
        self.number(u64::from(flag))
    }

    /// A value that may be absent.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
        self
    }

    /// A list, in its order.
    pub fn list<I: IntoIterator>(&mut self, items: I, mut write: impl FnMut(&mut Self, I::Item)) -> &mut Self
    where
        I::IntoIter: ExactSizeIterator,
    {
        let items = items.into_iter();
        self.number(items.len() as u64);
        for item in items {
            write(self, item);
        }
        self
    }

    /// The first `bytes` bytes, in hex.
    pub fn finish(self, bytes: usize) -> String {
        self.0.finalize().iter().take(bytes).fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(texts: &[&str]) -> String {
        let mut digest = Digest::new();
        digest.list(texts, |digest, text| {
            digest.text(text);
        });
        digest.finish(8)
    }

    #[test]
    fn stays_the_same_from_build_to_build() {
        // A change here makes every load balancer of every cluster be ensured again after an upgrade.
        assert_eq!(digest(&["a", "b"]), "b4ca2c4342080939");
    }

    #[test]
    fn boundaries_between_values_count() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&[]), digest(&[""]));
    }
}
