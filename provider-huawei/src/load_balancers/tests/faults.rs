//! Lists that lie, and others' things.

use std::time::Duration;

use simulators::engine::{Effect, Rule};

use super::rig::{EIP, Rig};

#[tokio::test]
async fn empty_lists_never_lead_to_a_second_load_balancer_nor_to_a_loss() {
    for class in ["shared", "dedicated"] {
        let mut rig = Rig::start().await;
        let mut service = rig.service(class).await.with(EIP);
        rig.ensure(&mut service).await;
        let before = rig.shape();
        rig.restart();
        rig.sim.forget_calls();
        rig.sim.break_with(Rule::new(Effect::ShortList { keep: 0 }).lasting(Duration::from_secs(30)));
        service.hash = "s1-m9".to_owned();
        for _ in 0..5 {
            // What it answers does not matter; what it does not do, does.
            let _ = rig.ensure_once(&service).await;
        }
        let (_, writes) = rig.calls();
        assert!(!writes.iter().any(|name| name.starts_with("Create") || name.starts_with("Delete")), "{writes:?}");
        rig.sim.mend_all();
        rig.ensure(&mut service).await;
        let count = |shape: &serde_json::Value| shape["balancers"].as_array().unwrap().len();
        assert_eq!(count(&rig.shape()), count(&before));
    }
}

#[tokio::test]
async fn another_clusters_load_balancer_of_the_same_name_is_left_alone() {
    let rig = Rig::start().await;
    let mut first = rig.service("shared").await;
    rig.ensure(&mut first).await;
    let theirs = rig.shape();
    // The same namespace and name, another UID: another cluster's, or a Service that was made anew.
    let mut second = first.clone().change(|s| {
        s.uid = "u2".to_owned();
        // Users can write the handle.
        s.hash = "other".to_owned();
    });
    rig.ensure(&mut second).await;
    assert_eq!(rig.shape()["balancers"].as_array().unwrap().len(), 2);
    rig.delete(&second).await;
    assert_eq!(rig.shape(), theirs);
}

#[tokio::test]
async fn a_broken_annotation_keeps_nothing_from_being_deleted() {
    for class in ["shared", "dedicated", "dnat"] {
        let rig = Rig::start().await;
        let mut service = rig.service(class).await;
        rig.ensure(&mut service).await;
        let broken = service.with(("elb.class", "?")).with(("elb.idle-timeout", "soon"));
        let error = rig.ensure_once(&broken).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::InvalidArgument);
        rig.delete(&broken).await;
        let shape = rig.shape();
        assert!(shape["balancers"].as_array().unwrap().is_empty() && shape["rules"].as_array().unwrap().is_empty());
    }
}

#[tokio::test]
async fn two_load_balancers_with_one_key_need_a_person() {
    let rig = Rig::start().await;
    let service = rig.service("shared").await;
    // Two daemons that know nothing of each other would do this at worst.
    let (mut one, mut two) = (service.clone(), service.clone());
    rig.ensure(&mut one).await;
    let rule = rig.sim.break_with(Rule::new(Effect::ShortList { keep: 0 }));
    rig.ensure(&mut two).await;
    rig.sim.mend(rule);
    let error = rig.ensure_once(&service).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::DataLoss, "{error}");
}
