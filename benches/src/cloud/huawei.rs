//! Huawei Cloud.

use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};
use testkit::{Binaries, cloud::Kind};

use super::{Class, Full, Site, none, service};

/// `provider-huawei` on the simulated Huawei Cloud.
pub static HUAWEI: Site = Site {
    name: "huawei",
    daemon: "provider-huawei",
    kind: Kind::Huawei,
    binary: Binaries::huawei,
    machines: |names| {
        let servers: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
        json!({ "servers": servers })
    },
    of_nodes: &["ecs"],
    of_cluster: &[],
    classes: &[
        // An ELB: a look whether it is there already, the subnets that members are in, and a call for each object: load balancer,
        // pool, members, health monitor, listener. A shared one gets its public address by a call of its own.
        Class { name: "shared with a public address", least: 8, needs: none, service: shared_with_address },
        Class {
            name: "dedicated with a public address",
            least: 7,
            needs: none,
            service: |n| service(n, &[DEDICATED, ZONES, EIP]),
        },
        // DNAT: a look at the gateway's rules, the ids of the public address and of the node's port, the subnets to tell that port from
        // another VPC's, and one call that makes the rules.
        Class { name: "dnat", least: 5, needs: for_dnat, service: dnat },
    ],
    cheap: |n| if n % 2 == 0 { service(n, &[SHARED]) } else { service(n, &[DEDICATED, ZONES]) },
    public: shared_with_address,
    made: &[
        "CreateLoadBalancer",
        "CreatePool",
        "BatchCreateMembers",
        "CreateHealthMonitor",
        "CreateListener",
        "CreatePublicip",
    ],
    full: Full { members: 500, batch: 200, action: "BatchCreateMembers" },
    members: <[Value]>::len,
    members_in: "/elb/members",
};

const SHARED: (&str, &str) = ("kubernetes.io/elb.class", "shared");
const DEDICATED: (&str, &str) = ("kubernetes.io/elb.class", "dedicated");
const ZONES: (&str, &str) = ("kubernetes.io/elb.availability-zones", "ap-southeast-1a");
const EIP: (&str, &str) = (
    "kubernetes.io/elb.eip-auto-create-option",
    r#"{"ip_type":"5_bgp","bandwidth_size":5,"share_type":"PER","charge_mode":"traffic"}"#,
);
const GATEWAY: &str = "11111111-0000-4000-8000-0000000000a1";

fn shared_with_address(n: u32) -> Service {
    service(n, &[SHARED, EIP])
}

/// The public address of the nth Service of class dnat.
fn public_address(n: u32) -> String {
    format!("203.0.113.{}", n + 10)
}

fn for_dnat(services: u32) -> Value {
    let addresses: Vec<_> = (0..services).map(|n| json!({ "address": public_address(n) })).collect();
    json!({ "natGateways": [{ "id": GATEWAY }], "publicIps": addresses })
}

fn dnat(n: u32) -> Service {
    let mut service = service(n, &[("kubernetes.io/elb.class", "dnat"), ("kubernetes.io/natgateway.id", GATEWAY)]);
    if let Some(spec) = &mut service.spec {
        spec.load_balancer_ip = Some(public_address(n));
    }
    service
}
