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

/// What a Service shows that the Go provider has seen to, and its load balancer.
async fn taken_over(rig: &Rig) -> (super::rig::Service, String) {
    let id = rig.made_by_go("kubernetes", &rig.address(1)).await;
    let service = rig.service("shared").await.change(|s| s.published = vec!["192.168.0.77".to_owned()]);
    (service, id)
}

#[tokio::test]
async fn a_service_that_shows_an_address_gets_no_second_load_balancer_on_the_word_of_a_list() {
    let rig = Rig::start().await;
    let (mut service, id) = taken_over(&rig).await;
    let lie = rig.sim.break_with(Rule::new(Effect::ShortList { keep: 0 }).service("elb"));
    for _ in 0..10 {
        match rig.ensure_once(&service).await {
            Ok(state) => assert!(format!("{state:?}").contains("may show up"), "{state:?}"),
            Err(error) => assert!(error.message().contains("elb.adopt to none"), "{error}"),
        }
        rig.pass(Duration::from_secs(20)).await;
    }
    let error = rig.ensure_once(&service).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::FailedPrecondition, "{error}");
    assert!(rig.plan(&service).await.is_err(), "a plan says the same");
    assert_eq!(rig.shape()["balancers"].as_array().unwrap().len(), 1);
    rig.sim.mend(lie);
    rig.ensure(&mut service).await;
    assert_eq!(service.handle, format!("elb:{id}"));
    assert_eq!(rig.shape()["balancers"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_service_that_shows_an_address_is_not_let_go_on_the_word_of_a_list() {
    let rig = Rig::start().await;
    let (service, _) = taken_over(&rig).await;
    let lie = rig.sim.break_with(Rule::new(Effect::ShortList { keep: 0 }).service("elb"));
    for _ in 0..10 {
        assert!(!matches!(rig.delete_once(&service).await, Ok(provider_kit::load_balancers::Outcome::Deleted(_))));
        rig.pass(Duration::from_secs(20)).await;
    }
    rig.sim.mend(lie);
    // Whose it is, nobody can tell without its members; a person can.
    assert!(rig.delete_once(&service).await.unwrap_err().message().contains("elb.adopt"));
    let id = rig.sim.look(|cloud| cloud.elb.load_balancers.iter().next().unwrap().id.clone());
    rig.delete(&service.with(("elb.adopt", &id))).await;
    assert!(rig.shape()["balancers"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_a_person_says_is_gone_is_made_again_or_let_go() {
    for class in ["shared", "dedicated", "dnat"] {
        let rig = Rig::start().await;
        let service = rig.service(class).await.change(|s| s.published = vec!["203.0.113.200".to_owned()]);
        let mut service = service.with(("elb.adopt", "none"));
        rig.delete(&service).await;
        rig.ensure(&mut service).await;
        service.published.clear();
        rig.delete(&service).await;
    }
}

#[tokio::test]
async fn a_handle_explains_what_a_service_shows() {
    for class in ["shared", "dedicated", "dnat"] {
        let mut rig = Rig::start().await;
        let mut service = rig.service(class).await;
        let ready = rig.ensure(&mut service).await;
        service.published = ready.ingress.iter().map(|way| way.ip.clone()).collect();
        // Somebody has deleted it by hand: its id says so.
        rig.sim.edit(|cloud, now| {
            let ids: Vec<_> = cloud.elb.load_balancers.iter().map(|lb| lb.id.clone()).collect();
            for id in &ids {
                drop(cloud.elb.load_balancers.remove(now, id));
            }
            let rules: Vec<_> = cloud.nat.rules.iter().map(|rule| rule.id.clone()).collect();
            for id in &rules {
                drop(cloud.nat.rules.remove(now, id));
            }
        });
        rig.restart();
        rig.ensure(&mut service).await;
        let shape = rig.shape();
        let count = |kind: &str| shape[kind].as_array().unwrap().len();
        assert_eq!(count("balancers") + count("rules"), 1, "{class}");
        rig.delete(&service).await;
    }
}
