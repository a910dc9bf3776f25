//! What work costs in calls (11.3), beside what it cost the Go provider.

use super::{
    super::rig::{Rig, port},
    next,
};

/// Lists of pools and members, and then four calls for each member: 2 + 4 × 500.
#[tokio::test]
async fn cost_of_many_members_is_a_call_for_two_hundred() {
    let rig = Rig::start().await;
    let mut service = rig.service("shared").await.change(|s| s.members.nodes.clear());
    rig.ensure(&mut service).await;
    let fleet = serde_json::json!({"fleets": [{"prefix": "more-", "count": 500}]});
    rig.sim.seed(fleet).unwrap();
    let many = (0..500).map(|number| rig.node_called(&format!("more-{number}"))).collect();
    let mut filled = next(&service, "s1-m2").change(|s| s.members.nodes = many);
    rig.sim.forget_calls();
    rig.update_members(&mut filled).await.unwrap();
    let (reads, writes) = rig.calls();
    assert_eq!(writes, ["BatchCreateMembers"; 3]);
    assert!(reads.len() <= 3, "{reads:?}");
}

/// 2 + 2 K calls to read a load balancer with K ports.
#[tokio::test]
async fn cost_of_a_look_does_not_grow_with_the_ports() {
    let rig = Rig::start().await;
    let ports: Vec<_> = (0..10).map(|n| port(80 + n, 30080 + n)).collect();
    let mut service = rig.service("dedicated").await.change(|s| s.spec.ports = ports);
    rig.ensure(&mut service).await;
    rig.sim.forget_calls();
    rig.look(&service).await.unwrap();
    assert!(rig.calls().0.len() <= 2);
    rig.ensure(&mut service).await;
    assert!(rig.calls().0.len() <= 8);
}

/// About 2 + K (4 + M) calls to delete one with K ports and M members.
#[tokio::test]
async fn cost_of_a_deletion_does_not_grow_with_ports_and_members() {
    let rig = Rig::start().await;
    let ports: Vec<_> = (0..10).map(|n| port(80 + n, 30080 + n)).collect();
    let mut service = rig.service("shared").await.change(|s| s.spec.ports = ports);
    rig.ensure(&mut service).await;
    rig.sim.forget_calls();
    rig.delete(&service).await;
    let (reads, writes) = rig.calls();
    assert_eq!(writes, ["DeleteLoadBalancerForce"]);
    assert!(reads.len() <= 8, "{reads:?}");
}
