//! What the Go provider leaves behind: load balancers with its names and in its shape, made by its calls.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{SUBNET, User};

/// A Service the Go provider has seen to.
#[derive(Clone, Copy, Debug)]
pub struct GoService<'a> {
    /// What stands for the cluster in names: `--cluster-name`, or `business-name` of the ConfigMap.
    pub cluster: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// The port clients connect to.
    pub port: u16,
    /// The node port.
    pub node_port: u16,
    /// Names and addresses of nodes.
    pub members: &'a [(String, String)],
}

/// Which kind of load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeFor {
    /// A shared one.
    Shared,
    /// A dedicated one.
    Dedicated,
    /// A load balancer of the user's, by its id.
    Existing,
}

/// Ids of what was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The load balancer's.
    pub balancer: String,
    /// The public address' id. Empty: none was made.
    pub eip: String,
    /// What the Service's status shows.
    pub address: String,
}

fn text(value: &Value, field: &str) -> Result<String> {
    value[field].as_str().map(str::to_owned).with_context(|| format!("{field} of {value}"))
}

impl User {
    /// Makes what the Go provider makes for a Service that asks for a public address.
    pub async fn make_as_go(&self, kind: MadeFor, service: GoService<'_>) -> Result<Made> {
        match kind {
            MadeFor::Shared => self.make_shared(service).await,
            MadeFor::Dedicated => self.make_dedicated(service).await,
            MadeFor::Existing => self.make_on_existing(service).await,
        }
    }

    async fn make_shared(&self, service: GoService<'_>) -> Result<Made> {
        let new = json!({
            "name": service.balancer_name(), "description": service.description(),
            "vip_subnet_id": SUBNET, "provider": "vlb",
        });
        let balancer = self.create("/v2/P/elb/loadbalancers", "loadbalancer", new).await?;
        let id = text(&balancer, "id")?;
        self.shared_listener(&id, service).await?;
        let eip = json!({ "publicip": { "type": "5_bgp" }, "bandwidth": service.bandwidth() });
        let eip = self.call("POST", "/v1/P/publicips", Some(&eip)).await?["publicip"].take();
        let eip_id = text(&eip, "id")?;
        let bind = json!({ "publicip": { "port_id": balancer["vip_port_id"] } });
        self.call("PUT", &format!("/v1/P/publicips/{eip_id}"), Some(&bind)).await?;
        Ok(Made { balancer: id, eip: eip_id, address: text(&eip, "public_ip_address")? })
    }

    /// The user's load balancer is there first; only the listener is the Go provider's.
    async fn make_on_existing(&self, service: GoService<'_>) -> Result<Made> {
        let new = json!({ "name": "the users own", "vip_subnet_id": SUBNET, "provider": "vlb" });
        let balancer = self.create("/v2/P/elb/loadbalancers", "loadbalancer", new).await?;
        let id = text(&balancer, "id")?;
        self.shared_listener(&id, service).await?;
        Ok(Made { balancer: id, eip: String::new(), address: text(&balancer, "vip_address")? })
    }

    async fn shared_listener(&self, balancer: &str, service: GoService<'_>) -> Result<()> {
        let name = service.listener_name();
        let listener = json!({
            "loadbalancer_id": balancer, "name": name, "protocol": "TCP", "protocol_port": service.port,
            "insert_headers": { "X-Forwarded-Host": false }, "transparent_client_ip_enable": false,
        });
        let listener = self.create("/v3/P/elb/listeners", "listener", listener).await?;
        let pool = json!({
            "name": format!("sg_{name}"), "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN",
            "listener_id": listener["id"],
        });
        let pool = text(&self.create("/v2/P/elb/pools", "pool", pool).await?, "id")?;
        for (_, address) in service.members {
            let member = json!({ "address": address, "protocol_port": service.node_port, "subnet_id": SUBNET });
            self.create(&format!("/v2/P/elb/pools/{pool}/members"), "member", member).await?;
        }
        let monitor = json!({ "pool_id": pool, "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 3 });
        self.create("/v2/P/elb/healthmonitors", "healthmonitor", monitor).await.map(drop)
    }

    async fn make_dedicated(&self, service: GoService<'_>) -> Result<Made> {
        let new = json!({
            "name": service.balancer_name(), "description": service.description(), "provider": "vlb",
            "vip_subnet_cidr_id": SUBNET, "availability_zone_list": ["ap-southeast-1a"],
            "publicip": { "network_type": "5_bgp", "bandwidth": service.bandwidth() },
        });
        let balancer = self.create("/v3/P/elb/loadbalancers", "loadbalancer", new).await?;
        let id = text(&balancer, "id")?;
        let name = service.listener_name();
        let listener = json!({ "loadbalancer_id": id, "name": name, "protocol": "TCP", "protocol_port": service.port });
        let listener = self.create("/v3/P/elb/listeners", "listener", listener).await?;
        let pool_name = format!("pl_{name}");
        let pool = json!({
            "name": pool_name, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "listener_id": listener["id"],
        });
        let pool = text(&self.create("/v3/P/elb/pools", "pool", pool).await?, "id")?;
        for (node, address) in service.members {
            let member = json!({
                "name": format!("member_{pool_name}_{node}"), "address": address,
                "protocol_port": service.node_port, "subnet_cidr_id": SUBNET,
            });
            self.create(&format!("/v3/P/elb/pools/{pool}/members"), "member", member).await?;
        }
        let monitor = json!({ "pool_id": pool, "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 3 });
        self.create("/v3/P/elb/healthmonitors", "healthmonitor", monitor).await?;
        let bound = &balancer["eips"][0];
        Ok(Made { balancer: id, eip: text(bound, "eip_id")?, address: text(bound, "eip_address")? })
    }
}

impl GoService<'_> {
    fn balancer_name(&self) -> String {
        format!("k8s_service_{}_{}_{}", self.cluster, self.namespace, self.name)
    }

    fn description(&self) -> String {
        format!("Created by the ELB service({}/{}) of the k8s cluster({}).", self.namespace, self.name, self.cluster)
    }

    fn listener_name(&self) -> String {
        format!("{}_TCP_{}", self.name, self.port)
    }

    fn bandwidth(&self) -> Value {
        json!({
            "name": format!("{}_{}", self.namespace, self.name), "size": 5, "share_type": "PER",
            "charge_mode": "traffic",
        })
    }
}
