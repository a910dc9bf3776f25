//! On simulated Huawei Cloud.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::world::{Attempt, Cloud, HANDLE, NOBODYS, SHOP, Story, Tenants, text};

const CLASS: &str = "kubernetes.io/elb.class";
const ID: &str = "kubernetes.io/elb.id";
const ADOPT: &str = "kubernetes.io/elb.adopt";
const EIP: &str = "kubernetes.io/elb.eip-auto-create-option";
const EIP_ID: &str = "kubernetes.io/elb.eip-id";
const GATEWAY: &str = "kubernetes.io/natgateway.id";
const ZONES: &str = "kubernetes.io/elb.availability-zones";
const IN_SUBNET: &str = "kubernetes.io/elb.subnet-id";
/// The subnet there is, and one that `b` may not use.
const SUBNET: &str = "d2aa75cc-0000-4000-8000-0000000000cc";
const OTHER_SUBNET: &str = "d2aa75cc-0000-4000-8000-0000000000ff";
const GATEWAY_OF_A: &str = "9a9a9a9a-0000-4000-8000-0000000000a0";
const GATEWAY_OF_B: &str = "9b9b9b9b-0000-4000-8000-0000000000b0";
/// Are not there.
const NO_BALANCER: &str = "0b0b0b0b-0000-4000-8000-00000000dead";
const NO_EIP: &str = "0e0e0e0e-0000-4000-8000-00000000dead";
const NO_ADDRESS: &str = "203.0.113.77";

fn access() -> String {
    format!(
        "  a: {{ account: default, uses: [{GATEWAY_OF_A}], tags: {{ cost-center: '4711' }} }}
  b:
    account: default
    loadBalancerClasses: [shared, dnat]
    subnets: [{SUBNET}]
    billing: [traffic]
    maxBandwidth: 10
    maxLoadBalancers: 2
    maxPublicAddresses: 1
    uses: [{GATEWAY_OF_B}]
"
    )
}

fn eip(bandwidth: u32, charge: &str) -> String {
    json!({"ip_type": "5_bgp", "bandwidth_size": bandwidth, "share_type": "PER", "charge_mode": charge}).to_string()
}

fn attempt<'a>(name: &'a str, annotations: &[(&'a str, &'a str)], told: &[&'a str]) -> Attempt<'a> {
    let class = (!annotations.iter().any(|(key, _)| *key == CLASS)).then_some((CLASS, "shared"));
    let annotations = annotations.iter().copied().chain(class).collect();
    Attempt { name, annotations, spec: json!({}), told: told.to_vec() }
}

fn by_address<'a>(name: &'a str, gateway: &'a str, address: &'a str, told: &[&'a str]) -> Attempt<'a> {
    let attempt = attempt(name, &[(CLASS, "dnat"), (GATEWAY, gateway)], told);
    Attempt { spec: json!({"loadBalancerIP": address}), ..attempt }
}

/// The public address, as the cloud has it.
async fn eip_of(tenants: &Tenants, address: &str) -> Result<Value> {
    let all: Vec<Value> = tenants.cloud.simulator().objects("/publicips").await?;
    let found = all.iter().find(|eip| eip["public_ip_address"] == address);
    found.cloned().with_context(|| format!("{address} is not in {all:?}"))
}

#[tokio::test]
async fn a_hostile_tenant_reaches_nothing_of_anothers_on_huawei_cloud() -> Result<()> {
    let tenants = Tenants::start(Cloud::huawei, &access(), &[(CLASS, "shared")]).await?;
    let seed = json!({"natGateways": [{"id": GATEWAY_OF_A}, {"id": GATEWAY_OF_B}], "publicIps": [{}]});
    tenants.cloud.simulator().seed(&seed).await?;
    let all: Vec<Value> = tenants.cloud.simulator().objects("/publicips").await?;
    let free = text(&all[0]["public_ip_address"])?;
    let free_id = text(&all[0]["id"])?;
    let narrow = eip(5, "traffic");
    let public = vec![(CLASS, "shared"), (EIP, narrow.as_str())];
    tenants.create(SHOP, "web", &public, &json!({})).await?;
    let web = tenants.made(SHOP, "web").await?;
    tenants.create(NOBODYS, "platform", &public, &json!({})).await?;
    let platform = tenants.made(NOBODYS, "platform").await?;
    let (balancer, nobodys) = (text(&web.balancer["id"])?, text(&platform.balancer["id"])?);
    let (eip_of_a, eip_of_nobody) = (eip_of(&tenants, &web.address).await?, eip_of(&tenants, &platform.address).await?);
    for tags in [&web.balancer["fields"]["tags"], &eip_of_a["tags"]] {
        let tags = tags.to_string();
        anyhow::ensure!(tags.contains("cost-center") && tags.contains("4711"), "{tags}");
    }
    let (eip_of_a, eip_of_nobody) = (text(&eip_of_a["id"])?, text(&eip_of_nobody["id"])?);

    let (not_yours, remedy) = ("is none that tenant \"b\" may use", "tenants.b.uses");
    let told = |of: &'static str| [of, not_yours, remedy];
    let (wide, dear) = (eip(11, "traffic"), eip(5, "bandwidth"));
    let shared = json!({"ip_type": "5_bgp", "share_type": "WHOLE", "share_id": "bandwidth-of-a"}).to_string();
    let attempts = vec![
        attempt("id-of-a-service", &[(ID, &balancer)], &told(ID)),
        attempt("id-of-nobodys", &[(ID, &nobodys)], &told(ID)),
        attempt("id-of-nothing", &[(ID, NO_BALANCER)], &told(ID)),
        attempt("id-and-handle", &[(ID, &balancer), (HANDLE, &web.handle)], &told(ID)),
        attempt("adopt-of-a-service", &[(ADOPT, &balancer)], &told(ADOPT)),
        attempt("adopt-of-nobodys", &[(ADOPT, &nobodys)], &told(ADOPT)),
        attempt("adopt-of-nothing", &[(ADOPT, NO_BALANCER)], &told(ADOPT)),
        attempt("eip-of-a-service", &[(EIP_ID, &eip_of_a)], &told(EIP_ID)),
        attempt("eip-of-nobodys", &[(EIP_ID, &eip_of_nobody)], &told(EIP_ID)),
        attempt("eip-free", &[(EIP_ID, &free_id)], &told(EIP_ID)),
        attempt("eip-of-nothing", &[(EIP_ID, NO_EIP)], &told(EIP_ID)),
        by_address("address-of-a-service", GATEWAY_OF_B, &web.address, &[&web.address, not_yours, remedy]),
        by_address("address-free", GATEWAY_OF_B, &free, &["load_balancer_ip", &free, not_yours]),
        by_address("address-of-nothing", GATEWAY_OF_B, NO_ADDRESS, &["load_balancer_ip", NO_ADDRESS, not_yours]),
        by_address("gateway", GATEWAY_OF_A, &free, &told(GATEWAY)),
        attempt("certificate", &[("kubernetes.io/elb.cert-id", "certificate-of-a")], &["certificate", not_yours]),
        attempt("ip-group", &[("kubernetes.io/elb.acl-id", "group-of-a")], &["IP group", not_yours]),
        attempt("bandwidth", &[(EIP, &shared)], &["shared bandwidth", not_yours]),
        attempt("project", &[("kubernetes.io/elb.enterpriseID", "project-of-a")], &["enterprise project", not_yours]),
        attempt(
            "class",
            &[(CLASS, "dedicated"), (ZONES, "ap-southeast-1a")],
            &[CLASS, "\"dedicated\" is not a kind of load balancer"],
        ),
        attempt("subnet", &[(IN_SUBNET, OTHER_SUBNET)], &[OTHER_SUBNET, "is not a subnet", SUBNET]),
        attempt("too-wide", &[(EIP, &wide)], &["11 Mbit/s", "may have 10"]),
        attempt("too-dear", &[(EIP, &dear)], &["\"bandwidth\" is not a way of paying"]),
    ];
    let story = Story {
        attempts,
        alike: [("id-of-a-service", &balancer), ("id-of-nothing", NO_BALANCER)],
        public: public.clone(),
        inside: vec![(CLASS, "shared")],
        lies: vec![],
    };
    tenants.hostile(&web, &story).await
}
