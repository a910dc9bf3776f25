//! Servers, and how the API shows them.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::State;

/// A server.
#[derive(Clone, Debug, Serialize)]
pub struct Server {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project_id: String,
    /// Its name.
    pub name: String,
    /// `ACTIVE`, `SHUTOFF` and so on.
    pub status: String,
    /// Its availability zone.
    pub zone: String,
    /// Its flavor.
    pub flavor: String,
    /// The VPC it is in.
    pub vpc_id: String,
    /// Its ports, the primary NIC's first.
    pub ports: Vec<String>,
    /// Tags, as `key=value`.
    pub tags: Vec<String>,
    /// Whether it is frozen for want of money.
    pub frozen: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

impl Server {
    /// Whether one of its NICs has the address.
    pub(super) fn has_address(&self, state: &State, address: &str) -> bool {
        self.addresses(state).iter().any(|(_, shown)| shown == address)
    }

    /// Whether an address of one of its NICs contains the text.
    pub(super) fn has_address_like(&self, state: &State, part: &str) -> bool {
        self.addresses(state).iter().any(|(_, shown)| shown.contains(part))
    }

    /// Whether it has a tag, given as `key` or `key=value`.
    pub(super) fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag || own.split_once('=').is_some_and(|(key, _)| key == tag))
    }

    /// Its addresses, fixed and floating, with the port they are on.
    fn addresses<'s>(&'s self, state: &'s State) -> Vec<(&'s str, String)> {
        let mut addresses = Vec::new();
        for port in self.ports.iter().filter_map(|id| state.ports.get(id)) {
            addresses.extend(port.fixed_ips.iter().map(|fixed| (port.id.as_str(), fixed.ip_address.to_string())));
            let floating = port.publicip_id.as_ref().and_then(|id| state.publicips.get(id));
            addresses.extend(floating.map(|floating| (port.id.as_str(), floating.public_ip_address.to_string())));
        }
        addresses
    }

    /// As ECS v1 shows it.
    pub(super) fn view(&self, state: &State) -> Value {
        let (vm_state, power_state) = match self.status.as_str() {
            "SHUTOFF" => ("stopped", 4),
            "ERROR" => ("error", 0),
            "BUILD" => ("building", 0),
            _ => ("active", 1),
        };
        let mut metadata = json!({ "vpc_id": self.vpc_id, "charging_mode": "0", "os_type": "Linux" });
        if self.frozen {
            metadata["EcmResStatus"] = json!("freeze");
        }
        json!({
            "id": self.id, "name": self.name, "status": self.status, "tenant_id": self.project_id,
            "OS-EXT-AZ:availability_zone": self.zone, "OS-EXT-SRV-ATTR:hostname": self.name,
            "flavor": {
                "id": self.flavor, "name": self.flavor, "vcpus": "2", "ram": "4096", "disk": "0",
                "gpus": [], "asic_accelerators": [],
            },
            "addresses": { self.vpc_id.clone(): self.address_views(state) },
            "metadata": metadata,
            "security_groups": self.security_groups(state).iter().map(|group| json!({ "id": group.id, "name": group.name })).collect::<Vec<_>>(),
            "accessIPv4": "", "accessIPv6": "",
            "OS-EXT-STS:vm_state": vm_state, "OS-EXT-STS:task_state": null, "OS-EXT-STS:power_state": power_state,
            "tags": self.tags, "enterprise_project_id": "0",
            "created": second(self.created), "updated": second(self.updated), "locked": false, "fault": null,
        })
    }

    fn address_views(&self, state: &State) -> Vec<Value> {
        let mut views = Vec::new();
        for (at, port) in self.ports.iter().filter_map(|id| state.ports.get(id)).enumerate() {
            for fixed in &port.fixed_ips {
                let version = if fixed.ip_address.is_ipv4() { "4" } else { "6" };
                views.push(json!({
                    "version": version, "addr": fixed.ip_address, "primary": at == 0, "OS-EXT-IPS:type": "fixed",
                    "OS-EXT-IPS-MAC:mac_addr": port.mac_address, "OS-EXT-IPS:port_id": port.id,
                }));
            }
            if let Some(floating) = port.publicip_id.as_ref().and_then(|id| state.publicips.get(id)) {
                views.push(json!({
                    "version": "4", "addr": floating.public_ip_address, "OS-EXT-IPS:type": "floating",
                    "OS-EXT-IPS-MAC:mac_addr": port.mac_address, "OS-EXT-IPS:port_id": port.id,
                }));
            }
        }
        views
    }

    /// The groups of its NICs, each once.
    pub(super) fn security_groups<'s>(&self, state: &'s State) -> Vec<&'s super::network::SecurityGroup> {
        let mut ids: Vec<_> =
            self.ports.iter().filter_map(|id| state.ports.get(id)).flat_map(|port| &port.security_groups).collect();
        ids.sort();
        ids.dedup();
        ids.into_iter().filter_map(|id| state.security_groups.get(id)).collect()
    }
}

/// How ECS shows an id that a `server_id` query asks for and that is nobody's.
pub(super) fn unknown(id: &str, now: Timestamp) -> Value {
    let nothing = [
        "name",
        "status",
        "tenant_id",
        "OS-EXT-AZ:availability_zone",
        "OS-EXT-SRV-ATTR:hostname",
        "flavor",
        "addresses",
        "metadata",
        "security_groups",
        "accessIPv4",
        "accessIPv6",
        "OS-EXT-STS:vm_state",
        "OS-EXT-STS:task_state",
        "OS-EXT-STS:power_state",
        "tags",
        "enterprise_project_id",
        "created",
        "updated",
        "locked",
    ];
    let mut view: Value = nothing.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    view["id"] = json!(id);
    view["fault"] =
        json!({ "code": 404, "message": format!("Instance[{id}] could not be found."), "created": second(now) });
    view
}

/// A time to the second, `2026-11-20T01:02:03Z`.
pub fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
