//! A page of a list whose answers name the next marker: all of them are built alike but for the name of their items.

use cloud_rest::paging::{Page, Parts};
use serde::{Deserialize, de::DeserializeOwned};

use super::text::{or_default, truth};

/// Something that is listed.
pub(crate) trait Listed: DeserializeOwned {
    /// What tells two of them apart.
    fn id(&self) -> &str;
}

/// As it is on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: DeserializeOwned")]
struct Wire<T> {
    #[serde(
        alias = "instances",
        alias = "routeRules",
        alias = "blbList",
        alias = "listenerList",
        alias = "backendServerList"
    )]
    #[serde(alias = "eipList", alias = "subnets", alias = "appServerGroupList", alias = "appIpGroupList")]
    #[serde(alias = "memberList", alias = "clusters", alias = "policyList")]
    items: Vec<T>,
    #[serde(default, deserialize_with = "or_default")]
    next_marker: String,
    #[serde(default, deserialize_with = "truth")]
    is_truncated: bool,
}

/// A page.
#[derive(Deserialize)]
#[serde(try_from = "Wire<T>", bound = "T: DeserializeOwned")]
pub(super) struct ByMarker<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T> TryFrom<Wire<T>> for ByMarker<T> {
    type Error = &'static str;

    fn try_from(wire: Wire<T>) -> Result<Self, Self::Error> {
        match (wire.is_truncated, wire.next_marker) {
            // Taken for the last page, it would make what follows absent.
            (true, next) if next.is_empty() => Err("the page says that others follow, but not which"),
            (more, next) => Ok(Self { items: wire.items, next: more.then_some(next) }),
        }
    }
}

impl<T: Listed> Page for ByMarker<T> {
    type Item = T;

    fn split(self) -> Parts<T> {
        Parts { items: self.items, next: self.next, total: None }
    }

    fn id(item: &T) -> &str {
        item.id()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    struct Item {
        id: String,
    }

    impl Listed for Item {
        fn id(&self) -> &str {
            &self.id
        }
    }

    fn next(more: bool, marker: &str) -> Result<Option<String>, serde_json::Error> {
        let wire = json!({"marker": "", "isTruncated": more, "nextMarker": marker, "maxKeys": 1000, "instances": [{"id": "a"}]});
        serde_json::from_value::<ByMarker<Item>>(wire).map(|page| page.split().next)
    }

    #[test]
    fn a_page_that_is_cut_off_names_the_next_one_or_is_no_page() {
        assert_eq!(next(true, "m-2").unwrap().as_deref(), Some("m-2"));
        assert_eq!(next(false, "").unwrap(), None);
        assert_eq!(next(false, "m-2").unwrap(), None, "the marker is said only where others follow");
        assert!(next(true, "").is_err());
        assert!(
            serde_json::from_value::<ByMarker<Item>>(json!({"isTruncated": false})).is_err(),
            "no items is no page"
        );
    }
}
