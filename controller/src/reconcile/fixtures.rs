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
    provider::{
        Provider, Providers,
        testing::{self, Daemon},
    },
    tenants::Tenants,
};

/// A context whose provider is away, the script that answers its requests, and the script that gets its Events.
pub(crate) fn context() -> (Arc<Context>, ScriptedApi, ScriptedApi) {
    let daemon = Daemon::new();
    daemon.refuse(true);
    context_with(&daemon, Config::default())
}

/// A context with this provider and configuration.
pub(crate) fn context_with(daemon: &Daemon, config: Config) -> (Arc<Context>, ScriptedApi, ScriptedApi) {
    let (client, api) = ScriptedApi::new();
    let (event_client, events) = ScriptedApi::new();
    let metrics = Arc::new(Metrics::new());
    let stop = CancellationToken::new();
    let context = Context {
        client,
        nodes: Cache::new(),
        services: Cache::new(),
        slices: Cache::new(),
        providers: Providers::start(vec![daemon.remote()], &testing::settings(), &metrics.provider, &stop),
        events: Recorder::new(&event_client, Arc::clone(&metrics)),
        metrics,
        tenants: Tenants::new(config.provider.tenants.clone()),
        config: Arc::new(config),
        progress: Progress::default(),
        stop,
    };
    (Arc::new(context), api, events)
}

/// The only provider of a context.
pub(crate) fn provider(context: &Context) -> Provider {
    context.providers.all()[0].clone()
}

/// Fills the context's cache of Nodes with these objects: answers the listing, and leaves the watch without news.
pub(crate) async fn list_nodes(context: &Context, api: &mut ScriptedApi, objects: Vec<Value>) -> Call {
    let (nodes, client, stop) = (context.nodes.clone(), context.client.clone(), context.stop.clone());
    tokio::spawn(async move { nodes.follow(kube::Api::all(client), stop).await });
    let list =
        json!({"kind": "NodeList", "apiVersion": "v1", "metadata": {"resourceVersion": "100"}, "items": objects});
    api.next().await.answer(200, &list);
    context.nodes.wait_synced().await;
    // The watch: it lives as long as it is not answered.
    api.next().await
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
