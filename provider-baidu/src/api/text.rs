//! What the cloud writes `null` for, or as a text where a number is meant.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// For `deserialize_with`: `null` is the default.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// For `deserialize_with`: a boolean, perhaps as a text.
pub(super) fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(value) => value,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    })
}

/// For `deserialize_with`: a boolean, perhaps as a text, perhaps not said.
pub(super) fn truth_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(value) => Some(value),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

/// For `deserialize_with`: a small number, perhaps as a text; 0 if it is none.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    Ok(number_or_none(deserializer)?.unwrap_or_default())
}

/// For `deserialize_with`: a small number, perhaps as a text, perhaps not said.
pub(super) fn number_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    Ok(count_or_none(deserializer)?.and_then(|number| u16::try_from(number).ok()))
}

/// For `deserialize_with`: a number, perhaps as a text, perhaps not said.
pub(super) fn count_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

/// For `deserialize_with`: a number of cards, perhaps as a text.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(count_or_none(deserializer)?.unwrap_or_default())
}

/// The addresses among texts, in order and once each; what is empty or `-` is none.
pub(super) fn addresses<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for address in texts.into_iter().filter_map(|text| text.trim().parse().ok()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// A tag as the cloud writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Tag {
    #[serde(deserialize_with = "or_default")]
    tag_key: String,
    #[serde(deserialize_with = "or_default")]
    tag_value: String,
}

impl Tag {
    pub(crate) fn new(key: &str, value: &str) -> Self {
        Self { tag_key: key.to_owned(), tag_value: value.to_owned() }
    }

    /// Key and value.
    pub(crate) fn pair(&self) -> (&str, &str) {
        (&self.tag_key, &self.tag_value)
    }

    pub(super) fn into_pair(self) -> (String, String) {
        (self.tag_key, self.tag_value)
    }
}

/// The states of machines in a region, BCC's and BBC's.
pub(super) mod state {
    use cloud_provider_api::v1::InstanceState;

    /// Whether it is gone: deleted, or in the recycle bin, where it neither runs nor keeps its address, which the next machine may
    /// get.
    pub(in crate::api) fn is_gone(status: &str) -> bool {
        ["Deleted", "Recycled"].iter().any(|gone| gone.eq_ignore_ascii_case(status))
    }

    /// The power state.
    pub(in crate::api) fn of(status: &str) -> InstanceState {
        match status.to_ascii_lowercase().as_str() {
            "running" => InstanceState::Running,
            "starting" | "creating" => InstanceState::Pending,
            "stopping" | "scaling" | "snapshotprocessing" | "imageprocessing" | "changevpc" | "recharging"
            | "rebuilding" | "rebooting" => InstanceState::Changing,
            "stopped" | "expired" => InstanceState::Stopped,
            "deleting" | "deleted" | "recycled" => InstanceState::Terminating,
            "error" => InstanceState::Failed,
            _ => InstanceState::Unspecified,
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn every_status_has_its_meaning() {
            use InstanceState::{Changing, Failed, Pending, Running, Stopped, Terminating, Unspecified};
            for (status, expected, gone) in [
                ("Running", Running, false),
                ("Starting", Pending, false),
                ("Stopping", Changing, false),
                ("Stopped", Stopped, false),
                ("Deleted", Terminating, true),
                ("Scaling", Changing, false),
                ("Expired", Stopped, false),
                ("Error", Failed, false),
                ("SnapshotProcessing", Changing, false),
                ("ImageProcessing", Changing, false),
                ("ChangeVpc", Changing, false),
                ("Recycled", Terminating, true),
                ("Recharging", Changing, false),
                ("RUNNING", Running, false),
                ("", Unspecified, false),
                ("SomethingNew", Unspecified, false),
            ] {
                assert_eq!((of(status), is_gone(status)), (expected, gone), "{status}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_left_out() {
        let found = addresses(["10.0.0.1", "", "-", "10.0.0.1", " fd00::1 "]);
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.1", "fd00::1"]);
    }

    #[test]
    fn numbers_and_truths_may_be_texts() {
        #[derive(Deserialize)]
        struct Form {
            #[serde(deserialize_with = "truth")]
            a: bool,
            #[serde(deserialize_with = "count")]
            b: u64,
        }
        for text in [r#"{"a":true,"b":2}"#, r#"{"a":"TRUE","b":"2"}"#] {
            let form: Form = serde_json::from_str(text).unwrap();
            assert!(form.a && form.b == 2, "{text}");
        }
        let form: Form = serde_json::from_str(r#"{"a":null,"b":null}"#).unwrap();
        assert!(!form.a && form.b == 0);
    }
}
