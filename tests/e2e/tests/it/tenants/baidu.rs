//! On simulated Baidu AI Cloud.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::world::{Attempt, BANK, Cloud, HANDLE, NOBODYS, SHOP, Story, Tenants, text};

const ID: &str = "service.beta.kubernetes.io/cce-load-balancer-id";
const EXIST_ID: &str = "service.beta.kubernetes.io/cce-load-balancer-exist-id";
const ADDED: &str = "service.beta.kubernetes.io/cce-load-balancer-cce-add-id";
const NAME: &str = "service.beta.kubernetes.io/cce-load-balancer-lb-name";
const TYPE: &str = "service.beta.kubernetes.io/cce-load-balancer-type";
const IN_SUBNET: &str = "service.beta.kubernetes.io/cce-load-balancer-subnet-id";
const INTERNAL: &str = "service.beta.kubernetes.io/cce-load-balancer-internal-vpc";
const RESERVE: &str = "service.beta.kubernetes.io/cce-load-balancer-reserve-lb";
const ADDED_EIP: &str = "service.beta.kubernetes.io/cce-load-balancer-cce-add-eip";
const EIP_NAME: &str = "service.beta.kubernetes.io/cce-elastic-ip-name";
const TIMING: &str = "service.beta.kubernetes.io/cce-elastic-ip-payment-timing";
const METHOD: &str = "service.beta.kubernetes.io/cce-elastic-ip-billing-method";
const MONTHS: &str = "service.beta.kubernetes.io/cce-elastic-ip-reservation-length";
const BANDWIDTH: &str = "service.beta.kubernetes.io/cce-elastic-ip-bandwidth-in-mbps";
/// The subnet there is, and one that `b` may not use.
const SUBNET: &str = "sbn-simulated001";
const OTHER_SUBNET: &str = "sbn-of-a";
/// Are not there.
const NO_BALANCER: &str = "lb-dead0000";
const NO_ADDRESS: &str = "203.0.113.77";

const ACCESS: &str = "  a: { account: default, tags: { cost-center: '4711' } }
  b:
    account: default
    loadBalancerClasses: [blb]
    subnets: [sbn-simulated001]
    billing: [ByTraffic]
    maxBandwidth: 10
    maxLoadBalancers: 2
    maxPublicAddresses: 1
";

fn attempt<'a>(name: &'a str, annotations: &[(&'a str, &'a str)], told: &[&'a str]) -> Attempt<'a> {
    Attempt { name, annotations: annotations.to_vec(), spec: json!({}), told: told.to_vec() }
}

fn by_address<'a>(name: &'a str, address: &'a str, told: &[&'a str]) -> Attempt<'a> {
    Attempt { spec: json!({"loadBalancerIP": address}), ..attempt(name, &[], told) }
}

#[tokio::test]
async fn a_hostile_tenant_reaches_nothing_of_anothers_on_baidu_ai_cloud() -> Result<()> {
    let tenants = Tenants::start(Cloud::baidu, ACCESS, &[(INTERNAL, "true")]).await?;
    // Of a: a Service with an address, and a load balancer that it keeps for later. Of nobody: a Service, and an address.
    tenants.create(SHOP, "web", &[], &json!({})).await?;
    let web = tenants.made(SHOP, "web").await?;
    tenants.create(SHOP, "old", &[(INTERNAL, "true"), (RESERVE, "true")], &json!({})).await?;
    let reserved = text(&tenants.made(SHOP, "old").await?.balancer["blbId"])?;
    tenants.delete(SHOP, "old").await?;
    tenants.create(NOBODYS, "platform", &[], &json!({})).await?;
    let platform = tenants.made(NOBODYS, "platform").await?;
    let nobodys = text(&platform.balancer["blbId"])?;
    let seeded = tenants.cloud.simulator().seed(&json!({"eips": [{"name": "by-hand"}]})).await?;
    let free = text(&seeded["eips"][0])?;
    let balancer = text(&web.balancer["blbId"])?;
    let name = text(&web.balancer["name"])?;
    let eips: Vec<Value> = tenants.cloud.simulator().objects("/eips").await?;
    let eip = eips.iter().find(|eip| eip.to_string().contains(&web.address)).context("its address")?;
    for tags in [&web.balancer["tags"], &eip["tags"]] {
        let tags = tags.to_string();
        anyhow::ensure!(tags.contains("cost-center") && tags.contains("4711"), "{tags}");
    }

    let (not_yours, remedy) = ("is none that tenant \"b\" may use", "tenants.b.uses");
    let refusal = [not_yours, remedy];
    let id = |of: &'static str| -> Vec<&'static str> { vec![of, refusal[0], refusal[1]] };
    let attempts = vec![
        attempt("id-of-a-service", &[(ID, &balancer)], &id(ID)),
        attempt("id-reserved", &[(ID, &reserved)], &id(ID)),
        attempt("id-of-nobodys", &[(ID, &nobodys)], &id(ID)),
        attempt("id-of-nothing", &[(ID, NO_BALANCER)], &id(ID)),
        attempt("existing-of-a-service", &[(EXIST_ID, &balancer)], &id(EXIST_ID)),
        attempt("existing-reserved", &[(EXIST_ID, &reserved)], &id(EXIST_ID)),
        attempt("existing-of-nobodys", &[(EXIST_ID, &nobodys)], &id(EXIST_ID)),
        attempt("existing-of-nothing", &[(EXIST_ID, NO_BALANCER)], &id(EXIST_ID)),
        attempt("id-as-if-made", &[(ID, &balancer), (ADDED, &balancer)], &id(ID)),
        attempt("nothing-as-if-made", &[(ID, NO_BALANCER), (ADDED, NO_BALANCER)], &id(ID)),
        attempt("id-and-name", &[(ID, &balancer), (NAME, &name)], &id(ID)),
        attempt("id-and-handle", &[(ID, &balancer), (HANDLE, &web.handle)], &id(ID)),
        attempt("reserved-and-name", &[(ID, &reserved), (NAME, "CCE/SVC/cce-demo0001/shop/old")], &id(ID)),
        by_address("address-of-a-service", &web.address, &[&web.address, not_yours, remedy]),
        by_address("address-of-nobodys", &platform.address, &[&platform.address, not_yours, remedy]),
        by_address("address-free", &free, &[&free, not_yours, remedy]),
        by_address("address-of-nothing", NO_ADDRESS, &["load_balancer_ip", NO_ADDRESS, not_yours, remedy]),
        attempt("class", &[(TYPE, "appblb")], &[TYPE, "\"appblb\" is not a kind of load balancer", "access file"]),
        attempt("subnet", &[(IN_SUBNET, OTHER_SUBNET)], &[IN_SUBNET, OTHER_SUBNET, "is not a subnet", SUBNET]),
        attempt("too-wide", &[(BANDWIDTH, "11")], &[BANDWIDTH, "11 Mbit/s", "may have 10"]),
        attempt("too-dear", &[(METHOD, "ByBandwidth")], &[METHOD, "\"ByBandwidth\" is not a way of paying"]),
        attempt("in-advance", &[(TIMING, "Prepaid"), (MONTHS, "1")], &[TIMING, "\"Prepaid\" is not a way of paying"]),
    ];
    let story = Story {
        attempts,
        alike: [("id-of-a-service", &balancer), ("id-of-nothing", NO_BALANCER)],
        public: vec![],
        inside: vec![(INTERNAL, "true")],
        lies: vec![(ADDED, &balancer), (ADDED_EIP, &web.address), (EIP_NAME, &name)],
    };
    tenants.hostile(&web, &story).await?;

    // What an administrator gives may be used.
    tenants.allow(&format!("{ACCESS}    uses: [\"{free}\"]\n"))?;
    tenants.create(BANK, "given", &[], &json!({"loadBalancerIP": free})).await?;
    let given = tenants.made(BANK, "given").await?;
    anyhow::ensure!(given.address == free, "{given:?}");
    Ok(())
}
