//! Writes to Nodes.
//!
//! * Addresses go by a JSON merge patch, which replaces the whole list: `status.addresses` is declared as a map by type, so
//!   that server-side apply refuses, and a strategic merge mixes up, two addresses of one type or another order.
//! * providerID, labels and taints go in one merge patch that is bound to the resource version it was decided on: taints
//!   have no merge key, so what somebody else has put in since would be lost.
//! * All are written under one field manager. The managed fields then tell which labels are still ours
//!   ([`view::Node::owned_labels`](controller_core::view::Node::owned_labels)); applying them with server-side apply would
//!   keep a second account of the same labels beside the one of the patch that takes the taint away.

use controller_core::{
    lifecycle::ConditionChange,
    names::{CONDITION_REMOVAL_BLOCKED, FIELD_MANAGER_NODE},
    node::NodePatch,
    view::{Node, NodeAddress, Taint},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api, Client, Error,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use serde_json::{Map, Value, json};

use super::objects::NodeObject;
pub use super::write_error::WriteError;
use crate::metrics::CounterVec;

/// Writes Nodes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NodeWriter {
    api: Api<NodeObject>,
    writes: CounterVec<2>,
}

impl NodeWriter {
    /// Writes by this client and counts in `writes`, by what was written and how it went.
    pub fn new(client: Client, writes: CounterVec<2>) -> Self {
        Self { api: Api::all(client), writes }
    }

    /// The Node as it is now.
    pub async fn get(&self, name: &str) -> Result<Node, WriteError> {
        self.api.get(name).await.map(Node::from).map_err(WriteError::from)
    }

    /// Replaces `status.addresses`; gives the Node as it is then.
    pub async fn addresses(&self, node: &Node, addresses: &[NodeAddress]) -> Result<Node, WriteError> {
        let patch = Patch::Merge(addresses_body(node, addresses));
        let done = self.api.patch_status(&node.name, &params(), &patch).await;
        self.counted("addresses", done.map(Node::from))
    }

    /// Writes providerID, labels and taints at once, unless the Node has changed; gives the Node as it is then.
    pub async fn patch(&self, node: &Node, patch: &NodePatch) -> Result<Node, WriteError> {
        let patch = Patch::Merge(patch_body(node, patch));
        let done = self.api.patch(&node.name, &params(), &patch).await;
        self.counted("metadata_and_spec", done.map(Node::from))
    }

    /// Replaces the taints, unless the Node has changed.
    pub async fn taints(&self, node: &Node, taints: Vec<Taint>) -> Result<Node, WriteError> {
        let patch = NodePatch { taints: Some(taints), ..NodePatch::default() };
        let done = self.api.patch(&node.name, &params(), &Patch::Merge(patch_body(node, &patch))).await;
        self.counted("taints", done.map(Node::from))
    }

    /// Sets or clears the condition that tells why the Node is not removed.
    pub async fn condition(&self, node: &Node, change: &ConditionChange, now: &Time) -> Result<Node, WriteError> {
        let patch = Patch::Strategic(condition_body(node, change, now));
        let done = self.api.patch_status(&node.name, &params(), &patch).await;
        self.counted("condition", done.map(Node::from))
    }

    /// Removes the Node, unless it has changed or another one bears its name.
    pub async fn delete(&self, node: &Node) -> Result<(), WriteError> {
        let done = self.api.delete(&node.name, &delete_params(node)).await;
        self.counted("delete", done.map(drop))
    }

    fn counted<T>(&self, what: &str, done: Result<T, Error>) -> Result<T, WriteError> {
        let done = done.map_err(WriteError::from);
        let result = match &done {
            Ok(_) => "success",
            Err(WriteError::Conflict) => "conflict",
            Err(WriteError::Gone) => "gone",
            Err(WriteError::Failed(_)) => "error",
        };
        self.writes.with([what, result]).inc();
        done
    }
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER_NODE.to_owned()), ..PatchParams::default() }
}

fn delete_params(node: &Node) -> DeleteParams {
    let preconditions =
        Preconditions { uid: Some(node.uid.clone()), resource_version: Some(node.resource_version.clone()) };
    DeleteParams::default().preconditions(preconditions)
}

fn addresses_body(node: &Node, addresses: &[NodeAddress]) -> Value {
    let addresses: Vec<Value> =
        addresses.iter().map(|address| json!({"type": address.kind.as_str(), "address": address.address})).collect();
    json!({"metadata": {"uid": node.uid}, "status": {"addresses": addresses}})
}

fn patch_body(node: &Node, patch: &NodePatch) -> Value {
    let mut metadata = json!({"uid": node.uid, "resourceVersion": node.resource_version});
    let set = patch.labels.set.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
    let labels: Map<String, Value> =
        set.chain(patch.labels.remove.iter().map(|key| (key.clone(), Value::Null))).collect();
    if !labels.is_empty() {
        metadata["labels"] = labels.into();
    }
    let mut spec = Map::new();
    if let Some(id) = &patch.provider_id {
        spec.insert("providerID".to_owned(), id.as_str().into());
    }
    if let Some(taints) = &patch.taints {
        spec.insert("taints".to_owned(), taints.iter().map(taint_body).collect());
    }
    let mut body = json!({"metadata": metadata});
    if !spec.is_empty() {
        body["spec"] = spec.into();
    }
    body
}

fn taint_body(taint: &Taint) -> Value {
    let mut body = json!({"key": taint.key, "effect": taint.effect});
    if let Some(value) = &taint.value {
        body["value"] = value.as_str().into();
    }
    if let Some(time) = &taint.time_added {
        body["timeAdded"] = time.as_str().into();
    }
    body
}

fn condition_body(node: &Node, change: &ConditionChange, now: &Time) -> Value {
    let condition = match change {
        ConditionChange::Set { reason, message } => json!({
            "type": CONDITION_REMOVAL_BLOCKED, "status": "True", "reason": reason, "message": message,
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        }),
        ConditionChange::Clear => json!({"type": CONDITION_REMOVAL_BLOCKED, "$patch": "delete"}),
    };
    json!({"metadata": {"uid": node.uid}, "status": {"conditions": [condition]}})
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use controller_core::{labels::LabelChanges, view::AddressType};

    use super::*;
    use crate::{kube::scripted::ScriptedApi, metrics::Metrics};

    fn node() -> Node {
        serde_json::from_value::<NodeObject>(json!({"metadata": {"name": "n1", "uid": "u1", "resourceVersion": "7"}}))
            .expect("a Node")
            .into()
    }

    fn taint(key: &str) -> Taint {
        Taint {
            key: key.to_owned(),
            value: Some("v".to_owned()),
            effect: "NoExecute".to_owned(),
            time_added: Some("2026-01-01T00:00:00Z".to_owned()),
        }
    }

    #[test]
    fn two_addresses_of_one_type_keep_their_order() {
        let addresses = [
            NodeAddress::new(AddressType::InternalIp, "fc00::1"),
            NodeAddress::new(AddressType::InternalIp, "10.0.0.1"),
            NodeAddress::new(AddressType::Hostname, "n1"),
        ];
        assert_eq!(
            addresses_body(&node(), &addresses),
            json!({"metadata": {"uid": "u1"}, "status": {"addresses": [
                {"type": "InternalIP", "address": "fc00::1"},
                {"type": "InternalIP", "address": "10.0.0.1"},
                {"type": "Hostname", "address": "n1"},
            ]}})
        );
    }

    #[test]
    fn initialisation_is_one_patch_bound_to_what_was_seen() {
        let patch = NodePatch {
            provider_id: Some("mock://i-1".to_owned()),
            labels: LabelChanges {
                set: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
                remove: BTreeSet::from(["gone".to_owned()]),
                kept: BTreeSet::from(["theirs".to_owned()]),
            },
            taints: Some(vec![taint("other")]),
        };
        assert_eq!(
            patch_body(&node(), &patch),
            json!({
                "metadata": {"uid": "u1", "resourceVersion": "7", "labels": {"a": "b", "gone": null}},
                "spec": {"providerID": "mock://i-1", "taints": [
                    {"key": "other", "value": "v", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"},
                ]},
            })
        );
    }

    #[test]
    fn a_patch_of_labels_leaves_the_spec_alone() {
        let labels =
            LabelChanges { set: BTreeMap::from([("a".to_owned(), "b".to_owned())]), ..LabelChanges::default() };
        let body = patch_body(&node(), &NodePatch { labels, ..NodePatch::default() });
        assert_eq!(body, json!({"metadata": {"uid": "u1", "resourceVersion": "7", "labels": {"a": "b"}}}));
    }

    #[test]
    fn the_last_taint_goes_with_an_empty_list() {
        let body = patch_body(&node(), &NodePatch { taints: Some(Vec::new()), ..NodePatch::default() });
        assert_eq!(body["spec"], json!({"taints": []}));
    }

    #[test]
    fn the_condition_is_one_of_many_and_goes_alone() {
        let now = Time("2026-01-01T00:00:00Z".parse().expect("a time"));
        let set = ConditionChange::Set { reason: "NoCanary", message: "why".to_owned() };
        let body = condition_body(&node(), &set, &now);
        let condition = &body["status"]["conditions"][0];
        assert_eq!((&condition["type"], &condition["reason"]), (&json!("CloudRemovalBlocked"), &json!("NoCanary")));
        assert_eq!(condition["lastTransitionTime"], json!("2026-01-01T00:00:00Z"));
        assert_eq!(
            condition_body(&node(), &ConditionChange::Clear, &now),
            json!({"metadata": {"uid": "u1"}, "status": {"conditions": [{"type": "CloudRemovalBlocked", "$patch": "delete"}]}})
        );
    }

    fn writer() -> (NodeWriter, ScriptedApi, Metrics) {
        let (client, api) = ScriptedApi::new();
        let metrics = Metrics::new();
        (NodeWriter::new(client, metrics.node.writes.clone()), api, metrics)
    }

    #[tokio::test]
    async fn a_node_is_removed_only_as_it_was_seen() {
        let (writer, mut api, metrics) = writer();
        let deletion = tokio::spawn(async move { writer.delete(&node()).await });
        let call = api.next().await;
        assert_eq!((call.method.as_str(), call.path.as_str()), ("DELETE", "/api/v1/nodes/n1"));
        assert_eq!(call.body["preconditions"], json!({"uid": "u1", "resourceVersion": "7"}));
        call.refuse(409, "Conflict");
        let error = deletion.await.expect("no panic").expect_err("refused");
        assert!(matches!(error, WriteError::Conflict), "{error}");
        assert_eq!(metrics.node.writes.with(["delete", "conflict"]).get(), 1);
    }

    #[tokio::test]
    async fn writes_go_under_our_field_manager_and_bring_the_node_back() {
        let (writer, mut api, _) = writer();
        let write = tokio::spawn(async move {
            writer.addresses(&node(), &[NodeAddress::new(AddressType::InternalIp, "10.0.0.1")]).await
        });
        let call = api.next().await;
        assert_eq!((call.method.as_str(), call.path.as_str()), ("PATCH", "/api/v1/nodes/n1/status"));
        assert!(call.query.contains("fieldManager=ccm.cloudprovider.io"), "{}", call.query);
        call.answer(200, &json!({"metadata": {"name": "n1", "uid": "u1", "resourceVersion": "8"}}));
        let node = write.await.expect("no panic").expect("written");
        assert_eq!(node.resource_version, "8");
    }

    #[tokio::test]
    async fn another_node_of_the_same_name_counts_as_gone() {
        let (writer, mut api, _) = writer();
        let write = tokio::spawn(async move { writer.taints(&node(), vec![taint("k")]).await });
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 422, "reason": "Invalid",
            "message": "Node \"n1\" is invalid: metadata.uid: Invalid value: \"u1\": field is immutable"});
        api.next().await.answer(422, &status);
        let error = write.await.expect("no panic").expect_err("refused");
        assert!(matches!(error, WriteError::Gone), "{error}");
    }
}
