//! What the tests of the loops share: a context whose apiserver is a script, and Nodes as it would show them.

use std::sync::Arc;

use controller_core::view::Node;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    context::Context,
    kube::{
        cache::Cache,
        events::Recorder,
        objects::NodeObject,
        scripted::{Call, ScriptedApi},
    },
    metrics::Metrics,
    progress::Progress,
    provider::{Cluster, Deadlines, Dialer, Provider, Providers, Remote, Settings},
};

/// A context, the script that answers its requests, and the script that gets its Events.
pub(crate) fn context() -> (Arc<Context>, ScriptedApi, ScriptedApi) {
    let (client, api) = ScriptedApi::new();
    let (event_client, events) = ScriptedApi::new();
    let metrics = Arc::new(Metrics::new());
    let stop = CancellationToken::new();
    let context = Context {
        client,
        nodes: Cache::new(),
        services: Cache::new(),
        providers: Providers::start(vec![nowhere()], &settings(), &metrics.provider, &stop),
        events: Recorder::new(&event_client, Arc::clone(&metrics)),
        metrics,
        config: Arc::new(Config::default()),
        progress: Progress::default(),
        stop,
    };
    (Arc::new(context), api, events)
}

/// The only provider of [`context`]; it is away.
pub(crate) fn provider(context: &Context) -> Provider {
    context.providers.all()[0].clone()
}

fn nowhere() -> Remote {
    Remote {
        endpoint: "unix:/nonexistent/provider.sock".to_owned(),
        dialer: Dialer::unix("/nonexistent/provider.sock"),
    }
}

fn settings() -> Settings {
    Settings {
        cluster: Cluster { id: "test".to_owned(), name: "test".to_owned() },
        default_provider: None,
        classes: std::collections::BTreeMap::new(),
        accounts: Vec::new(),
        deadlines: Deadlines::default(),
    }
}

/// A Node object with these metadata, spec and status.
pub(crate) fn object(metadata: &Value, spec: &Value, status: &Value) -> Value {
    json!({"kind": "Node", "apiVersion": "v1", "metadata": metadata, "spec": spec, "status": status})
}

/// The Node that an object is.
pub(crate) fn node(object: &Value) -> Node {
    serde_json::from_value::<NodeObject>(object.clone()).expect("a Node").into()
}

/// Method and path of a request.
pub(crate) fn what(call: &Call) -> String {
    format!("{} {}", call.method, call.path)
}

/// Reason and message of the next Event.
pub(crate) async fn next_event(events: &mut ScriptedApi) -> (String, String) {
    let call = events.next().await;
    let text = |field: &str| call.body[field].as_str().unwrap_or_default().to_owned();
    let said = (text("reason"), text("message"));
    let body = call.body.clone();
    call.answer(201, &body);
    said
}
