//! Small notations of scenario files.

use std::{fmt::Display, str::FromStr, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Error as _},
};

/// A value written as text, for instance a CIDR.
pub(super) fn parse<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error| D::Error::custom(format!("{text:?}: {error}")))
}

/// A duration such as `30ms`, `2s` or `1m30s`. A bare number is refused: its unit would be a guess.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// As [`duration`], where absence means something.
pub(super) fn optional_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// Reads a duration such as `30ms`, `2s` or `1m30s`.
///
/// # Errors
/// Says what was read and how to write it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let fix = || format!("{text:?} is not a duration: write for instance 30ms, 2s or 1m30s");
    let signed: jiff::SignedDuration = text.parse().map_err(|_| fix())?;
    Duration::try_from(signed).map_err(|_| fix())
}

/// A pattern in which `*` stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Whether the whole of `text` fits.
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.len() >= last.len() && rest.ends_with(last)
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Glob {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// One pattern or a list of them.
pub(super) fn globs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Glob>, D::Error> {
    struct OneOrMany;
    impl<'de> de::Visitor<'de> for OneOrMany {
        type Value = Vec<Glob>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a name or a list of names")
        }

        fn visit_str<E: de::Error>(self, value: &str) -> Result<Vec<Glob>, E> {
            Ok(vec![Glob::from(value)])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Glob>, A::Error> {
            let mut globs = Vec::new();
            while let Some(glob) = seq.next_element()? {
                globs.push(glob);
            }
            Ok(globs)
        }
    }
    deserializer.deserialize_any(OneOrMany)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_fits_the_whole_text() {
        let check = |pattern: &str, text: &str, want: bool| {
            assert_eq!(Glob::from(pattern).matches(text), want, "{pattern} on {text}");
        };
        check("node-1", "node-1", true);
        check("node-1", "node-10", false);
        check("node-*", "node-10", true);
        check("*", "", true);
        check("*-1", "node-1", true);
        check("a*b*c", "aXbYc", true);
        check("a*b*c", "aXc", false);
        check("ab*ba", "aba", false);
        check("default/*", "other/web", false);
    }

    #[test]
    fn a_duration_has_a_unit() {
        let check = |text: &str, want: Option<u64>| {
            assert_eq!(parse_duration(text).ok(), want.map(Duration::from_millis), "{text}");
        };
        check("30ms", Some(30));
        check("2s", Some(2_000));
        check("1m30s", Some(90_000));
        check("0s", Some(0));
        check("5", None);
        check("-1s", None);
        check("", None);
        check("soon", None);
    }
}
