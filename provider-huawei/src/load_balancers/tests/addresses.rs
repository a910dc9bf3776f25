//! Public addresses of tenants: who pays for them, and how many a tenant may have, whatever becomes of their Services.

use std::collections::BTreeMap;

use cloud_provider_api::error::Reason;
use provider_kit::Tenant;
use serde_json::json;

use super::rig::{EIP, Rig, Service};

const OPTION: &str = "elb.eip-auto-create-option";
const KEEP: (&str, &str) = ("elb.keep-eip", "true");
const BANDWIDTH: &str = "bandwidth-of-b";

/// Tenant `b`, which may have this many addresses.
fn tenant(most: u32, shares_account: bool) -> Tenant {
    Tenant {
        name: "b".to_owned(),
        shares_account,
        max_public_addresses: Some(most),
        uses: [BANDWIDTH.to_owned()].into(),
        ..Tenant::default()
    }
}

async fn world(tenant: Tenant) -> Rig {
    let mut rig = Rig::start().await;
    rig.sim.seed(json!({"bandwidths": [{"id": BANDWIDTH, "size": 50}]})).unwrap();
    rig.tenant = tenant;
    rig
}

/// An address with a bandwidth of its own, and one that shares the tenant's.
fn options() -> [(&'static str, String); 2] {
    let shared = json!({"ip_type": "5_bgp", "share_type": "WHOLE", "share_id": BANDWIDTH}).to_string();
    [("its own bandwidth", EIP.1.to_owned()), ("a shared bandwidth", shared)]
}

async fn service(rig: &Rig, class: &str, option: &str, uid: &str) -> Service {
    rig.service(class).await.with((OPTION, option)).change(|s| uid.clone_into(&mut s.uid))
}

#[track_caller]
fn refused<T>(case: &str, outcome: provider_kit::Result<T>, told: &str) {
    let Err(error) = outcome else { panic!("{case}: nothing refused it") };
    assert_eq!(error.reason(), Reason::QuotaExhausted, "{case}: {error}");
    assert!(error.message().contains(told), "{case}: {error}");
}

#[tokio::test]
async fn an_address_that_outlives_its_service_goes_on_counting() {
    for (what, option) in options() {
        for (class, shares_account) in [("shared", true), ("dedicated", true), ("shared", false), ("dedicated", false)]
        {
            let case = format!("{class}, {what}, in a shared account: {shares_account}");
            let mut rig = world(tenant(1, shares_account)).await;
            let mut first = service(&rig, class, &option, "n1").await.with(KEEP);
            rig.ensure(&mut first).await;
            rig.delete(&first).await;
            let next = service(&rig, class, &option, "n2").await;
            refused(&case, rig.ensure_once(&next).await, "\"b\" may have 1 public addresses and has 1");
            // After a restart the cloud's record alone says so.
            rig.restart();
            refused(&case, rig.ensure_once(&next).await, "has 1");
            // It is nobody else's.
            rig.tenant.name = "c".to_owned();
            let mut others = service(&rig, class, EIP.1, "n3").await;
            if shares_account {
                rig.ensure(&mut others).await;
            }
            // A person releases it.
            rig.tenant.name = "b".to_owned();
            rig.sim.edit(|cloud, now| {
                let kept: Vec<_> =
                    cloud.publicips.iter().filter(|eip| eip.port_id.is_none()).map(|eip| eip.id.clone()).collect();
                assert_eq!(kept.len(), 1, "{case}");
                cloud.publicips.remove(now, &kept[0]);
            });
            let mut next = next;
            rig.ensure(&mut next).await;
        }
    }
}

#[tokio::test]
async fn a_service_that_takes_an_address_again_and_again_keeps_only_what_it_may_have() {
    for class in ["shared", "dedicated"] {
        let rig = world(tenant(2, true)).await;
        let mut taking = service(&rig, class, EIP.1, "n1").await.with(KEEP);
        let mut leaving = taking.clone();
        leaving.annotations.remove(&format!("kubernetes.io/{OPTION}"));
        for round in 0..2 {
            taking.hash = format!("s{round}-m1");
            rig.ensure(&mut taking).await;
            leaving.handle.clone_from(&taking.handle);
            leaving.hash = format!("s{round}-m2");
            rig.ensure(&mut leaving).await;
        }
        taking.hash = "s3-m1".to_owned();
        refused(class, rig.ensure_once(&taking).await, "has 2");
        assert_eq!(rig.sim.look(|cloud| cloud.publicips.iter().count()), 2, "{class}");
    }
}

#[tokio::test]
async fn an_address_at_a_users_load_balancer_counts() {
    let rig = world(tenant(1, false)).await;
    let balancer = rig.users_balancer().await;
    let mut first = service(&rig, "shared", EIP.1, "n1").await.with(("elb.id", &balancer));
    rig.ensure(&mut first).await;
    let next = service(&rig, "shared", EIP.1, "n2").await;
    refused("at the user's", rig.ensure_once(&next).await, "has 1");
    rig.delete(&first).await;
    let mut next = next;
    rig.ensure(&mut next).await;
}

/// Tags of the public addresses, by the tenant they name.
fn tags(rig: &Rig) -> Vec<BTreeMap<String, String>> {
    let of = |eip: &simulators::huawei::network::PublicIp| {
        eip.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
    };
    rig.sim.look(|cloud| cloud.publicips.iter().map(of).collect())
}

#[tokio::test]
async fn an_address_says_who_pays() {
    for (what, option) in options() {
        for class in ["shared", "dedicated"] {
            let case = format!("{class}, {what}");
            let pays = |center: &str| BTreeMap::from([("cost-center".to_owned(), center.to_owned())]);
            let mut rig = world(Tenant { tags: pays("4711"), ..tenant(1, true) }).await;
            // Of a dedicated load balancer it shows later than that it was made.
            rig.slow("loadbalancer.create", 2000);
            rig.slow("publicip.create", 3000);
            let mut ours = service(&rig, class, &option, "n1").await;
            rig.ensure(&mut ours).await;
            let on = |center: &str| {
                let found = tags(&rig);
                assert_eq!(found.len(), 1, "{case}");
                for (key, value) in [("cost-center", center), ("k8s-tenant", "b"), ("k8s-service-uid", "n1")] {
                    assert_eq!(found[0].get(key).map(String::as_str), Some(value), "{case}: {key} of {found:?}");
                }
            };
            on("4711");
            assert!(rig.plan(&ours).await.unwrap().is_empty(), "{case}");
            // Another who pays, from the next change on, and then all is quiet.
            rig.tenant.tags = pays("4712");
            assert_eq!(
                rig.planned(&ours).await.iter().filter(|call| *call == "BatchCreatePublicipTags").count(),
                1,
                "{case}"
            );
            ours.hash = "s2-m1".to_owned();
            rig.ensure(&mut ours).await;
            let found = tags(&rig);
            assert_eq!(found[0]["cost-center"], "4712", "{case}");
            assert!(rig.plan(&ours).await.unwrap().is_empty(), "{case}");
        }
    }
}

#[tokio::test]
async fn no_address_is_tagged_that_is_the_users_or_nobody_pays_for() {
    let mut rig = world(Tenant::default()).await;
    let address = rig.users_address().await;
    let id = rig.sim.look(|cloud| cloud.publicips.iter().next().expect("just made").id.clone());
    rig.tenant = Tenant { tags: [("cost-center".to_owned(), "4711".to_owned())].into(), ..tenant(9, false) };
    let mut theirs = rig.service("shared").await.with(("elb.eip-id", &id));
    rig.ensure(&mut theirs).await;
    assert!(tags(&rig)[0].is_empty(), "{address}");
    rig.tenant.tags.clear();
    rig.sim.forget_calls();
    let mut ours = service(&rig, "shared", EIP.1, "n2").await;
    rig.ensure(&mut ours).await;
    let (reads, writes) = rig.calls();
    assert!(!reads.iter().chain(&writes).any(|call| call.contains("PublicipTags")), "{reads:?} {writes:?}");
}
