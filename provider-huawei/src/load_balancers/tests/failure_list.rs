//! The failures known of the Go provider, by their ids, as far as they concern load balancers.

mod balancers;
mod cost;
mod pools;

use serde_json::{Value, json};
use simulators::engine::{Effect, Rule};

use super::rig::{EIP, Rig, Service};

fn refusal(status: u16, code: &str) -> Rule {
    Rule::new(Effect::Refuse { status, code: code.to_owned(), message: "no".to_owned(), retry_after: None })
}

/// The only listener there is.
fn listener(rig: &Rig) -> Value {
    rig.shape()["balancers"][0]["listeners"][0].clone()
}

/// Somebody's public address, by its id.
async fn users_eip(rig: &Rig) -> String {
    rig.users_address().await;
    rig.sim.look(|cloud| cloud.publicips.iter().next().unwrap().id.clone())
}

fn next(service: &Service, hash: &str) -> Service {
    service.clone().change(|s| hash.clone_into(&mut s.hash))
}

/// 11.2.4: the user's own address was released with the Service. PR #239: it was bound again and again.
#[tokio::test]
async fn seen_4_and_pr_239_the_users_address_is_bound_once_and_stays_his() {
    for class in ["shared", "dedicated"] {
        let rig = Rig::start().await;
        let id = users_eip(&rig).await;
        let mut service = rig.service(class).await.with(("elb.eip-id", &id));
        rig.ensure(&mut service).await;
        rig.sim.forget_calls();
        let mut again = next(&service, "s2-m1").with(("elb.lb-algorithm", "LEAST_CONNECTIONS"));
        rig.ensure(&mut again).await;
        assert_eq!(rig.calls().1, ["UpdatePool", "UpdateLoadBalancer"], "{class}");
        rig.delete(&again).await;
        assert_eq!(rig.shape()["addresses"], json!([false]), "{class}: it is there, and bound to nothing");
    }
}

/// 11.2.9: `loadBalancerSourceRanges` was ignored, and everybody let in.
#[tokio::test]
async fn seen_9_source_ranges_are_enforced() {
    for class in ["shared", "dedicated"] {
        let rig = Rig::start().await;
        let service = rig.service(class).await;
        let mut service = service.change(|s| s.spec.source_ranges = vec!["203.0.113.0/24".to_owned()]);
        rig.ensure(&mut service).await;
        assert_eq!(listener(&rig)["ip_group"], json!(["white", true, ["203.0.113.0/24"]]), "{class}");
        let mut open = next(&service, "s2-m1").change(|s| s.spec.source_ranges.clear());
        rig.ensure(&mut open).await;
        assert_ne!(listener(&rig)["ip_group"][1], json!(true), "{class}");
    }
}

/// 11.2.11: algorithm and affinity of a pool were never changed, and the second sync turned an HTTP monitor into a TCP one.
#[tokio::test]
async fn seen_11_pools_follow_their_annotations_and_monitors_stay_what_they_are() {
    let rig = Rig::start().await;
    let mut service = rig.service("dedicated").await.with(("elb.x-forwarded-host", "true"));
    rig.ensure(&mut service).await;
    let monitor = listener(&rig)["pool"]["monitor"].clone();
    let mut service = next(&service, "s2-m1")
        .with(("elb.lb-algorithm", "LEAST_CONNECTIONS"))
        .with(("elb.session-affinity-flag", "on"))
        .with(("elb.session-affinity-option", r#"{"type":"HTTP_COOKIE","persistence_timeout":3}"#));
    rig.ensure(&mut service).await;
    let pool = &listener(&rig)["pool"];
    assert_eq!(pool["lb_algorithm"], "LEAST_CONNECTIONS");
    assert_ne!(pool["session_persistence"], Value::Null);
    assert_eq!((&pool["monitor"], &monitor["type"]), (&monitor, &json!("\"HTTP\"")));
}

/// 11.2.15: an address that could not be released was logged, and billed for ever.
#[tokio::test]
async fn seen_15_an_address_that_cannot_be_released_keeps_the_service_from_being_gone() {
    for class in ["shared", "dedicated"] {
        let rig = Rig::start().await;
        let mut service = rig.service(class).await.with(EIP);
        rig.ensure(&mut service).await;
        let rule = rig.sim.break_with(refusal(403, "VPC.0010").action("DeletePublicip"));
        let error = rig.delete_once(&service).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::PermissionDenied, "{class}: {error}");
        rig.sim.mend(rule);
        rig.delete(&service).await;
        assert_eq!(rig.shape()["addresses"], json!([]), "{class}");
    }
}

/// PR #184, #214: members were to see the client's address.
#[tokio::test]
async fn issue_214_members_see_the_clients_address_where_that_is_wanted() {
    for class in ["shared", "dedicated"] {
        let rig = Rig::start().await;
        let mut service = rig.service(class).await.with(("elb.enable-transparent-client-ip", "true"));
        rig.ensure(&mut service).await;
        assert_eq!(listener(&rig)["settings"]["transparent_client_ip_enable"], "true", "{class}");
    }
}

/// deckhouse#15569: `ELB.1202`, the load balancer needed an enterprise project that could not be said.
#[tokio::test]
async fn deckhouse_15569_the_enterprise_project_is_said_when_a_load_balancer_is_made() {
    for class in ["shared", "dedicated"] {
        let rig = Rig::start().await;
        let project = "1a2b3c4d-0000-4000-8000-00000000e001";
        let mut service = rig.service(class).await.with(("elb.enterpriseID", project));
        rig.ensure(&mut service).await;
        let said = rig.sim.look(|cloud| {
            let made = cloud.elb.load_balancers.iter().next().unwrap();
            format!("{:?}", made.fields.enterprise_project_id)
        });
        assert!(said.contains(project), "{class}: {said}");
    }
}
