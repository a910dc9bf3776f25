//! An API server in memory, for tests of whole loops: it keeps Services and Nodes, applies the patches our writers send,
//! and shows every new version to the watch caches.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use controller_core::view::{EndpointSlice, Node, Service};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use kube::{Client, client::Body, runtime::watcher::Event};
use serde_json::{Value, json};

use super::cache::{Cache, Cached};

/// The test's end. Clones are one API server.
#[derive(Clone)]
pub(crate) struct FakeApi {
    state: Arc<Mutex<State>>,
    pub(crate) services: Cache<Service>,
    pub(crate) nodes: Cache<Node>,
    pub(crate) slices: Cache<EndpointSlice>,
}

#[derive(Default)]
struct State {
    /// By path, `/api/v1/nodes/n1`.
    objects: BTreeMap<String, Value>,
    version: u64,
    /// Paths of the patches so far.
    patches: Vec<String>,
    /// Events so far: reason and message.
    events: Vec<(String, String)>,
    /// Status codes with which the next patches are refused.
    refusals: Vec<u16>,
    /// Objects written since are not shown to the caches.
    hides: bool,
}

impl FakeApi {
    /// An empty cluster, a client of it, and caches that follow it.
    pub(crate) fn new() -> (Client, Self) {
        let this = Self { state: Arc::default(), services: Cache::new(), nodes: Cache::new(), slices: Cache::new() };
        for event in [Event::Init, Event::InitDone] {
            this.services.apply(event.clone());
        }
        for event in [Event::Init, Event::InitDone] {
            this.nodes.apply(event.clone());
        }
        for event in [Event::Init, Event::InitDone] {
            this.slices.apply(event.clone());
        }
        let served = this.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let served = served.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                let (code, answer) = served.serve(parts.method.as_str(), parts.uri.path(), &body);
                let response = Response::builder().status(code).body(Full::from(Bytes::from(answer.to_string())));
                Ok::<_, tower::BoxError>(response.expect("a response"))
            }
        });
        (Client::new(service, "default"), this)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        if path.ends_with("/events") || path.contains("/events/") {
            self.lock().events.push((text(body, "reason"), text(body, "message")));
            return (201, body.clone());
        }
        let path = path.strip_suffix("/status").unwrap_or(path);
        match method {
            "GET" => match self.lock().objects.get(path) {
                Some(object) => (200, object.clone()),
                None => refusal(404, "NotFound"),
            },
            "PATCH" => self.patch(path, body),
            other => panic!("no {other} {path} in this cluster"),
        }
    }

    fn patch(&self, path: &str, change: &Value) -> (u16, Value) {
        let refused = {
            let mut state = self.lock();
            state.patches.push(path.to_owned());
            (!state.refusals.is_empty()).then(|| state.refusals.remove(0))
        };
        if let Some(code) = refused {
            return refusal(code, "Scripted");
        }
        let Some(mut object) = self.lock().objects.get(path).cloned() else { return refusal(404, "NotFound") };
        for field in ["uid", "resourceVersion"] {
            let expected = &change["metadata"][field];
            if !expected.is_null() && *expected != object["metadata"][field] {
                return refusal(409, "Conflict");
            }
        }
        merge(&mut object, change);
        (200, self.store(path, object))
    }

    /// Keeps a new version of an object, or removes it when it is being deleted and nothing holds it.
    fn store(&self, path: &str, mut object: Value) -> Value {
        let (held, hides) = {
            let mut state = self.lock();
            state.version += 1;
            object["metadata"]["resourceVersion"] = state.version.to_string().into();
            let metadata = &object["metadata"];
            let held = metadata["deletionTimestamp"].is_null()
                || metadata["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty());
            if held {
                state.objects.insert(path.to_owned(), object.clone());
            } else {
                state.objects.remove(path);
            }
            (held, state.hides)
        };
        if !hides {
            self.show(path, &object, held);
        }
        object
    }

    fn show(&self, path: &str, object: &Value, there: bool) {
        fn event<T: Cached>(cache: &Cache<T>, object: &Value, there: bool) {
            let object = serde_json::from_value(object.clone()).expect("an object of the kind");
            cache.apply(if there { Event::Apply(object) } else { Event::Delete(object) });
        }
        if path.contains("/services/") {
            event(&self.services, object, there);
        } else {
            event(&self.nodes, object, there);
        }
    }

    /// Makes a Service in namespace `default`.
    pub(crate) fn create_service(&self, name: &str, spec: &Value) {
        let uid = format!("uid-{name}-{}", self.lock().version);
        let object = json!({"metadata": {"namespace": "default", "name": name, "uid": uid}, "spec": spec});
        self.store(&service_path(name), object);
    }

    /// Shows the caches an `EndpointSlice` of a Service.
    pub(crate) fn show_slice(&self, name: &str, service: &str, endpoints: &Value, ports: &Value) {
        let slice = json!({
            "metadata": {"name": name, "namespace": "default", "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
        });
        self.slices.apply(Event::Apply(serde_json::from_value(slice).expect("an EndpointSlice")));
    }

    /// Makes a Node.
    pub(crate) fn create_node(&self, name: &str, provider_id: &str, more: &Value) {
        let mut object = json!({
            "metadata": {"name": name, "uid": format!("uid-{name}")},
            "spec": {"providerID": provider_id},
            "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]},
        });
        merge(&mut object, more);
        self.store(&node_path(name), object);
    }

    /// Changes a Service as its owner would.
    pub(crate) fn edit_service(&self, name: &str, patch: &Value) {
        self.edit(&service_path(name), patch);
    }

    /// Changes a Node as a kubelet would.
    pub(crate) fn edit_node(&self, name: &str, patch: &Value) {
        self.edit(&node_path(name), patch);
    }

    fn edit(&self, path: &str, change: &Value) {
        let mut object = self.lock().objects[path].clone();
        merge(&mut object, change);
        self.store(path, object);
    }

    /// Deletes a Service; finalizers hold it.
    pub(crate) fn delete_service(&self, name: &str) {
        self.edit_service(name, &json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    }

    /// Removes a Node at once.
    pub(crate) fn delete_node(&self, name: &str) {
        let path = node_path(name);
        let object = self.lock().objects.remove(&path).expect("the Node");
        self.show(&path, &object, false);
    }

    /// A Service as it is; `Value::Null` when it is gone.
    pub(crate) fn service(&self, name: &str) -> Value {
        self.lock().objects.get(&service_path(name)).cloned().unwrap_or_default()
    }

    /// A Node as it is.
    pub(crate) fn node(&self, name: &str) -> Value {
        self.lock().objects.get(&node_path(name)).cloned().unwrap_or_default()
    }

    /// How many patches were sent so far.
    pub(crate) fn patches(&self) -> usize {
        self.lock().patches.len()
    }

    /// Reason and message of the Events so far.
    pub(crate) fn events(&self) -> Vec<(String, String)> {
        self.lock().events.clone()
    }

    /// Refuses the next patch with this status code.
    pub(crate) fn refuse_next(&self, code: u16) {
        self.lock().refusals.push(code);
    }

    /// Lets the caches fall behind, or catch up.
    pub(crate) fn hide(&self, hides: bool) {
        let objects = {
            let mut state = self.lock();
            state.hides = hides;
            if hides { BTreeMap::new() } else { state.objects.clone() }
        };
        for (path, object) in objects {
            self.show(&path, &object, true);
        }
    }
}

fn service_path(name: &str) -> String {
    format!("/api/v1/namespaces/default/services/{name}")
}

fn node_path(name: &str) -> String {
    format!("/api/v1/nodes/{name}")
}

fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_default().to_owned()
}

fn refusal(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason,
    });
    (code, status)
}

/// What our patches use of a strategic merge.
fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else { return };
    if !target.is_object() {
        *target = json!({});
    }
    for (field, value) in patch {
        if let Some(list) = field.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = value.as_array().expect("a list");
            if let Some(list) = target[list].as_array_mut() {
                list.retain(|item| !gone.contains(item));
            }
            continue;
        }
        match (field.as_str(), value) {
            (directive, _) if directive.starts_with('$') => {}
            (_, Value::Null) => _ = target.as_object_mut().expect("an object").remove(field),
            ("finalizers", Value::Array(new)) => merge_list(&mut target[field], new, |a, b| a == b),
            ("conditions", Value::Array(new)) => merge_list(&mut target[field], new, |a, b| a["type"] == b["type"]),
            (_, Value::Object(_)) => merge(&mut target[field], value),
            _ => target[field] = value.clone(),
        }
    }
}

fn merge_list(target: &mut Value, new: &[Value], same: impl Fn(&Value, &Value) -> bool) {
    if !target.is_array() {
        *target = json!([]);
    }
    let list = target.as_array_mut().expect("a list");
    for item in new {
        match list.iter_mut().find(|old| same(old, item)) {
            Some(old) if item.is_object() => merge(old, item),
            Some(_) => {}
            None => list.push(item.clone()),
        }
    }
}
