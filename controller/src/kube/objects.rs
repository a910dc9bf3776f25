//! Nodes and Services as they come over the wire, cut down to the fields a decision reads, and their translation into
//! [`controller_core::view`].
//!
//! Reading only these fields keeps the caches small whatever else an object carries: image lists, managed fields, the
//! annotations of other systems.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use controller_core::{names, time::Timestamp, view};
use k8s_openapi::{
    api::{
        core::v1::{Node, Service},
        discovery::v1::EndpointSlice,
    },
    apimachinery::pkg::{
        apis::meta::v1::{ObjectMeta, Time},
        util::intstr::IntOrString,
    },
};
use kube::Resource;
use serde::Deserialize;

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const LONGEST_NODE_ANNOTATION: usize = 4096;

/// A Node, cut down.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct NodeObject {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: NodeSpec,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NodeSpec {
    #[serde(rename = "providerID")]
    provider_id: Option<String>,
    #[serde(rename = "podCIDRs")]
    pod_cidrs: Vec<String>,
    taints: Vec<Taint>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Taint {
    key: String,
    value: Option<String>,
    effect: String,
    time_added: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NodeStatus {
    addresses: Vec<NodeAddress>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize)]
struct NodeAddress {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    reason: String,
    last_transition_time: Option<Time>,
}

/// A Service, cut down.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ServiceObject {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: ServiceSpec,
    #[serde(default)]
    status: ServiceStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ServiceSpec {
    #[serde(rename = "type")]
    kind: Option<String>,
    load_balancer_class: Option<String>,
    #[serde(rename = "loadBalancerIP")]
    load_balancer_ip: Option<String>,
    load_balancer_source_ranges: Vec<String>,
    ports: Vec<ServicePort>,
    session_affinity: Option<String>,
    session_affinity_config: Option<SessionAffinityConfig>,
    #[serde(rename = "externalIPs")]
    external_ips: Vec<String>,
    external_traffic_policy: Option<String>,
    health_check_node_port: Option<u16>,
    ip_families: Vec<String>,
    ip_family_policy: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServicePort {
    name: Option<String>,
    protocol: Option<String>,
    port: u16,
    node_port: Option<u16>,
    target_port: Option<IntOrString>,
    app_protocol: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionAffinityConfig {
    #[serde(rename = "clientIP")]
    client_ip: Option<ClientIpConfig>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientIpConfig {
    timeout_seconds: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ServiceStatus {
    load_balancer: LoadBalancerStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct LoadBalancerStatus {
    ingress: Vec<LoadBalancerIngress>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoadBalancerIngress {
    #[serde(default)]
    ip: String,
    #[serde(default)]
    hostname: String,
    ip_mode: Option<String>,
    #[serde(default)]
    ports: Vec<PortStatus>,
}

#[derive(Clone, Debug, Deserialize)]
struct PortStatus {
    port: u16,
    protocol: String,
    error: Option<String>,
}

/// An `EndpointSlice`, cut down.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSliceObject {
    metadata: ObjectMeta,
    #[serde(default)]
    endpoints: Option<Vec<Endpoint>>,
    #[serde(default)]
    ports: Option<Vec<EndpointPort>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Endpoint {
    addresses: Vec<String>,
    conditions: EndpointConditions,
    node_name: Option<String>,
    zone: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct EndpointConditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct EndpointPort {
    name: Option<String>,
    protocol: Option<String>,
    port: Option<u16>,
}

macro_rules! resource_like {
    ($cut:ty, $whole:ty) => {
        impl Resource for $cut {
            type DynamicType = ();
            type Scope = <$whole as Resource>::Scope;

            fn kind(dt: &()) -> Cow<'_, str> {
                <$whole as Resource>::kind(dt)
            }
            fn group(dt: &()) -> Cow<'_, str> {
                <$whole as Resource>::group(dt)
            }
            fn version(dt: &()) -> Cow<'_, str> {
                <$whole as Resource>::version(dt)
            }
            fn plural(dt: &()) -> Cow<'_, str> {
                <$whole as Resource>::plural(dt)
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

resource_like!(NodeObject, Node);
resource_like!(ServiceObject, Service);
resource_like!(EndpointSliceObject, EndpointSlice);

fn timestamp(time: &Time) -> Timestamp {
    Timestamp(u64::try_from(time.0.as_millisecond()).unwrap_or(0))
}

fn kept_annotations(metadata: &mut ObjectMeta, longest: usize) -> BTreeMap<String, String> {
    let mut annotations = metadata.annotations.take().unwrap_or_default();
    annotations.retain(|key, value| key != LAST_APPLIED && value.len() <= longest);
    annotations
}

/// The labels that the managed fields give to our node controller. An entry looks like
/// `{"f:metadata": {"f:labels": {"f:example.com/key": {}}}}`.
fn owned_labels(metadata: &ObjectMeta) -> BTreeSet<String> {
    metadata
        .managed_fields
        .iter()
        .flatten()
        .filter(|entry| entry.manager.as_deref() == Some(names::FIELD_MANAGER_NODE))
        .filter_map(|entry| entry.fields_v1.as_ref()?.0.get("f:metadata")?.get("f:labels")?.as_object())
        .flat_map(serde_json::Map::keys)
        .filter_map(|field| field.strip_prefix("f:").map(str::to_owned))
        .collect()
}

impl From<NodeObject> for view::Node {
    fn from(object: NodeObject) -> Self {
        let NodeObject { mut metadata, spec, status } = object;
        let condition = |kind: &str| status.conditions.iter().find(|c| c.kind == kind).map(condition_view);
        Self {
            annotations: kept_annotations(&mut metadata, LONGEST_NODE_ANNOTATION),
            owned_labels: owned_labels(&metadata),
            name: metadata.name.unwrap_or_default(),
            uid: metadata.uid.unwrap_or_default(),
            resource_version: metadata.resource_version.unwrap_or_default(),
            created: metadata.creation_timestamp.as_ref().map(timestamp).unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            labels: metadata.labels.unwrap_or_default(),
            provider_id: spec.provider_id.unwrap_or_default(),
            pod_cidrs: spec.pod_cidrs,
            taints: spec
                .taints
                .into_iter()
                .map(|t| view::Taint { key: t.key, value: t.value, effect: t.effect, time_added: t.time_added })
                .collect(),
            ready: condition("Ready"),
            network_unavailable: condition(names::CONDITION_NETWORK_UNAVAILABLE),
            removal_blocked: condition(names::CONDITION_REMOVAL_BLOCKED),
            addresses: status
                .addresses
                .into_iter()
                .filter_map(|a| Some(view::NodeAddress::new(view::AddressType::parse(&a.kind)?, a.address)))
                .collect(),
        }
    }
}

fn condition_view(condition: &Condition) -> view::Condition {
    view::Condition {
        status: match condition.status.as_str() {
            "True" => view::ConditionStatus::True,
            "False" => view::ConditionStatus::False,
            _ => view::ConditionStatus::Unknown,
        },
        reason: condition.reason.clone(),
        last_transition: condition.last_transition_time.as_ref().map(timestamp),
    }
}

impl From<ServiceObject> for view::Service {
    fn from(object: ServiceObject) -> Self {
        let ServiceObject { mut metadata, spec, status } = object;
        Self {
            annotations: kept_annotations(&mut metadata, usize::MAX),
            namespace: metadata.namespace.unwrap_or_default(),
            name: metadata.name.unwrap_or_default(),
            uid: metadata.uid.unwrap_or_default(),
            resource_version: metadata.resource_version.unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            finalizers: metadata.finalizers.unwrap_or_default(),
            kind: service_type(spec.kind.as_deref()),
            client_ip_affinity: client_ip_affinity(&spec),
            load_balancer_class: spec.load_balancer_class,
            load_balancer_ip: spec.load_balancer_ip.unwrap_or_default(),
            source_ranges: spec.load_balancer_source_ranges,
            ports: spec.ports.into_iter().map(port_view).collect(),
            external_ips: spec.external_ips,
            local_traffic: spec.external_traffic_policy.as_deref() == Some("Local"),
            health_check_node_port: spec.health_check_node_port.filter(|port| *port != 0),
            ip_families: spec.ip_families.iter().filter_map(|family| ip_family(family)).collect(),
            ip_family_policy: match spec.ip_family_policy.as_deref() {
                Some("PreferDualStack") => view::IpFamilyPolicy::PreferDualStack,
                Some("RequireDualStack") => view::IpFamilyPolicy::RequireDualStack,
                _ => view::IpFamilyPolicy::SingleStack,
            },
            ingress: status.load_balancer.ingress.into_iter().map(ingress_view).collect(),
        }
    }
}

/// The label by which a slice names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl From<EndpointSliceObject> for view::EndpointSlice {
    fn from(object: EndpointSliceObject) -> Self {
        let EndpointSliceObject { mut metadata, endpoints, ports } = object;
        Self {
            service: metadata.labels.as_mut().and_then(|labels| labels.remove(SERVICE_NAME)).unwrap_or_default(),
            namespace: metadata.namespace.unwrap_or_default(),
            name: metadata.name.unwrap_or_default(),
            resource_version: metadata.resource_version.unwrap_or_default(),
            ports: ports.into_iter().flatten().filter_map(endpoint_port_view).collect(),
            endpoints: endpoints.into_iter().flatten().filter_map(endpoint_view).collect(),
        }
    }
}

/// `None` for one without a number, which stands for every port.
fn endpoint_port_view(port: EndpointPort) -> Option<view::EndpointPort> {
    Some(view::EndpointPort {
        name: port.name.unwrap_or_default(),
        protocol: protocol(port.protocol.as_deref().unwrap_or("TCP")),
        port: port.port?,
    })
}

/// `None` for one that is known by a DNS name only. What conditions leave out is as Kubernetes defines it.
fn endpoint_view(endpoint: Endpoint) -> Option<view::Endpoint> {
    let EndpointConditions { ready, serving, terminating } = endpoint.conditions;
    let ready = ready.unwrap_or(true);
    Some(view::Endpoint {
        address: endpoint.addresses.first()?.parse().ok()?,
        ready,
        serving: serving.unwrap_or(ready),
        terminating: terminating.unwrap_or(false),
        node_name: endpoint.node_name.unwrap_or_default(),
        zone: endpoint.zone.unwrap_or_default(),
    })
}

fn service_type(text: Option<&str>) -> view::ServiceType {
    match text {
        Some("LoadBalancer") => view::ServiceType::LoadBalancer,
        Some("NodePort") => view::ServiceType::NodePort,
        Some("ExternalName") => view::ServiceType::ExternalName,
        _ => view::ServiceType::ClusterIp,
    }
}

/// Kubernetes' default for `timeoutSeconds`.
const DEFAULT_AFFINITY_SECONDS: u32 = 10_800;

fn client_ip_affinity(spec: &ServiceSpec) -> Option<Duration> {
    if spec.session_affinity.as_deref() != Some("ClientIP") {
        return None;
    }
    let configured =
        spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref()?.timeout_seconds);
    Some(Duration::from_secs(configured.unwrap_or(DEFAULT_AFFINITY_SECONDS).into()))
}

fn protocol(text: &str) -> view::Protocol {
    match text {
        "UDP" => view::Protocol::Udp,
        "SCTP" => view::Protocol::Sctp,
        _ => view::Protocol::Tcp,
    }
}

fn port_view(port: ServicePort) -> view::ServicePort {
    view::ServicePort {
        name: port.name.unwrap_or_default(),
        protocol: protocol(port.protocol.as_deref().unwrap_or("TCP")),
        port: port.port,
        node_port: port.node_port.filter(|port| *port != 0),
        target_port: match port.target_port {
            None => String::new(),
            Some(IntOrString::Int(number)) => number.to_string(),
            Some(IntOrString::String(name)) => name,
        },
        app_protocol: port.app_protocol.unwrap_or_default(),
    }
}

fn ip_family(text: &str) -> Option<view::IpFamily> {
    match text {
        "IPv4" => Some(view::IpFamily::V4),
        "IPv6" => Some(view::IpFamily::V6),
        _ => None,
    }
}

fn ingress_view(ingress: LoadBalancerIngress) -> view::Ingress {
    view::Ingress {
        ip: ingress.ip,
        hostname: ingress.hostname,
        ip_mode: match ingress.ip_mode.as_deref() {
            Some("VIP") => Some(view::IpMode::Vip),
            Some("Proxy") => Some(view::IpMode::Proxy),
            _ => None,
        },
        ports: ingress
            .ports
            .into_iter()
            .map(|p| view::PortStatus { port: p.port, protocol: protocol(&p.protocol), error: p.error })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(value: serde_json::Value) -> view::Node {
        serde_json::from_value::<NodeObject>(value).expect("a Node").into()
    }

    fn service(value: serde_json::Value) -> view::Service {
        serde_json::from_value::<ServiceObject>(value).expect("a Service").into()
    }

    #[test]
    fn reads_what_a_decision_needs_of_a_node() {
        let node = node(json!({
            "metadata": {"name": "n1", "uid": "u1", "resourceVersion": "7", "creationTimestamp": "1970-01-01T00:01:00Z",
                "annotations": {LAST_APPLIED: "{}", "huge": "x".repeat(5000), "kept": "yes"}},
            "spec": {"providerID": "mock://i-1", "podCIDRs": ["10.0.0.0/24"],
                "taints": [{"key": "k", "effect": "NoSchedule", "timeAdded": "2026-01-01T00:00:00Z"}]},
            "status": {
                "addresses": [{"type": "InternalIP", "address": "10.1.1.1"}, {"type": "Carrier", "address": "pigeon"}],
                "conditions": [{"type": "Ready", "status": "False", "reason": "KubeletNotReady",
                    "lastTransitionTime": "1970-01-01T00:02:00Z"}],
                "images": [{"names": ["not kept"]}]},
        }));
        assert_eq!(node.created, Timestamp::from_secs(60));
        assert_eq!(node.annotations.keys().collect::<Vec<_>>(), ["kept"]);
        assert_eq!(node.provider_id_scheme(), Some("mock"));
        assert_eq!(node.addresses, [view::NodeAddress::new(view::AddressType::InternalIp, "10.1.1.1")]);
        assert_eq!(node.ready.as_ref().and_then(|ready| ready.last_transition), Some(Timestamp::from_secs(120)));
        assert!(!node.is_ready());
        assert_eq!(node.taints[0].time_added.as_deref(), Some("2026-01-01T00:00:00Z"));
    }

    #[test]
    fn only_labels_we_wrote_last_are_ours() {
        let entry = |manager: &str, labels: serde_json::Value| {
            json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:metadata": {"f:labels": labels}, "f:spec": {"f:providerID": {}}}})
        };
        let node = node(json!({"metadata": {"name": "n1", "managedFields": [
            entry("kubelet", json!({".": {}, "f:kubernetes.io/hostname": {}})),
            entry(names::FIELD_MANAGER_NODE, json!({"f:topology.kubernetes.io/zone": {}, "f:a.example/b": {}})),
            {"manager": names::FIELD_MANAGER_NODE, "operation": "Update", "subresource": "status",
                "fieldsV1": {"f:status": {"f:addresses": {}}}},
        ]}}));
        assert_eq!(node.owned_labels.into_iter().collect::<Vec<_>>(), ["a.example/b", "topology.kubernetes.io/zone"]);
    }

    #[test]
    fn reads_what_a_decision_needs_of_an_endpoint_slice() {
        let slice = |value| -> view::EndpointSlice {
            serde_json::from_value::<EndpointSliceObject>(value).expect("an EndpointSlice").into()
        };
        let read = slice(json!({
            "metadata": {"name": "web-x", "namespace": "shop", "resourceVersion": "7",
                "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "endpoints": [
                {"addresses": ["10.0.0.1"], "conditions": {}, "nodeName": "n1", "zone": "z1", "hints": {"forZones": []}},
                {"addresses": ["10.0.0.2"], "conditions": {"ready": false, "serving": true, "terminating": true}},
                {"addresses": ["db.example.com"], "conditions": {"ready": true}},
                {"addresses": ["10.0.0.3"], "conditions": {"ready": false}}],
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "all", "port": null}],
        }));
        assert_eq!((read.namespace.as_str(), read.service.as_str()), ("shop", "web"));
        assert_eq!(read.ports, [view::EndpointPort { name: "http".into(), protocol: view::Protocol::Tcp, port: 8080 }]);
        let seen: Vec<_> = read
            .endpoints
            .iter()
            .map(|e| {
                (e.address.to_string(), (e.ready, e.serving, e.terminating), e.node_name.as_str(), e.zone.as_str())
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("10.0.0.1".to_owned(), (true, true, false), "n1", "z1"),
                ("10.0.0.2".to_owned(), (false, true, true), "", ""),
                ("10.0.0.3".to_owned(), (false, false, false), "", ""),
            ]
        );
        assert!(slice(json!({"metadata": {"name": "x"}, "endpoints": null, "ports": null})).endpoints.is_empty());
    }

    #[test]
    fn an_empty_node_reads_as_nothing_known() {
        let node = node(json!({"metadata": {"name": "n1"}}));
        assert_eq!(node.provider_id_scheme(), None);
        assert!(node.ready.is_none() && node.addresses.is_empty() && !node.deleting);
    }

    #[test]
    fn reads_what_a_decision_needs_of_a_service() {
        let service = service(json!({
            "metadata": {"namespace": "ns", "name": "s", "uid": "u", "finalizers": ["f"], "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"type": "LoadBalancer", "sessionAffinity": "ClientIP", "externalTrafficPolicy": "Local",
                "healthCheckNodePort": 31000, "ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "RequireDualStack",
                "loadBalancerIP": "1.2.3.4",
                "ports": [{"port": 80, "targetPort": "http", "nodePort": 30080}, {"port": 53, "protocol": "UDP", "targetPort": 53}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "9.9.9.9", "ipMode": "Proxy",
                "ports": [{"port": 80, "protocol": "TCP", "error": "Broken"}]}]}},
        }));
        assert!(service.deleting && service.local_traffic);
        assert_eq!(service.kind, view::ServiceType::LoadBalancer);
        assert_eq!(service.client_ip_affinity, Some(Duration::from_secs(10_800)));
        assert_eq!(service.health_check_node_port, Some(31000));
        assert_eq!(service.ip_families, [view::IpFamily::V6, view::IpFamily::V4]);
        assert_eq!(service.ports[0].target_port, "http");
        assert_eq!(service.ports[1].target_port, "53");
        assert_eq!(service.ports[1].node_port, None);
        assert_eq!(service.ingress[0].ip_mode, Some(view::IpMode::Proxy));
        assert_eq!(service.ingress[0].ports[0].error.as_deref(), Some("Broken"));
    }
}
