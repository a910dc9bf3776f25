//! Load balancers themselves: found, made, kept, let go.

use cloud_provider_api::v1;
use serde_json::json;
use simulators::{engine::Rule, huawei::elb::Certificate};

use super::{
    super::rig::{EIP, Rig, port},
    listener, next, refusal,
};

fn count(rig: &Rig, kind: &str) -> usize {
    rig.shape()[kind].as_array().unwrap().len()
}

/// #218: the ConfigMap had no defaults for class, zones and public address, so that a dedicated load balancer took annotations.
#[tokio::test]
async fn issue_218_the_options_alone_are_enough_for_a_dedicated_load_balancer() {
    let mut rig = Rig::start().await;
    let options = json!({
        "default-elb-class": "dedicated", "availability-zones": "ap-southeast-1a",
        "eip-auto-create-option": {"ip_type": "5_bgp", "bandwidth_size": 5},
    });
    rig.options = serde_json::from_value(options).unwrap();
    let mut service = rig.service("dedicated").await.change(|s| s.annotations.clear());
    let ready = rig.ensure(&mut service).await;
    assert!(ready.ingress[0].ip.starts_with("203.0.113."), "{ready:?}");
    assert_eq!(rig.shape()["balancers"][0]["guaranteed"], true);
    rig.delete(&service).await;
    assert_eq!(count(&rig, "addresses"), 0);
}

/// DH 005: without an annotation for class and algorithm nothing could be made.
#[tokio::test]
async fn dh_005_class_and_algorithm_have_defaults() {
    let mut rig = Rig::start().await;
    rig.options.default_elb_class = "shared".to_owned();
    let mut service = rig.service("shared").await.change(|s| s.annotations.clear());
    rig.ensure(&mut service).await;
    assert_eq!(rig.shape()["balancers"][0]["guaranteed"], false);
    assert_eq!(listener(&rig)["pool"]["lb_algorithm"], "ROUND_ROBIN");
}

/// #266, PR #267: a public address could not be allocated without a shared bandwidth.
#[tokio::test]
async fn issue_266_an_address_is_allocated_without_a_shared_bandwidth_and_with_one() {
    for class in ["shared", "dedicated"] {
        let rig = Rig::start().await;
        rig.sim.seed(json!({"bandwidths": [{"id": "bandwidth-1", "size": 10}]})).unwrap();
        let alone = r#"{"ip_type":"5_bgp","bandwidth_size":5,"share_type":"PER","share_id":""}"#;
        let joined = r#"{"ip_type":"5_bgp","share_type":"WHOLE","share_id":"bandwidth-1"}"#;
        for (uid, option) in [("u1", alone), ("u2", joined)] {
            let service = rig.service(class).await.with(("elb.eip-auto-create-option", option));
            let mut service = service.change(|s| uid.clone_into(&mut s.uid));
            let ready = rig.ensure(&mut service).await;
            assert!(ready.ingress[0].ip.starts_with("203.0.113."), "{class} {option}: {ready:?}");
        }
        let shared =
            rig.sim.look(|cloud| cloud.publicips.iter().filter(|eip| eip.bandwidth.id == "bandwidth-1").count());
        assert_eq!(shared, 1, "{class}");
    }
}

/// #228: a load balancer without a public address could not be deleted.
#[tokio::test]
async fn issue_228_a_load_balancer_without_an_address_is_deleted() {
    for class in ["shared", "dedicated"] {
        let rig = Rig::start().await;
        let mut service = rig.service(class).await;
        rig.ensure(&mut service).await;
        rig.delete(&service).await;
        assert_eq!(count(&rig, "balancers"), 0, "{class}");
    }
}

/// PR #240: names clash between clusters, as all are called `kubernetes`.
#[tokio::test]
async fn pr_240_the_business_name_finds_what_was_made_under_it() {
    let mut rig = Rig::start().await;
    rig.options.business_name = "shop".to_owned();
    let theirs = rig.made_by_go("kubernetes", &rig.address(3)).await;
    let ours = rig.made_by_go("shop", &rig.address(1)).await;
    let mut service = rig.service("shared").await;
    rig.ensure(&mut service).await;
    assert_eq!(service.handle, format!("elb:{ours}"));
    assert_eq!(count(&rig, "balancers"), 2);
    rig.delete(&service).await;
    let left = rig.sim.look(|cloud| cloud.elb.load_balancers.iter().map(|lb| lb.id.clone()).collect::<Vec<_>>());
    assert_eq!(left, [theirs], "another cluster's");
}

/// DH 002: two load balancers for one Service, as two parts of the provider called the cluster differently.
#[tokio::test]
async fn dh_002_another_name_for_the_cluster_makes_no_second_load_balancer() {
    for class in ["shared", "dedicated"] {
        let rig = Rig::start().await;
        let mut service = rig.service(class).await;
        rig.ensure(&mut service).await;
        let mut renamed = next(&service, "s2-m1").change(|s| {
            s.cluster_name = "prod".to_owned();
            s.handle.clear();
        });
        rig.ensure(&mut renamed).await;
        assert_eq!((count(&rig, "balancers"), &renamed.handle), (1, &service.handle), "{class}");
    }
}

/// 11.2.1: any failed call of a sync was "rolled back": the load balancer was deleted with all its listeners.
#[tokio::test]
async fn seen_1_a_failed_call_deletes_nothing() {
    for class in ["shared", "dedicated"] {
        let rig = Rig::start().await;
        let mut service = rig.service(class).await.with(EIP);
        rig.ensure(&mut service).await;
        let addresses = rig.shape()["addresses"].clone();
        // A read that fails once is repeated; a write, and what is not allowed, is not.
        for (number, rule) in [refusal(500, "ELB.8906").times(1), refusal(403, "VPC.2201")].into_iter().enumerate() {
            for action in ["*oad*alancer*", "*Publicip*", "*Listener*", "*Pool*", "*Member*", "*Monitor*"] {
                let rule = rig.sim.break_with(rule.clone().action(action));
                let changed = next(&service, &format!("s{number}-m2")).change(|s| {
                    s.spec.ports = vec![port(80, 30080), port(443, 30443)];
                    s.members.nodes.push(rig.node(3));
                });
                // How it ends does not matter here; what it leaves does.
                let _ = rig.ensure_once(&changed).await;
                rig.sim.mend(rule);
                assert_eq!(count(&rig, "balancers"), 1, "{class} {action}");
                assert_eq!(rig.shape()["addresses"], addresses, "{class} {action}");
                assert_eq!(listener(&rig)["port"], json!(["TCP", 80]), "{class} {action}");
            }
        }
        // Bad JSON in an annotation did the same.
        let broken = service.clone().with(("elb.eip-auto-create-option", "{"));
        rig.ensure_once(&broken).await.unwrap_err();
        assert_eq!(count(&rig, "balancers"), 1, "{class}");
    }
}

/// 11.2.2: with TLS ended at a dedicated load balancer the second sync tried to make the listener again.
#[tokio::test]
async fn seen_2_tls_at_a_dedicated_load_balancer_is_synced_any_number_of_times() {
    for class in ["shared", "dedicated"] {
        let rig = Rig::start().await;
        let certificate = "c".repeat(32);
        rig.sim.edit(|cloud, now| {
            let fields = serde_json::from_value(json!({"certificate": "PEM", "private_key": "PEM"})).unwrap();
            let project = simulators::huawei::state::PROJECT.to_owned();
            let (created_at, updated_at) = (now, now);
            let made = Certificate { id: certificate.clone(), project, fields, created_at, updated_at };
            cloud.elb.certificates.insert(now, &certificate, made);
        });
        let mut service = rig.service(class).await.with(("elb.default-tls-container-ref", &certificate));
        rig.ensure(&mut service).await;
        assert_eq!(listener(&rig)["pool"]["protocol"], "HTTP", "{class}");
        rig.sim.forget_calls();
        rig.ensure(&mut service).await;
        assert_eq!(rig.calls().1, [""; 0], "{class}");
        let mut changed = next(&service, "s2-m1").with(("elb.lb-algorithm", "LEAST_CONNECTIONS"));
        rig.sim.forget_calls();
        rig.ensure(&mut changed).await;
        assert_eq!(rig.calls().1, ["UpdatePool", "UpdateLoadBalancer"], "{class}");
    }
}

/// 11.2.10: a listener on the user's load balancer was taken over from, or deleted with, another Service.
#[tokio::test]
async fn seen_10_anothers_listener_on_the_users_load_balancer_is_neither_taken_nor_deleted() {
    let rig = Rig::start().await;
    let id = rig.users_balancer().await;
    let mut first = rig.service("shared").await.with(("elb.id", &id));
    rig.ensure(&mut first).await;
    let before = rig.shape();
    let second = first.clone().change(|s| {
        (s.uid, s.name) = ("u2".to_owned(), "other".to_owned());
        s.handle.clear();
    });
    let error = rig.ensure_once(&second).await.unwrap_err();
    assert_eq!(error.reason(), cloud_provider_api::error::Reason::NotOurs, "{error}");
    rig.delete(&second).await;
    assert_eq!(rig.shape(), before);
    // A port removed from the Service takes its listener along, and so does the Service.
    let mut moved = next(&first, "s2-m1").change(|s| s.spec.ports = vec![port(81, 30081)]);
    rig.ensure(&mut moved).await;
    assert_eq!(listener(&rig)["port"], json!(["TCP", 81]));
    rig.delete(&moved).await;
    assert_eq!(rig.shape()["balancers"][0]["listeners"], json!([]));
}

/// 11.2.12: rules led to one node, looked up by a wrong name, and their deletion was waited for at a malformed address.
#[tokio::test]
async fn seen_12_dnat_rules_follow_the_nodes_and_are_seen_to_be_gone() {
    let rig = Rig::start().await;
    rig.slow("dnat_rule.change", 1500);
    let mut service = rig.service("dnat").await;
    rig.ensure(&mut service).await;
    let target = |rig: &Rig| rig.sim.look(|cloud| cloud.nat.rules.iter().next().unwrap().fields.port_id.clone());
    let before = target(&rig);
    // The node that has the traffic goes; the other takes over.
    for gone in 0..2 {
        let mut moved = next(&service, &format!("s1-m{gone}")).change(|s| drop(s.members.nodes.remove(gone)));
        rig.ensure(&mut moved).await;
    }
    assert_eq!(count(&rig, "rules"), 1);
    assert!(before.is_some());
    rig.delete(&service).await;
    assert_eq!(count(&rig, "rules"), 0, "gone, not going");
}

/// 11.2.16: a Service could not be deleted without the annotations it was made with.
#[tokio::test]
async fn seen_16_no_annotation_is_needed_for_a_deletion() {
    for class in ["shared", "dedicated", "dnat"] {
        let rig = Rig::start().await;
        let mut service = rig.service(class).await;
        rig.ensure(&mut service).await;
        let bare = service.change(|s| {
            s.annotations.clear();
            s.spec = v1::LoadBalancerSpec::default();
        });
        rig.delete(&bare).await;
        assert_eq!((count(&rig, "balancers"), count(&rig, "rules")), (0, 0), "{class}");
    }
}

/// Lists that lie while rules are to go: the handle names them, so each is asked for.
#[tokio::test]
async fn rules_that_a_list_lacks_are_not_called_gone() {
    let rig = Rig::start().await;
    let mut service = rig.service("dnat").await;
    rig.ensure(&mut service).await;
    let lie = rig.sim.break_with(Rule::new(simulators::engine::Effect::ShortList { keep: 0 }));
    let error = rig.delete_once(&service).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::Unavailable, "{error}");
    assert!(rig.look(&service).await.is_err());
    rig.sim.mend(lie);
    rig.delete(&service).await;
    assert_eq!(count(&rig, "rules"), 0);
}

#[tokio::test]
async fn another_gateway_takes_the_rules_over() {
    let rig = Rig::start().await;
    rig.sim.seed(json!({"natGateways": [{"id": "gateway-2"}]})).unwrap();
    let mut service = rig.service("dnat").await;
    rig.ensure(&mut service).await;
    let mut moved = next(&service, "s2-m1").change(|s| {
        s.annotations.insert("kubernetes.io/natgateway.id".to_owned(), "gateway-2".to_owned());
    });
    rig.ensure(&mut moved).await;
    let gateways =
        rig.sim.look(|cloud| cloud.nat.rules.iter().map(|rule| rule.fields.nat_gateway_id.clone()).collect::<Vec<_>>());
    assert_eq!(gateways, ["gateway-2"]);
    rig.delete(&moved).await;
    assert_eq!(count(&rig, "rules"), 0);
}
