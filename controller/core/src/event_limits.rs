//! Which Events are written, as client-go decides it: the same one is counted up instead of written again, many similar
//! ones are combined, and an object that nothing but fails is not allowed to fill etcd.

mod lru;

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use self::lru::Lru;
use crate::time::Timestamp;

/// Similar Events (differing in nothing but the message) written one by one before they are combined.
const SIMILAR_MAX: usize = 10;
/// Similar Events further apart than this are not combined.
const SIMILAR_WINDOW: Duration = Duration::from_secs(600);
/// Events about one object from one source let through at once.
const SPAM_BURST: f64 = 25.0;
/// One more is let through every so often.
const SPAM_REFILL: Duration = Duration::from_secs(300);
/// How many objects, Events and groups are remembered.
const REMEMBERED: usize = 4096;
/// Stands before the message of a combined Event.
const COMBINED: &str = "(combined from similar events): ";

/// The object an Event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    /// `v1` and the like.
    pub api_version: String,
    /// `Node`, `Service`, `Lease`.
    pub kind: String,
    /// Empty for objects without a namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID; empty when not known.
    pub uid: String,
}

impl ObjectRef {
    /// A Node.
    pub fn node(node: &crate::view::Node) -> Self {
        Self {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            namespace: String::new(),
            name: node.name.clone(),
            uid: node.uid.clone(),
        }
    }

    /// A Service.
    pub fn service(service: &crate::view::Service) -> Self {
        Self {
            api_version: "v1".to_owned(),
            kind: "Service".to_owned(),
            namespace: service.namespace.clone(),
            name: service.name.clone(),
            uid: service.uid.clone(),
        }
    }
}

/// What somebody wants to be known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// `source.component`.
    pub source: &'static str,
    /// What it is about.
    pub object: ObjectRef,
    /// Type `Warning`, else `Normal`.
    pub warning: bool,
    /// CamelCase word.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// What to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// `metadata.name` of the Event object: the same for all counts of one Event.
    pub name: String,
    /// The message, marked when it stands for similar ones.
    pub message: String,
    /// How often it was seen; above 1 the object is there already and is patched.
    pub count: i32,
    /// When it was first seen.
    pub first: Timestamp,
}

/// What is remembered goes by a hash, so that thousands of objects cost no copies of their names and messages.
type Key = u64;

fn key(of: impl Hash) -> Key {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Which Event object an Event goes to.
enum Identity {
    /// One of its own, shared with the same Event word for word.
    Single(Key),
    /// One that all similar Events share.
    Combined(Key),
}

#[derive(Debug)]
struct Similar {
    messages: HashSet<Key>,
    last: Timestamp,
}

#[derive(Debug)]
struct Seen {
    name: String,
    count: i32,
    first: Timestamp,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

/// The memory that the decisions rest on.
#[derive(Debug)]
pub struct EventLimits {
    similar: Lru<Similar>,
    seen: Lru<Seen>,
    buckets: Lru<Bucket>,
}

impl Default for EventLimits {
    fn default() -> Self {
        Self { similar: Lru::new(REMEMBERED), seen: Lru::new(REMEMBERED), buckets: Lru::new(REMEMBERED) }
    }
}

impl EventLimits {
    /// What to write for `event` at `now`; `None`: nothing, its object has had more than its share.
    ///
    /// `unique` tells Event objects of one object apart; it goes into the name of a new one.
    pub fn admit(&mut self, event: &Event, now: Timestamp, unique: u64) -> Option<Record> {
        let (identity, message) = match self.identity(event, now) {
            Identity::Single(key) => (key, event.message.clone()),
            Identity::Combined(key) => (key, format!("{COMBINED}{}", event.message)),
        };
        let seen = self.seen.get_or_insert_with(identity, || Seen {
            name: format!("{}.{unique:x}", event.object.name),
            count: 0,
            first: now,
        });
        seen.count = seen.count.saturating_add(1);
        let record = Record { name: seen.name.clone(), message, count: seen.count, first: seen.first };
        self.take_token(event, now).then_some(record)
    }

    fn identity(&mut self, event: &Event, now: Timestamp) -> Identity {
        let group = key((event.source, &event.object, event.warning, &event.reason));
        let similar = self.similar.get_or_insert_with(group, || Similar { messages: HashSet::new(), last: now });
        if now.since(similar.last) > SIMILAR_WINDOW {
            similar.messages.clear();
        }
        similar.last = now;
        let message = key(&event.message);
        if similar.messages.len() + usize::from(!similar.messages.contains(&message)) < SIMILAR_MAX {
            similar.messages.insert(message);
            return Identity::Single(key(event));
        }
        // The group stays just below the limit, so that the next one is combined too and memory does not grow.
        Identity::Combined(group)
    }

    fn take_token(&mut self, event: &Event, now: Timestamp) -> bool {
        let bucket = self
            .buckets
            .get_or_insert_with(key((event.source, &event.object)), || Bucket { tokens: SPAM_BURST, filled: now });
        let refill = now.since(bucket.filled).as_secs_f64() / SPAM_REFILL.as_secs_f64();
        bucket.tokens = (bucket.tokens + refill).min(SPAM_BURST);
        bucket.filled = now.max(bucket.filled);
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests;
