//! Text that is never shown.

use std::fmt;

use zeroize::Zeroizing;

/// What stands for a secret wherever it would have been shown.
const REDACTED: &str = "[redacted]";

/// A secret: wiped from memory when dropped, printed as `[redacted]`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. What is done with it is the caller's responsibility.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text without this secret in it.
    pub fn remove_from(&self, text: &str) -> String {
        // A few letters would be found by chance, and are no secret.
        if self.0.len() < 8 { text.to_owned() } else { text.replace(self.0.as_str(), REDACTED) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_not_shown() {
        let secret = Secret::new("marker-secret");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "[redacted] [redacted] Some([redacted])");
        assert_eq!(secret.remove_from("key marker-secret is wrong"), "key [redacted] is wrong");
    }

    #[test]
    fn what_is_too_short_to_be_one_leaves_text_alone() {
        assert_eq!(Secret::new("a").remove_from("a bad day"), "a bad day");
        assert_eq!(Secret::default().remove_from("text"), "text");
    }
}
