//! Lists that lie, calls that fail, and others' things.

use std::time::Duration;

use cloud_provider_api::error::Reason;
use simulators::engine::{Effect, Rule};

use super::rig::{Rig, port, udp};
use crate::api::balancers::Kind;

fn refusal(status: u16, code: &str) -> Rule {
    Rule::new(Effect::Refuse { status, code: code.to_owned(), message: "no".to_owned(), retry_after: None })
}

#[tokio::test]
async fn empty_lists_never_lead_to_a_second_load_balancer_nor_to_a_loss() {
    for kind in Kind::ALL {
        let mut rig = Rig::of(kind).await;
        let mut service = rig.service(kind);
        rig.ensure(&mut service).await;
        rig.restart();
        rig.sim.break_with(Rule::new(Effect::ShortList { keep: 0 }).lasting(Duration::from_secs(30)));
        service.hash = "s1-m9".to_owned();
        for _ in 0..5 {
            // What it answers does not matter; what it does not do, does.
            let _ = rig.ensure_once(&service).await;
        }
        rig.sim.mend_all();
        rig.ensure(&mut service).await;
        assert_eq!(rig.count(), (1, 1), "{kind:?}");
    }
}

#[tokio::test]
async fn a_list_that_lacks_what_its_load_balancer_has_is_refused_and_makes_nothing() {
    for kind in Kind::ALL {
        for (keep, handle_is_lost) in [(0, false), (1, false), (1, true)] {
            let told = format!("{kind:?}, {keep} rows, handle lost: {handle_is_lost}");
            let mut rig = Rig::of(kind).await;
            let mut service = rig.service(kind).change(|s| s.spec.ports.push(udp(80, 30081)));
            rig.ensure(&mut service).await;
            let handle = service.handle.clone();
            rig.restart();
            rig.sim.forget_calls();
            let rule = rig.sim.break_with(Rule::new(Effect::ShortList { keep }));
            service = service.change(|s| {
                s.hash = "s2".to_owned();
                s.spec.ports.push(port(81, 30082));
            });
            if handle_is_lost {
                service.handle.clear();
            }
            let error = rig.ensure_once(&service).await.expect_err(&told);
            assert_eq!((error.code(), error.reason()), (tonic::Code::Unavailable, Reason::ListingUnfinished), "{told}");
            assert!(error.message().contains("which the cloud's list of them lacks"), "{told}: {error}");
            assert_eq!(rig.calls().1, [""; 0], "{told}");
            rig.sim.mend(rule);
            rig.ensure(&mut service).await;
            assert_eq!((rig.count(), &service.handle), ((1, 1), &handle), "{told}");
        }
    }
}

#[tokio::test]
async fn servers_that_a_list_lacks_are_not_put_there_again_on_its_word() {
    for kind in [Kind::Plain, Kind::App] {
        for keep in [0, 1] {
            let told = format!("{kind:?}, {keep} rows");
            let mut rig = Rig::of(kind).await;
            let mut service = rig.service(kind);
            rig.ensure(&mut service).await;
            rig.restart();
            rig.sim.forget_calls();
            let rule = rig.sim.break_with(Rule::new(Effect::ShortList { keep }));
            for _ in 0..3 {
                let error = rig.update_members(&service).await.expect_err(&told);
                assert_eq!(error.reason(), Reason::ListingUnfinished, "{told}: {error}");
                rig.pass(Duration::from_secs(10)).await;
            }
            rig.sim.mend(rule);
            rig.update_members(&service).await.expect(&told);
            assert_eq!(rig.calls().1, [""; 0], "{told}");
        }
    }
}

#[tokio::test]
async fn lists_that_are_behind_for_long_are_waited_for() {
    for kind in Kind::ALL {
        let rig = Rig::of(kind).await;
        rig.lag(Duration::from_secs(25));
        let mut service = rig.service(kind);
        rig.ensure(&mut service).await;
        let mut more = service.change(|s| {
            s.hash = "s2".to_owned();
            s.spec.ports = vec![udp(80, 30081), port(81, 30082)];
        });
        rig.ensure(&mut more).await;
        assert_eq!(rig.count(), (1, 1), "{kind:?}");
        let listeners = rig.shape()["loadBalancers"][0]["listeners"].as_array().unwrap().len();
        assert_eq!(listeners, 2, "{kind:?}: {:#}", rig.shape());
    }
}

#[tokio::test]
async fn a_storm_of_busy_answers_and_failures_ends_well() {
    for kind in Kind::ALL {
        for rule in [
            refusal(409, "LastOperationNotFinished").mutating().times(9),
            refusal(503, "ServiceUnavailable").times(7),
            refusal(500, "InternalError").mutating().times(7),
            Rule::new(Effect::Drop { executed: true }).mutating().times(5),
        ] {
            let told = format!("{rule:?}");
            let rig = Rig::of(kind).await;
            rig.sim.break_with(rule);
            let mut service = rig.service(kind);
            rig.ensure(&mut service).await;
            assert_eq!(rig.count(), (1, 1), "{kind:?} {told}: {:#}", rig.shape());
            rig.delete(&service).await;
            assert_eq!(rig.count(), (0, 0), "{kind:?} {told}: {:#}", rig.shape());
        }
    }
}

#[tokio::test]
async fn a_broken_annotation_keeps_nothing_from_being_deleted() {
    let rig = Rig::start().await;
    let mut service = rig.service(Kind::Plain);
    rig.ensure(&mut service).await;
    let broken = service.with("load-balancer-rs-max-num", "many").with("elastic-ip-payment-timing", "?");
    let error = rig.ensure_once(&broken).await.unwrap_err();
    assert_eq!((error.code(), error.reason()), (tonic::Code::InvalidArgument, Reason::AnnotationInvalid));
    rig.delete(&broken).await;
    assert_eq!(rig.count(), (0, 0));
}

#[tokio::test]
async fn two_load_balancers_with_one_key_need_a_person() {
    let rig = Rig::start().await;
    let mut service = rig.service(Kind::Plain).with("load-balancer-internal-vpc", "true");
    rig.ensure(&mut service).await;
    let desc = rig.sim.look(|cloud| cloud.blbs.iter().next().unwrap().desc.clone());
    rig.users_balancer(Kind::Plain, "copied", &desc).await;
    service.handle.clear();
    let error = rig.ensure_once(&service).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::DataLoss, "{error}");
}

#[tokio::test]
async fn quotas_are_told_and_change_nothing() {
    let rig = Rig::start().await;
    rig.sim.break_with(refusal(413, "BlbExceedLimit").action("CreateLoadBalancer"));
    let error = rig.ensure_once(&rig.service(Kind::Plain)).await.unwrap_err();
    assert_eq!((error.code(), error.reason()), (tonic::Code::FailedPrecondition, Reason::QuotaExhausted));
    assert_eq!(rig.count(), (0, 0));
}
