//! Machines, whichever service they are of.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    State,
    calls::{Tag, second},
};

/// The service a machine is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Kind {
    /// Virtual machines.
    #[default]
    Bcc,
    /// Bare metal.
    Bbc,
    /// Virtual machines at the edge.
    Bec,
}

/// A machine.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Its short id.
    pub id: String,
    /// Its long one.
    pub uuid: String,
    /// Its account.
    pub account: String,
    /// The service it is of.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What it calls itself.
    pub hostname: String,
    /// Its state in its service's words, such as `Running` and `RUNNING`.
    pub status: String,
    /// Its zone, such as `cn-bj-a`.
    pub zone_name: String,
    /// Its kind of machine, such as `bcc.g5.c4m16`.
    pub spec: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Its subnet.
    pub subnet_id: String,
    /// Its address.
    pub internal_ip: Ipv4Addr,
    /// Its IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// Further addresses on its card, which are pods'.
    pub pod_ips: Vec<Ipv4Addr>,
    /// Its graphics cards.
    pub gpu_card: Option<String>,
    /// Tags.
    pub tags: Vec<Tag>,
    /// The role whose keys its metadata service gives it.
    pub role_name: Option<String>,
    /// Where it is, when that is at the edge.
    pub edge: Option<Edge>,
    /// When it was made.
    pub created: Timestamp,
}

/// A place at the edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Edge {
    /// Such as `EAST_CHINA`.
    pub region: String,
    /// Such as `HANGZHOU`.
    pub city: String,
    /// A carrier, such as `CHINA_MOBILE`, or `TRIPLE_LINE`.
    pub service_provider: String,
    /// City and carrier, such as `cn-hangzhou-cm`.
    pub region_id: String,
    /// Addresses outside, by carrier.
    #[serde(default)]
    pub public_ips: Vec<(String, Ipv4Addr)>,
}

impl Default for Edge {
    fn default() -> Self {
        Self {
            region: "EAST_CHINA".to_owned(),
            city: "HANGZHOU".to_owned(),
            service_provider: "CHINA_MOBILE".to_owned(),
            region_id: "cn-hangzhou-cm".to_owned(),
            public_ips: Vec::new(),
        }
    }
}

impl Machine {
    /// Whether it does what it is there for.
    pub fn is_running(&self) -> bool {
        ["RUNNING", "NORMAL"].iter().any(|status| status.eq_ignore_ascii_case(&self.status))
    }

    /// Processors and GiB of memory, as the end of its spec says: `c4m16`.
    pub(super) fn size(&self) -> (u32, u32) {
        let read = |size: &str| {
            let (cpu, memory) = size.strip_prefix('c')?.split_once('m')?;
            Some((cpu.parse().ok()?, memory.parse().ok()?))
        };
        self.spec.rsplit('.').next().and_then(read).unwrap_or((4, 16))
    }

    /// Its zone as CCE calls it: `zoneA`.
    pub(super) fn cce_zone(&self) -> String {
        let letter = self.zone_name.rsplit('-').next().unwrap_or_default();
        format!("zone{}", letter.to_ascii_uppercase())
    }

    /// As BCC shows it.
    pub(super) fn bcc_view(&self, state: &State) -> Value {
        let public = state.public_ip_of(&self.id);
        let (cpu, memory) = self.size();
        let first = json!({ "privateIp": self.internal_ip, "primary": "true", "eip": public });
        let pods = self.pod_ips.iter().map(|ip| json!({ "privateIp": ip, "primary": "false", "eip": "" }));
        let ips: Vec<_> = std::iter::once(first).chain(pods).collect();
        let ipv6s: Vec<_> =
            self.ipv6.iter().map(|ip| json!({ "privateIp": ip, "primary": "true", "eip": "" })).collect();
        json!({
            "id": self.id, "name": self.name, "hostname": self.hostname, "instanceType": "N5", "spec": self.spec, "desc": "",
            "status": self.status, "paymentTiming": "Postpaid", "createTime": second(self.created), "expireTime": "",
            "publicIp": public, "internalIp": self.internal_ip, "ipv6": self.ipv6.map(|ip| ip.to_string()).unwrap_or_default(),
            "cpuCount": cpu, "memoryCapacityInGB": memory, "localDiskSizeInGB": 0, "gpuCard": self.gpu_card.as_deref().unwrap_or_default(),
            "cardCount": if self.gpu_card.is_some() { "1" } else { "0" }, "imageId": "m-simulated", "networkCapacityInMbps": 0,
            "placementPolicy": "default", "zoneName": self.zone_name, "subnetId": self.subnet_id, "vpcId": self.vpc_id,
            "autoRenew": false, "keypairId": "", "roleName": self.role_name.as_deref().unwrap_or_default(), "tags": self.tags,
            "nicInfo": {
                "eniId": format!("eni-of-{}", self.id), "macAddress": "fa:26:00:00:00:01", "subnetId": self.subnet_id, "status": "inuse",
                "ips": ips, "ipv6s": ipv6s, "securityGroups": ["g-simulated"],
            },
            "eniNum": "1", "hosteyeType": "",
        })
    }

    /// As BBC shows it.
    pub(super) fn bbc_view(&self, state: &State) -> Value {
        json!({
            "id": self.id, "name": self.name, "hostname": self.hostname, "uuid": self.uuid, "desc": "", "status": self.status,
            "paymentTiming": "Prepaid", "createTime": second(self.created), "expireTime": "", "publicIp": state.public_ip_of(&self.id),
            "internalIp": self.internal_ip, "rdmaIp": "", "imageId": "m-simulated", "flavorId": self.spec, "zone": self.zone_name,
            "region": state.region, "networkCapacityInMbps": 0, "tags": self.tags,
        })
    }

    /// As the private cloud's list of a cluster's machines shows it.
    pub(super) fn private_view(&self) -> Value {
        let (cpu, memory) = self.size();
        json!({
            "id": self.id, "name": self.name, "instancetype": "N5", "desc": "", "status": self.status, "paymentTiming": "Postpaid",
            "createTime": second(self.created), "expireTime": "", "publicIp": "", "internalIp": self.internal_ip, "cpu": cpu, "gpu": 0,
            "memory": memory, "localDiskSizeInGB": 0, "imageId": "m-simulated", "zoneName": self.zone_name, "subnetId": self.subnet_id,
            "vpcId": self.vpc_id,
        })
    }
}

impl State {
    /// The machine, when it is the account's.
    pub(super) fn machine_of(&self, account: &str, id: &str) -> Option<&Machine> {
        self.machines.get(id).filter(|machine| machine.account == account)
    }

    /// Takes a machine away, as its owner would. Its elastic IP stays, and so do load balancers' and routes' words about it.
    pub fn delete_machine(&mut self, now: Timestamp, id: &str) -> Option<Machine> {
        let machine = self.machines.remove(now, id)?;
        self.leases.give_back(&machine.subnet_id, machine.internal_ip);
        self.free_eips_of(now, id);
        Some(machine)
    }
}
