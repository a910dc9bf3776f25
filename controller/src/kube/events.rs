//! Events on Nodes, Services and the Lease, written with client-go's limits and never in the way of the work itself.
//!
//! Core `v1` Events are written, not `events.k8s.io/v1` ones: repeated ones are counted up in place, as client-go does it,
//! so `kubectl describe` shows one line with a count.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use controller_core::{
    event_limits::{Event, EventLimits, Record},
    time::Timestamp,
};
use k8s_openapi::{
    api::core::v1::{Event as EventObject, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Api, Client, Error,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::explained;
use crate::{clock, metrics::Metrics};

pub use controller_core::event_limits::ObjectRef;

/// Events waiting to be written, at most; what comes on top is dropped and counted.
const QUEUE: usize = 1000;
/// Tasks that write. Events about one object go through one of them, so that a count never overtakes its Event.
const WRITERS: usize = 4;
/// Attempts to write one Event while the apiserver cannot be reached.
const TRIES: u32 = 12;
/// Time between two of them.
const TRY_AGAIN: Duration = Duration::from_secs(10);
/// Longest message in bytes: what the apiserver takes.
const MESSAGE_MAX: usize = 1024;

/// Writes Events. Clones share limits and queue.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Mutex<EventLimits>,
    writers: Vec<mpsc::Sender<(Event, Record)>>,
    unwritten: watch::Sender<usize>,
    metrics: Arc<Metrics>,
}

impl Recorder {
    /// A recorder whose writers run on the current runtime until the last clone is gone.
    pub fn new(client: &Client, metrics: Arc<Metrics>) -> Self {
        let unwritten = watch::Sender::new(0_usize);
        let writers = (0..WRITERS)
            .map(|_| {
                let (sender, receiver) = mpsc::channel(QUEUE / WRITERS);
                let writer = Writer { client: client.clone(), metrics: Arc::clone(&metrics) };
                tokio::spawn(writer.run(receiver, unwritten.clone()));
                sender
            })
            .collect();
        Self(Arc::new(Inner { limits: Mutex::default(), writers, unwritten, metrics }))
    }

    /// Makes an Event known. Never waits: past the limits, or with a full queue, the Event is dropped and counted.
    ///
    /// `source` is one of [`controller_core::names::event_source`]. Messages end at 1024 bytes.
    pub fn event(&self, source: &'static str, object: &ObjectRef, warning: bool, reason: &str, message: &str) {
        let message = truncated(message).to_owned();
        let event = Event { source, object: object.clone(), warning, reason: reason.to_owned(), message };
        tracing::debug!(source, kind = object.kind, name = object.name, reason, message = event.message, "event");
        let unique = rand::random();
        let admitted = self.0.limits.lock().unwrap_or_else(PoisonError::into_inner).admit(&event, clock::now(), unique);
        match admitted {
            Some(record) => self.enqueue(event, record),
            None => {
                self.0.metrics.events.discarded.with(["spam"]).inc();
            }
        }
    }

    fn enqueue(&self, event: Event, record: Record) {
        let mut hasher = DefaultHasher::new();
        record.name.hash(&mut hasher);
        #[allow(clippy::cast_possible_truncation)] // Any part of a hash will do.
        let writer = &self.0.writers[hasher.finish() as usize % WRITERS];
        self.0.unwritten.send_modify(|count| *count += 1);
        if writer.try_send((event, record)).is_err() {
            self.0.unwritten.send_modify(|count| *count -= 1);
            self.0.metrics.events.discarded.with(["queue_full"]).inc();
        }
    }

    /// Waits until all Events made known so far are written or given up, at most `limit`.
    pub async fn flush(&self, limit: Duration) {
        let mut unwritten = self.0.unwritten.subscribe();
        let _ = tokio::time::timeout(limit, unwritten.wait_for(|count| *count == 0)).await;
    }
}

/// The message, cut at a character's end.
fn truncated(message: &str) -> &str {
    &message[..message.floor_char_boundary(MESSAGE_MAX)]
}

struct Writer {
    client: Client,
    metrics: Arc<Metrics>,
}

/// What became of one attempt.
enum Attempt {
    Created,
    Patched,
    /// The apiserver said no: it would say so again.
    Refused(Error),
    /// It could not be reached.
    Away(Error),
}

impl Writer {
    async fn run(self, mut queue: mpsc::Receiver<(Event, Record)>, unwritten: watch::Sender<usize>) {
        while let Some((event, record)) = queue.recv().await {
            self.write(&event, &record, clock::now()).await;
            unwritten.send_modify(|count| *count -= 1);
        }
    }

    async fn write(&self, event: &Event, record: &Record, now: Timestamp) {
        for attempt in 1..=TRIES {
            let result = match self.attempt(event, record, now).await {
                Attempt::Created => "created",
                Attempt::Patched => "patched",
                Attempt::Refused(error) => {
                    tracing::warn!(reason = event.reason, error = explained(&error), "event refused");
                    "error"
                }
                Attempt::Away(error) => {
                    tracing::debug!(reason = event.reason, attempt, error = explained(&error), "event not written yet");
                    // The first wait is shorter by chance, so that those who lost one apiserver do not come back together.
                    let wait = if attempt == 1 { TRY_AGAIN.mul_f64(rand::random()) } else { TRY_AGAIN };
                    tokio::time::sleep(wait).await;
                    continue;
                }
            };
            self.metrics.events.sent.with([result]).inc();
            return;
        }
        self.metrics.events.discarded.with(["gave_up"]).inc();
    }

    async fn attempt(&self, event: &Event, record: &Record, now: Timestamp) -> Attempt {
        let api: Api<EventObject> = Api::namespaced(self.client.clone(), namespace(event));
        if record.count > 1 {
            let patch = json!({
                "count": record.count,
                "lastTimestamp": time(now),
                "message": record.message,
            });
            match api.patch(&record.name, &PatchParams::default(), &Patch::Merge(patch)).await {
                Ok(_) => return Attempt::Patched,
                // Events live for an hour only; this one is gone and is begun anew.
                Err(Error::Api(status)) if status.code == 404 => {}
                Err(error) => return failed(error),
            }
        }
        match api.create(&PostParams::default(), &object(event, record, now)).await {
            Ok(_) => Attempt::Created,
            // An earlier attempt did it and its answer was lost.
            Err(Error::Api(status)) if status.reason == "AlreadyExists" => Attempt::Created,
            Err(error) => failed(error),
        }
    }
}

fn failed(error: Error) -> Attempt {
    match &error {
        Error::Api(status) if status.code < 500 && status.code != 429 => Attempt::Refused(error),
        _ => Attempt::Away(error),
    }
}

/// Events about objects without a namespace are kept in `default`.
fn namespace(event: &Event) -> &str {
    if event.object.namespace.is_empty() { "default" } else { &event.object.namespace }
}

fn object(event: &Event, record: &Record, now: Timestamp) -> EventObject {
    let about = &event.object;
    EventObject {
        metadata: ObjectMeta {
            name: Some(record.name.clone()),
            namespace: Some(namespace(event).to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(about.api_version.clone()),
            kind: Some(about.kind.clone()),
            name: Some(about.name.clone()),
            namespace: some(&about.namespace),
            uid: some(&about.uid),
            ..ObjectReference::default()
        },
        type_: Some(if event.warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(event.reason.clone()),
        message: Some(record.message.clone()),
        count: Some(record.count),
        first_timestamp: Some(time(record.first)),
        last_timestamp: Some(time(now)),
        source: Some(EventSource { component: Some(event.source.to_owned()), host: None }),
        reporting_component: Some(event.source.to_owned()),
        ..EventObject::default()
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn time(at: Timestamp) -> Time {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    Time(k8s_openapi::jiff::Timestamp::from_millisecond(millis).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::scripted::{Call, ScriptedApi};

    const SOURCE: &str = controller_core::names::event_source::SERVICE;

    fn service() -> ObjectRef {
        ObjectRef {
            api_version: "v1".into(),
            kind: "Service".into(),
            namespace: "shop".into(),
            name: "web".into(),
            uid: "u-1".into(),
        }
    }

    fn recorder() -> (Recorder, ScriptedApi, Arc<Metrics>) {
        let (client, api) = ScriptedApi::new();
        let metrics = Arc::new(Metrics::new());
        (Recorder::new(&client, Arc::clone(&metrics)), api, metrics)
    }

    fn name(call: &Call) -> String {
        call.body["metadata"]["name"].as_str().unwrap_or_default().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_is_created_and_the_next_counted_up_in_place() {
        let (recorder, mut api, metrics) = recorder();
        recorder.event(SOURCE, &service(), true, "SyncLoadBalancerFailed", "no quota");
        let call = api.next().await;
        assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/api/v1/namespaces/shop/events"));
        let name = name(&call);
        assert!(name.starts_with("web."), "{name}");
        assert_eq!(call.body["involvedObject"]["apiVersion"], "v1");
        assert_eq!(call.body["involvedObject"]["uid"], "u-1");
        assert_eq!(call.body["type"], "Warning");
        assert_eq!(call.body["count"], 1);
        assert_eq!(call.body["source"]["component"], "service-controller");
        let body = call.body.clone();
        call.answer(201, &body);

        recorder.event(SOURCE, &service(), true, "SyncLoadBalancerFailed", "no quota");
        let call = api.next().await;
        let path = format!("/api/v1/namespaces/shop/events/{name}");
        assert_eq!((call.method.as_str(), call.path.as_str()), ("PATCH", path.as_str()));
        assert_eq!(call.query, "", "a merge patch needs no parameters");
        assert_eq!(call.body["count"], 2);
        call.answer(200, &body);
        recorder.flush(Duration::from_secs(1)).await;
        assert_eq!(metrics.events.sent.with(["patched"]).get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_has_expired_is_begun_anew() {
        let (recorder, mut api, _) = recorder();
        recorder.event(SOURCE, &service(), false, "EnsuredLoadBalancer", "done");
        let call = api.next().await;
        let body = call.body.clone();
        call.answer(201, &body);
        recorder.event(SOURCE, &service(), false, "EnsuredLoadBalancer", "done");
        api.next().await.refuse(404, "NotFound");
        let call = api.next().await;
        assert_eq!((call.method.as_str(), name(&call)), ("POST", name_of(&body)));
        assert_eq!(call.body["count"], 2);
        call.answer(201, &body);
    }

    fn name_of(body: &serde_json::Value) -> String {
        body["metadata"]["name"].as_str().unwrap_or_default().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn an_apiserver_away_is_tried_twelve_times_and_a_refusal_once() {
        let (recorder, mut api, metrics) = recorder();
        recorder.event(SOURCE, &service(), true, "A", "first");
        for _ in 0..TRIES {
            api.next().await.cut();
        }
        recorder.flush(Duration::from_secs(60)).await;
        assert_eq!(metrics.events.discarded.with(["gave_up"]).get(), 1);

        recorder.event(SOURCE, &service(), true, "B", "second");
        api.next().await.refuse(403, "Forbidden");
        recorder.flush(Duration::from_secs(60)).await;
        assert_eq!(metrics.events.sent.with(["error"]).get(), 1);
        assert!(api.try_next().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_drops_and_never_waits() {
        let (recorder, _api, metrics) = recorder();
        for i in 0..5000 {
            let object = ObjectRef { name: format!("s-{i}"), ..service() };
            recorder.event(SOURCE, &object, true, "A", "b");
        }
        let dropped = metrics.events.discarded.with(["queue_full"]).get();
        assert_eq!(dropped, 4000);
    }

    #[test]
    fn long_messages_end_at_a_character() {
        let long = format!("{}é", "x".repeat(MESSAGE_MAX - 1));
        assert_eq!(truncated(&long).len(), MESSAGE_MAX - 1);
        assert_eq!(truncated("short"), "short");
    }
}
