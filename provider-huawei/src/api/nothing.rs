//! The cloud writes `null` where it means an empty text, list or object.

use serde::{Deserialize, Deserializer};

/// For `deserialize_with`: `null` is the default.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
