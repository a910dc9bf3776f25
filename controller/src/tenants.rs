//! The map of namespaces to tenants in force, swapped as a whole when its file changes. A file that is not right is refused and
//! told of, and the map that was there stays.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use controller_core::tenancy::TenantMap;
use provider_hop::ReloadTask;
use serde_json::Value;
use tokio::sync::watch;

use crate::metrics::TenantMapMetrics;

/// The map in force. Clones share it.
#[derive(Clone, Debug)]
pub struct Tenants {
    current: watch::Sender<Arc<TenantMap>>,
}

impl Tenants {
    /// This map, until another one is taken over.
    pub fn new(map: TenantMap) -> Self {
        Self { current: watch::Sender::new(Arc::new(map)) }
    }

    /// The map now.
    pub fn current(&self) -> Arc<TenantMap> {
        self.current.borrow().clone()
    }

    /// The map now and at each change.
    pub fn follow(&self) -> watch::Receiver<Arc<TenantMap>> {
        self.current.subscribe()
    }

    /// Puts another map in force.
    pub fn take_over(&self, map: TenantMap) {
        self.current.send_if_modified(|current| {
            let other = **current != map;
            if other {
                *current = Arc::new(map);
            }
            other
        });
    }

    /// Follows the file until the task is dropped.
    pub fn watch(&self, file: PathBuf, metrics: TenantMapMetrics) -> ReloadTask {
        let reload = Reload { tenants: self.clone(), file, fault: Mutex::default(), metrics };
        let file = reload.file.clone();
        ReloadTask::start("tenant map", &[&file], move || reload.read())
    }
}

struct Reload {
    tenants: Tenants,
    file: PathBuf,
    /// Why the file on disk is not the map in force.
    fault: Mutex<Option<String>>,
    metrics: TenantMapMetrics,
}

impl Reload {
    fn read(&self) {
        let read = std::fs::read(&self.file).map_err(|error| error.to_string()).and_then(|bytes| parse(&bytes));
        let mut known = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(map) => {
                if *self.tenants.current() != map {
                    tracing::info!(file = %self.file.display(), tenants = map.tenants().len(), "tenant map reloaded");
                }
                self.tenants.take_over(map);
                *known = None;
            }
            // Said once per fault, not once per reading.
            Err(fault) if known.as_ref() != Some(&fault) => {
                tracing::warn!(file = %self.file.display(), fault, "new tenant map refused, the old one stays in force");
                self.metrics.refused.inc();
                *known = Some(fault);
            }
            Err(_) => {}
        }
        self.metrics.stale.set(i64::from(known.is_some()));
    }
}

/// Reads a map: `{unmapped: TENANT, namespaces: {NAMESPACE: TENANT}}`, or only what stands under `namespaces`.
///
/// # Errors
/// What is wrong with it, all in one text.
pub fn parse(bytes: &[u8]) -> Result<TenantMap, String> {
    let file: BTreeMap<String, Value> = serde_saphyr::from_slice(bytes).map_err(|error| error.to_string())?;
    let (namespaces, unmapped) = match file.get("namespaces") {
        Some(Value::Object(namespaces)) => {
            if let Some(other) = file.keys().find(|key| !["namespaces", "unmapped"].contains(&key.as_str())) {
                return Err(format!("{other:?} is neither namespaces nor unmapped"));
            }
            (namespaces.clone().into_iter().collect(), file.get("unmapped").cloned())
        }
        _ => (file, None),
    };
    let text = |key: &str, value: Value| match value {
        Value::String(text) => Ok(text),
        other => Err(format!("{key}: {other} is no name of a tenant")),
    };
    let unmapped = match unmapped.map(|value| text("unmapped", value)).transpose()? {
        None => Some(String::new()),
        Some(word) if word == REFUSE => None,
        Some(tenant) => Some(tenant),
    };
    let entries = namespaces
        .into_iter()
        .map(|(namespace, value)| Ok((namespace.clone(), text(&namespace, value)?)))
        .collect::<Result<_, String>>()?;
    TenantMap::new(&entries, unmapped).map_err(|faults| faults.join("; "))
}

/// The word for "namespaces that are not mapped have no tenant".
const REFUSE: &str = "refuse";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_what_is_wrong_is_told() {
        for (text, shop, other) in [
            ("shop: a\n'bank-*': b\n", Some("a"), Some("")),
            ("{\"namespaces\": {\"shop\": \"a\"}}", Some("a"), Some("")),
            ("unmapped: rest\nnamespaces: { shop: a }", Some("a"), Some("rest")),
            ("unmapped: refuse\nnamespaces: { shop: a }", Some("a"), None),
            ("namespaces: a", Some(""), Some("")),
            ("{}", Some(""), Some("")),
        ] {
            let map = parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert_eq!((map.of("shop"), map.of("other")), (shop, other), "{text}");
        }
        for (text, part) in [
            ("- shop", ""),
            ("shop: 7", "shop: 7"),
            ("unmaped: refuse\nnamespaces: { shop: a }", "unmaped"),
            ("unmapped: [a]\nnamespaces: { shop: a }", "unmapped"),
            ("Shop: a", "Shop"),
        ] {
            let fault = parse(text.as_bytes()).expect_err(text);
            assert!(fault.contains(part), "{part} not in {fault}");
        }
    }

    #[test]
    fn a_wrong_file_leaves_the_map_as_it_is_and_is_counted_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tenants.yaml");
        let tenants = Tenants::new(parse(b"shop: a").expect("a map"));
        let metrics = TenantMapMetrics::default();
        let reload =
            Reload { tenants: tenants.clone(), file: file.clone(), fault: Mutex::default(), metrics: metrics.clone() };
        let mut changes = tenants.follow();
        let mut write = |text: &str| {
            std::fs::write(&file, text).expect("written");
            reload.read();
            changes.has_changed().expect("there") && {
                changes.mark_unchanged();
                true
            }
        };
        assert!(!write("shop: a"), "the same");
        assert!(!write("shop: [") && !write("shop: ["));
        assert_eq!((tenants.current().of("shop"), metrics.refused.get(), metrics.stale.get()), (Some("a"), 1, 1));
        assert!(write("shop: b"));
        assert_eq!((tenants.current().of("shop"), metrics.stale.get()), (Some("b"), 0));
    }
}
