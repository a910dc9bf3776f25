//! How many calls it takes.

use super::rig::{EIP, Rig};

/// The least for a load balancer with one port: it has to be looked for before it is made (nobody may ever make it twice), and then
/// itself, pool, members, monitor, listener, for a shared one its address; and the wait for an asynchronous creation.
async fn check(class: &str, with_eip: bool, asynchronous: bool, least: usize) {
    let rig = Rig::start().await;
    if asynchronous {
        rig.slow("loadbalancer.create", 500);
    }
    let mut service = rig.service(class).await;
    if with_eip {
        service = service.with(EIP);
    }
    rig.sim.forget_calls();
    rig.ensure(&mut service).await;
    let (reads, writes) = rig.calls();
    let calls = reads.len() + writes.len();
    assert!(calls <= least + 2, "{class}: {calls} calls, {least} at least: {reads:?} {writes:?}");
}

#[tokio::test]
async fn nothing_to_ready_is_at_most_two_calls_above_the_least() {
    check("shared", false, false, 6).await;
    check("shared", true, true, 8).await;
    check("dedicated", false, false, 6).await;
    check("dedicated", true, false, 6).await;
    // Gateway, rules, address and the node's port have to be known; the rule is made and seen to be there.
    check("dnat", false, false, 6).await;
}

#[tokio::test]
async fn one_node_more_is_one_write_and_a_restart_still_knows_it() {
    for class in ["shared", "dedicated"] {
        let mut rig = Rig::start().await;
        let mut service = rig.service(class).await;
        rig.ensure(&mut service).await;
        service.members.nodes.push(rig.node(3));
        service.hash = "s1-m2".to_owned();
        rig.sim.forget_calls();
        rig.update_members(&mut service).await.unwrap();
        let (reads, writes) = rig.calls();
        assert_eq!(writes, ["BatchCreateMembers"], "{class}");
        assert!(reads.len() <= 2, "{class}: {reads:?}");
        rig.restart();
        rig.sim.forget_calls();
        let seen = rig.look(&service).await.unwrap();
        assert!(format!("{seen:?}").contains("s1-m2"), "{class}: {seen:?}");
        assert!(rig.calls().0.len() <= 2);
        // One less is written down, too.
        service.members.nodes.remove(0);
        service.hash = "s1-m3".to_owned();
        rig.update_members(&mut service).await.unwrap();
        let seen = rig.look(&service).await.unwrap();
        assert!(format!("{seen:?}").contains("s1-m3"), "{class}: {seen:?}");
    }
}
