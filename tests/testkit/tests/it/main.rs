//! The parts of the testkit that need an apiserver.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Node, Service};
use kube::api::{Api, ListParams, PostParams};
use testkit::kubelet::{NodeSettings, Readiness, register_all};
use testkit::{ControlPlane, FakeKubelet, eventually, manifests, services};

async fn control_plane() -> (ControlPlane, kube::Client) {
    let plane = ControlPlane::builder().start().await.expect("started");
    let client = plane.client().await.expect("client");
    (plane, client)
}

fn ready(node: &Node) -> Option<&str> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == "Ready").map(|condition| condition.status.as_str())
}

#[tokio::test]
async fn a_node_is_registered_as_with_an_external_provider() {
    let (_plane, client) = control_plane().await;
    let settings = NodeSettings {
        node_ip: Some("127.2.0.1".to_owned()),
        pod_cidr: Some("10.244.1.0/24".to_owned()),
        ..NodeSettings::named("node-1")
    };
    let kubelet = FakeKubelet::start(&client, &settings).await.expect("registered");
    let nodes = Api::<Node>::all(client);
    let node = nodes.get("node-1").await.expect("there");
    let spec = node.spec.as_ref().expect("spec");
    let taints: Vec<_> = spec.taints.iter().flatten().map(|taint| taint.key.as_str()).collect();
    assert_eq!(taints, ["node.cloudprovider.kubernetes.io/uninitialized"]);
    assert_eq!(spec.provider_id, None);
    assert_eq!(spec.pod_cidr.as_deref(), Some("10.244.1.0/24"));
    let addresses = node.status.as_ref().and_then(|status| status.addresses.clone()).expect("addresses");
    assert_eq!(addresses.len(), 1);
    assert_eq!((addresses[0].type_.as_str(), addresses[0].address.as_str()), ("Hostname", "node-1"));
    assert_eq!(ready(&node), Some("True"));

    kubelet.set(Readiness::Unknown).await.expect("said");
    assert_eq!(ready(&nodes.get("node-1").await.expect("there")), Some("Unknown"));
    kubelet.set(Readiness::Ready).await.expect("said");
    let node = nodes.get("node-1").await.expect("there");
    assert_eq!(ready(&node), Some("True"));
    let addresses = node.status.and_then(|status| status.addresses).expect("still there");
    assert_eq!(addresses.len(), 1, "a heartbeat leaves the addresses alone");
}

#[tokio::test]
async fn many_nodes_are_registered_at_once() {
    let (_plane, client) = control_plane().await;
    let settings: Vec<_> = (0..50).map(|number| NodeSettings::named(format!("node-{number}"))).collect();
    register_all(&client, &settings, 8).await.expect("registered");
    assert_eq!(Api::<Node>::all(client).list(&ListParams::default()).await.expect("listed").items.len(), 50);
}

#[tokio::test]
async fn manifests_are_applied_again_and_again() {
    let (_plane, client) = control_plane().await;
    let manifest = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, namespace: kube-system}}\ndata: {{key: {value}}}\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: b}}\nrules: []\n"
        )
    };
    let maps = Api::<ConfigMap>::namespaced(client.clone(), "kube-system");
    for value in ["one", "two"] {
        manifests::apply(&client, &manifest(value)).await.expect("applied");
        let data = maps.get("a").await.expect("there").data.expect("data");
        assert_eq!(data["key"], value);
    }
    let error = manifests::apply(&client, "apiVersion: v1\nmetadata: {name: c}\n").await.unwrap_err();
    assert!(format!("{error:#}").contains("c has no apiVersion and kind"), "{error:#}");
}

#[tokio::test]
async fn a_load_balancer_service_is_given_a_node_port() {
    let (_plane, client) = control_plane().await;
    let api = Api::<Service>::default_namespaced(client);
    api.create(&PostParams::default(), &services::load_balancer("web", 80)).await.expect("created");
    let node_port = eventually("a node port", Duration::from_secs(10), async || {
        let service = api.get("web").await?;
        services::node_port(&service).ok_or_else(|| anyhow::anyhow!("{:?}", service.spec))
    });
    assert!(node_port.await.expect("chosen") >= 30_000);
}
