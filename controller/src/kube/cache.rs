//! A watch cache of trimmed objects, shared by everything that reads them.
//!
//! One list and one watch per kind, whoever reads. Subscribers hear of an object only when something a decision reads has
//! changed: a kubelet's heartbeat updates the cache and wakes nobody.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Debug,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use controller_core::view::{EndpointSlice, Node, Service};
use futures::{Stream, StreamExt};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::objects::{EndpointSliceObject, NodeObject, ServiceObject};

/// A kind of object a [`Cache`] can hold.
pub trait Cached: Clone + PartialEq + Send + Sync + 'static {
    /// The object as it comes over the wire.
    type Object: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Into<Self> + Send + 'static;

    /// Its key: the name, or `namespace/name`.
    fn key(&self) -> String;

    /// Where the resource version is kept.
    fn resource_version(&mut self) -> &mut String;

    /// What it is found under together with others, if that is of use.
    fn group(&self) -> Option<String> {
        None
    }

    /// Whether both hold the same but for the resource version.
    fn same_content(&self, other: &Self) -> bool {
        let (mut a, mut b) = (self.clone(), other.clone());
        a.resource_version().clear();
        b.resource_version().clear();
        a == b
    }
}

impl Cached for Node {
    type Object = NodeObject;

    fn key(&self) -> String {
        self.name.clone()
    }

    fn resource_version(&mut self) -> &mut String {
        &mut self.resource_version
    }
}

impl Cached for EndpointSlice {
    type Object = EndpointSliceObject;

    fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    fn resource_version(&mut self) -> &mut String {
        &mut self.resource_version
    }

    /// The key of its Service.
    fn group(&self) -> Option<String> {
        (!self.service.is_empty()).then(|| format!("{}/{}", self.namespace, self.service))
    }
}

impl Cached for Service {
    type Object = ServiceObject;

    fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    fn resource_version(&mut self) -> &mut String {
        &mut self.resource_version
    }
}

/// What happened to one object. `old` is `None` for a new one, `new` is `None` for one that is gone.
#[derive(Debug)]
pub struct Change<T> {
    /// Before.
    pub old: Option<Arc<T>>,
    /// After.
    pub new: Option<Arc<T>>,
}

impl<T> Clone for Change<T> {
    fn clone(&self) -> Self {
        Self { old: self.old.clone(), new: self.new.clone() }
    }
}

/// The cache. Clones share it.
#[derive(Debug)]
pub struct Cache<T>(Arc<Shared<T>>);

impl<T> Clone for Cache<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    synced: watch::Sender<bool>,
}

#[derive(Debug)]
struct State<T> {
    objects: HashMap<String, Arc<T>>,
    /// Keys of the objects, by group.
    groups: HashMap<String, BTreeSet<String>>,
    /// Collects a running listing; takes the place of `objects` when the listing is complete.
    listing: Option<HashMap<String, Arc<T>>>,
    subscribers: Vec<mpsc::UnboundedSender<Change<T>>>,
}

impl<T> State<T> {
    fn tell(&mut self, change: &Change<T>) {
        self.subscribers.retain(|subscriber| subscriber.send(change.clone()).is_ok());
    }
}

impl<T: Cached> State<T> {
    fn put(&mut self, object: &Arc<T>) -> Option<Arc<T>> {
        let key = object.key();
        let old = self.objects.insert(key.clone(), Arc::clone(object));
        let (was, is) = (old.as_ref().and_then(|old| old.group()), object.group());
        if was != is {
            self.leave(was, &key);
            if let Some(group) = is {
                self.groups.entry(group).or_default().insert(key);
            }
        }
        old
    }

    fn remove(&mut self, key: &str) -> Option<Arc<T>> {
        let old = self.objects.remove(key)?;
        self.leave(old.group(), key);
        Some(old)
    }

    fn leave(&mut self, group: Option<String>, key: &str) {
        let Some(group) = group else { return };
        if let Some(keys) = self.groups.get_mut(&group) {
            keys.remove(key);
            if keys.is_empty() {
                self.groups.remove(&group);
            }
        }
    }

    /// Puts a complete listing in place of what was there. Gives what was there.
    fn replace(&mut self, listed: HashMap<String, Arc<T>>) -> HashMap<String, Arc<T>> {
        self.groups.clear();
        for (key, object) in &listed {
            if let Some(group) = object.group() {
                self.groups.entry(group).or_default().insert(key.clone());
            }
        }
        std::mem::replace(&mut self.objects, listed)
    }
}

impl<T: Cached> Cache<T> {
    /// An empty cache; [`Self::follow`] fills it.
    pub fn new() -> Self {
        let state = State { objects: HashMap::new(), groups: HashMap::new(), listing: None, subscribers: Vec::new() };
        Self(Arc::new(Shared { state: Mutex::new(state), synced: watch::Sender::new(false) }))
    }

    /// Lists and watches all objects of the kind until `stop`. Faults are logged and retried with growing pauses; what is
    /// cached stays meanwhile.
    pub async fn follow(&self, api: Api<T::Object>, stop: CancellationToken) {
        self.follow_some(api, "", stop).await;
    }

    /// As [`Self::follow`], only the objects that a label selector selects.
    pub async fn follow_some(&self, api: Api<T::Object>, selector: &str, stop: CancellationToken) {
        let mut config = watcher::Config::default();
        if !selector.is_empty() {
            config = config.labels(selector);
        }
        let events = watcher::watcher(api, config).default_backoff();
        stop.run_until_cancelled(self.apply_all(events)).await;
    }

    async fn apply_all(&self, events: impl Stream<Item = Result<Event<T::Object>, watcher::Error>>) {
        let mut events = pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.apply(event),
                Err(error) => {
                    tracing::warn!(kind = %T::Object::kind(&()), error = super::explained(&error), "watch failed, trying again");
                }
            }
        }
    }

    pub(crate) fn apply(&self, event: Event<T::Object>) {
        let mut state = self.lock();
        match event {
            Event::Apply(object) => {
                let object = Arc::new(object.into());
                let old = state.put(&object);
                tell_if_changed(&mut state, old, object);
            }
            Event::Delete(object) => {
                let object: T = object.into();
                if let Some(old) = state.remove(&object.key()) {
                    state.tell(&Change { old: Some(old), new: None });
                }
            }
            Event::Init => state.listing = Some(HashMap::new()),
            Event::InitApply(object) => {
                let object: T = object.into();
                state.listing.get_or_insert_default().insert(object.key(), Arc::new(object));
            }
            Event::InitDone => {
                let listed = state.listing.take().unwrap_or_default();
                let mut before = state.replace(listed);
                let now: Vec<_> = state.objects.values().cloned().collect();
                for object in now {
                    let old = before.remove(&object.key());
                    tell_if_changed(&mut state, old, object);
                }
                for old in before.into_values() {
                    state.tell(&Change { old: Some(old), new: None });
                }
                self.0.synced.send_replace(true);
            }
        }
    }

    /// The object with this key.
    pub fn get(&self, key: &str) -> Option<Arc<T>> {
        self.lock().objects.get(key).cloned()
    }

    /// The objects of a group, in the order of their keys.
    pub fn in_group(&self, group: &str) -> Vec<Arc<T>> {
        let state = self.lock();
        let keys = state.groups.get(group).into_iter().flatten();
        keys.filter_map(|key| state.objects.get(key).cloned()).collect()
    }

    /// All objects, in no order.
    pub fn list(&self) -> Vec<Arc<T>> {
        self.lock().objects.values().cloned().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the first listing is complete.
    pub fn is_synced(&self) -> bool {
        *self.0.synced.borrow()
    }

    /// Returns once the first listing is complete.
    pub async fn wait_synced(&self) {
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.0.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// Everything that happens from now on, after what is there already as additions.
    pub fn subscribe(&self) -> mpsc::UnboundedReceiver<Change<T>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = self.lock();
        for object in state.objects.values() {
            // The receiver is still in our hands.
            let _ = sender.send(Change { old: None, new: Some(Arc::clone(object)) });
        }
        state.subscribers.push(sender);
        receiver
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Cached> Default for Cache<T> {
    fn default() -> Self {
        Self::new()
    }
}

fn tell_if_changed<T: Cached>(state: &mut State<T>, old: Option<Arc<T>>, new: Arc<T>) {
    if old.as_ref().is_none_or(|old| !old.same_content(&new)) {
        state.tell(&Change { old, new: Some(new) });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, version: u32, provider_id: &str) -> NodeObject {
        serde_json::from_value(json!({
            "metadata": {"name": name, "resourceVersion": version.to_string()}, "spec": {"providerID": provider_id},
        }))
        .expect("a Node")
    }

    /// What a subscriber was told: `+name`, `-name`, `~name`.
    fn told(receiver: &mut mpsc::UnboundedReceiver<Change<Node>>) -> Vec<String> {
        let mut all = Vec::new();
        while let Ok(change) = receiver.try_recv() {
            all.push(match (change.old, change.new) {
                (None, Some(new)) => format!("+{}", new.name),
                (Some(old), None) => format!("-{}", old.name),
                (Some(_), Some(new)) => format!("~{}", new.name),
                (None, None) => "nothing".to_owned(),
            });
        }
        all.sort();
        all
    }

    #[test]
    fn a_listing_replaces_what_was_there_at_once() {
        let cache = Cache::<Node>::new();
        let mut changes = cache.subscribe();
        for event in [Event::Init, Event::InitApply(object("a", 1, "")), Event::InitApply(object("b", 1, ""))] {
            cache.apply(event);
        }
        assert!(cache.is_empty(), "an unfinished listing is not shown");
        cache.apply(Event::InitDone);
        assert_eq!(told(&mut changes), ["+a", "+b"]);

        for event in [Event::Init, Event::InitApply(object("b", 2, "x")), Event::InitApply(object("c", 2, ""))] {
            cache.apply(event);
        }
        assert!(cache.get("a").is_some(), "the old content stays while a new listing runs");
        cache.apply(Event::InitDone);
        assert_eq!(told(&mut changes), ["+c", "-a", "~b"]);
    }

    #[test]
    fn a_heartbeat_updates_the_cache_and_wakes_nobody() {
        let cache = Cache::<Node>::new();
        cache.apply(Event::Apply(object("a", 1, "id")));
        let mut changes = cache.subscribe();
        assert_eq!(told(&mut changes), ["+a"]);
        cache.apply(Event::Apply(object("a", 2, "id")));
        assert_eq!(told(&mut changes), Vec::<String>::new());
        assert_eq!(cache.get("a").expect("cached").resource_version, "2");
        cache.apply(Event::Apply(object("a", 3, "other")));
        cache.apply(Event::Delete(object("a", 4, "other")));
        assert_eq!(told(&mut changes), ["-a", "~a"]);
    }

    #[test]
    fn slices_are_found_by_their_service() {
        let slice = |name: &str, service: &str| -> EndpointSliceObject {
            let labels = json!({"kubernetes.io/service-name": service});
            serde_json::from_value(json!({"metadata": {"name": name, "namespace": "ns", "labels": labels}}))
                .expect("an EndpointSlice")
        };
        let cache = Cache::<EndpointSlice>::new();
        let found = |service: &str| -> Vec<String> {
            cache.in_group(&format!("ns/{service}")).iter().map(|slice| slice.name.clone()).collect()
        };
        for event in [Event::Init, Event::InitApply(slice("b", "web")), Event::InitApply(slice("a", "web"))] {
            cache.apply(event);
        }
        assert!(found("web").is_empty(), "an unfinished listing is not shown");
        cache.apply(Event::InitDone);
        assert_eq!(found("web"), ["a", "b"]);
        cache.apply(Event::Apply(slice("c", "web")));
        cache.apply(Event::Apply(slice("a", "dns")));
        cache.apply(Event::Delete(slice("b", "web")));
        assert_eq!((found("web"), found("dns")), (vec!["c".to_owned()], vec!["a".to_owned()]));
        for event in [Event::Init, Event::InitApply(slice("d", "dns")), Event::InitDone] {
            cache.apply(event);
        }
        assert_eq!((found("web"), found("dns")), (vec![], vec!["d".to_owned()]));
    }

    #[tokio::test]
    async fn synced_only_after_a_complete_listing() {
        let cache = Cache::<Node>::new();
        cache.apply(Event::Init);
        let mut waiting = tokio_test::task::spawn(cache.wait_synced());
        assert!(waiting.poll().is_pending());
        cache.apply(Event::InitDone);
        assert!(waiting.is_woken() && waiting.poll().is_ready());
    }
}
