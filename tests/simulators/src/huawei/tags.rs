//! Tags, which all services have alike.

use serde::{Deserialize, Serialize};

/// Most tags of one object.
const MOST: usize = 20;

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// At most 36 characters, not empty.
    pub key: String,
    /// At most 43 characters.
    #[serde(default)]
    pub value: String,
}

/// Why no object can have these tags.
pub(super) fn fault(tags: &[Tag]) -> Option<String> {
    if tags.len() > MOST {
        return Some(format!("there are more than {MOST}"));
    }
    let allowed = |c: &char| c.is_alphanumeric() || "_-.@".contains(*c);
    tags.iter().enumerate().find_map(|(place, Tag { key, value })| {
        if key.is_empty() || key.chars().count() > 36 || value.chars().count() > 43 {
            return Some(format!("'{key}' is too short or too long"));
        }
        if let Some(bad) = key.chars().chain(value.chars()).find(|c| !allowed(c)) {
            return Some(format!("'{bad}' cannot stand in a tag"));
        }
        tags[..place].iter().any(|other| other.key == *key).then(|| format!("the key '{key}' repeats"))
    })
}
