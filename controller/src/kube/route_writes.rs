//! The one thing the route controller writes: a Node's condition `NetworkUnavailable`.

use controller_core::{
    names::{CONDITION_NETWORK_UNAVAILABLE, FIELD_MANAGER_ROUTE},
    route::condition::ConditionWrite,
    view::{ConditionStatus, Node},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{objects::NodeObject, write_error::WriteError};

/// Writes the condition by this client.
pub async fn write_condition(
    client: &Client,
    node: &Node,
    write: &ConditionWrite,
    now: &Time,
) -> Result<(), WriteError> {
    let params = PatchParams { field_manager: Some(FIELD_MANAGER_ROUTE.to_owned()), ..PatchParams::default() };
    let patch = Patch::Strategic(body(node, write, now));
    Api::<NodeObject>::all(client.clone()).patch_status(&node.name, &params, &patch).await?;
    Ok(())
}

/// A strategic merge patch: conditions merge by type, so the conditions of others stay.
fn body(node: &Node, write: &ConditionWrite, now: &Time) -> Value {
    let mut condition = json!({
        "type": CONDITION_NETWORK_UNAVAILABLE,
        "status": match write.status {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        },
        "reason": write.reason,
        "message": write.message,
        "lastHeartbeatTime": now,
    });
    if write.transition {
        condition["lastTransitionTime"] = json!(now);
    }
    json!({"metadata": {"uid": node.uid}, "status": {"conditions": [condition]}})
}

#[cfg(test)]
mod tests {
    use controller_core::{route::condition::condition, view::Condition};

    use super::*;
    use crate::kube::scripted::ScriptedApi;

    fn node() -> Node {
        serde_json::from_value::<NodeObject>(json!({"metadata": {"name": "n1", "uid": "u1"}})).expect("a Node").into()
    }

    fn now() -> Time {
        Time("2026-01-01T00:00:00Z".parse().expect("a time"))
    }

    #[test]
    fn only_this_condition_is_named() {
        let write = condition(None, true, None).expect("a first word");
        assert_eq!(
            body(&node(), &write, &now()),
            json!({"metadata": {"uid": "u1"}, "status": {"conditions": [{
                "type": "NetworkUnavailable", "status": "False",
                "reason": "RouteCreated", "message": "RouteController created a route",
                "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]}})
        );
    }

    #[test]
    fn the_time_of_transition_stays_while_the_status_does() {
        let calico =
            Condition { status: ConditionStatus::False, reason: "CalicoIsUp".to_owned(), last_transition: None };
        let write = condition(Some(&calico), true, None).expect("our own words");
        let body = body(&node(), &write, &now());
        assert!(body["status"]["conditions"][0].get("lastTransitionTime").is_none(), "{body}");
    }

    #[tokio::test]
    async fn it_goes_to_the_status_alone() {
        let (client, mut api) = ScriptedApi::new();
        let write = condition(None, false, None).expect("a first word");
        let task = tokio::spawn(async move { write_condition(&client, &node(), &write, &now()).await });
        let call = api.next().await;
        assert_eq!((call.method.as_str(), call.path.as_str()), ("PATCH", "/api/v1/nodes/n1/status"));
        assert!(call.query.contains("fieldManager=ccm.cloudprovider.io%2Froute"), "{}", call.query);
        call.refuse(404, "NotFound");
        assert!(matches!(task.await.expect("no panic"), Err(WriteError::Gone)));
    }
}
