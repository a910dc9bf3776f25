//! Baidu AI Cloud.

use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};
use testkit::{Binaries, cloud::Kind};

use super::{Class, Full, Site, none, service};

/// `provider-baidu` on the simulated Baidu AI Cloud.
pub static BAIDU: Site = Site {
    name: "baidu",
    daemon: "provider-baidu",
    kind: Kind::Baidu,
    binary: Binaries::baidu,
    machines: |names| {
        let machines: Vec<Value> = names.iter().map(|name| json!({ "name": name, "hostname": name })).collect();
        json!({ "machines": machines })
    },
    of_nodes: &["bcc", "bbc"],
    of_cluster: &["cce"],
    classes: &[
        // Looks in the lists of both kinds, for nobody may ever make it twice; load balancer, listener, servers; the address and its
        // binding; and a look that all of it is there.
        Class { name: "BLB with a public address", least: 8, needs: none, service: plain },
        Class { name: "BLB, internal", least: 6, needs: none, service: |n| service(n, &[INTERNAL]) },
        // The same with a group of servers, its port and a policy in place of the servers.
        Class { name: "AppBLB with a public address", least: 10, needs: none, service: |n| service(n, &[APP]) },
        Class { name: "AppBLB, internal", least: 8, needs: none, service: |n| service(n, &[APP, INTERNAL]) },
    ],
    cheap: |n| if n % 2 == 0 { service(n, &[INTERNAL]) } else { service(n, &[APP, INTERNAL]) },
    public: plain,
    made: &["CreateLoadBalancer", "CreateListener", "AddBackendServers", "CreateEip", "BindEip"],
    full: Full { members: 50, batch: 50, action: "AddBackendServers" },
    members,
    members_in: "/blbs",
};

const APP: (&str, &str) = ("service.beta.kubernetes.io/cce-load-balancer-type", "appblb");
const INTERNAL: (&str, &str) = ("service.beta.kubernetes.io/cce-load-balancer-internal-vpc", "true");

fn plain(n: u32) -> Service {
    service(n, &[])
}

/// Servers of BLBs, and of AppBLBs' groups.
fn members(balancers: &[Value]) -> usize {
    let count = |of: &Value| of["backends"].as_array().map_or(0, Vec::len);
    let in_groups = |of: &Value| of["groups"].as_array().map_or(0, |groups| groups.iter().map(count).sum());
    balancers.iter().map(|balancer| count(balancer) + in_groups(balancer)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_counted_wherever_they_are() {
        let blb = json!({ "backends": [{}, {}], "groups": [] });
        let app = json!({ "backends": [], "groups": [{ "backends": [{}] }, { "backends": [{}, {}] }] });
        assert_eq!(members(&[blb, app]), 5);
    }
}
