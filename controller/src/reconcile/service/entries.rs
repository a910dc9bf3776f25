//! What is kept of each Service between two steps.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use controller_core::{service::record::Record, view::Service};
use tokio::sync::OwnedMutexGuard;

/// What is kept of all Services that are, or may be, of concern.
pub(super) struct Entries {
    entries: Mutex<HashMap<String, Entry>>,
    /// Time between two looks at a load balancer, before jitter.
    audit: Duration,
}

struct Entry {
    /// The lane it is in.
    lane: usize,
    /// The provider refused what it wants.
    held: bool,
    memory: Arc<tokio::sync::Mutex<Memory>>,
}

/// What is kept of one Service.
pub(super) struct Memory {
    pub(super) record: Record,
    /// The Service as our own last write left it, which the cache may not show yet.
    written: Option<Arc<Service>>,
    /// Time between two looks at the cloud, this Service's own.
    pub(super) audit: Duration,
}

impl Memory {
    /// Notes how our own write left the Service, or how it was just read.
    pub(super) fn wrote(&mut self, service: Arc<Service>) {
        self.written = Some(service);
    }

    /// The newest form of the Service that is known, given what the cache shows.
    pub(super) fn newest(&mut self, cached: Option<Arc<Service>>) -> Option<Arc<Service>> {
        let written = self.written.take().zip(cached.as_ref());
        match written {
            Some((written, cached)) if written.uid == cached.uid && is_newer(&written, cached) => {
                self.written = Some(Arc::clone(&written));
                Some(written)
            }
            _ => cached,
        }
    }
}

/// Whether `a` is a later version of the object than `b`. Resource versions that cannot be compared say nothing.
fn is_newer(a: &Service, b: &Service) -> bool {
    match (a.resource_version.parse::<u128>(), b.resource_version.parse::<u128>()) {
        (Ok(a), Ok(b)) => a > b,
        _ => false,
    }
}

/// Whoever has this is the only one who works on the Service.
pub(super) type InHand = OwnedMutexGuard<Memory>;

impl Entries {
    pub(super) fn new(audit: Duration) -> Self {
        Self { entries: Mutex::default(), audit }
    }

    /// Takes the Service's memory in hand; `None`: it was forgotten.
    pub(super) async fn take_in_hand(&self, key: &str) -> Option<InHand> {
        loop {
            let memory = self.memory(key)?;
            let in_hand = Arc::clone(&memory).lock_owned().await;
            // It may have been forgotten while we waited, and made anew since.
            if Arc::ptr_eq(&self.memory(key)?, &memory) {
                return Some(in_hand);
            }
        }
    }

    fn memory(&self, key: &str) -> Option<Arc<tokio::sync::Mutex<Memory>>> {
        self.lock().get(key).map(|entry| Arc::clone(&entry.memory))
    }

    /// Notes which lane a Service is in, making its memory on first use.
    pub(super) fn put_in_lane(&self, key: &str, lane: usize) {
        let mut entries = self.lock();
        if let Some(entry) = entries.get_mut(key) {
            entry.lane = lane;
            return;
        }
        let audit = super::jittered(self.audit);
        let memory = Arc::new(tokio::sync::Mutex::new(Memory { record: Record::default(), written: None, audit }));
        entries.insert(key.to_owned(), Entry { lane, held: false, memory });
    }

    /// The lane a Service is in; `None`: it is of no concern.
    pub(super) fn lane_of(&self, key: &str) -> Option<usize> {
        self.lock().get(key).map(|entry| entry.lane)
    }

    /// The keys in a lane.
    pub(super) fn in_lane(&self, lane: usize) -> Vec<String> {
        self.keys(|entry| entry.lane == lane)
    }

    /// The keys in a lane whose provider refused what they want.
    pub(super) fn held_in(&self, lane: usize) -> Vec<String> {
        self.keys(|entry| entry.lane == lane && entry.held)
    }

    fn keys(&self, which: impl Fn(&Entry) -> bool) -> Vec<String> {
        self.lock().iter().filter(|(_, entry)| which(entry)).map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn set_held(&self, key: &str, held: bool) {
        if let Some(entry) = self.lock().get_mut(key) {
            entry.held = held;
        }
    }

    /// Forgets a Service. Only for whoever has it in hand.
    pub(super) fn forget(&self, key: &str) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::objects::ServiceObject;

    fn service(uid: &str, version: &str) -> Arc<Service> {
        let object = serde_json::json!({"metadata": {"name": "web", "uid": uid, "resourceVersion": version}});
        Arc::new(serde_json::from_value::<ServiceObject>(object).expect("a Service").into())
    }

    fn memory() -> Memory {
        Memory { record: Record::default(), written: None, audit: Duration::ZERO }
    }

    #[test]
    fn our_own_write_counts_until_the_cache_shows_it() {
        for (case, written, cached, expected) in [
            ("the cache lags behind", ("u1", "9"), ("u1", "8"), "9"),
            ("the cache has caught up", ("u1", "9"), ("u1", "10"), "10"),
            ("another Service of that name", ("u1", "9"), ("u2", "8"), "8"),
            ("versions that do not compare", ("u1", "b"), ("u1", "a"), "a"),
        ] {
            let mut memory = memory();
            memory.wrote(service(written.0, written.1));
            let newest = memory.newest(Some(service(cached.0, cached.1))).expect("there");
            assert_eq!(newest.resource_version, expected, "{case}");
        }
    }

    #[test]
    fn a_service_that_is_gone_is_gone_although_we_wrote_it() {
        let mut memory = memory();
        memory.wrote(service("u1", "9"));
        assert_eq!(memory.newest(None), None);
    }

    #[tokio::test]
    async fn one_at_a_time_works_on_a_service() {
        let entries = Arc::new(Entries::new(Duration::from_secs(60)));
        assert!(entries.take_in_hand("ns/web").await.is_none(), "of no concern");
        entries.put_in_lane("ns/web", 0);
        let first = entries.take_in_hand("ns/web").await.expect("there");
        let mut second = tokio_test::task::spawn(entries.take_in_hand("ns/web"));
        assert!(second.poll().is_pending());
        entries.put_in_lane("ns/web", 1);
        drop(first);
        assert!(second.poll().is_ready());
        assert_eq!(entries.lane_of("ns/web"), Some(1));
    }

    #[tokio::test]
    async fn whoever_waited_for_a_forgotten_service_finds_it_gone() {
        let entries = Entries::new(Duration::from_secs(60));
        entries.put_in_lane("ns/web", 0);
        let first = entries.take_in_hand("ns/web").await.expect("there");
        let mut second = tokio_test::task::spawn(entries.take_in_hand("ns/web"));
        assert!(second.poll().is_pending());
        entries.forget("ns/web");
        drop(first);
        assert!(matches!(second.poll(), std::task::Poll::Ready(None)));
    }
}
