//! Machines at the edge (BEC): v2 lists, v1 shows one; the two word the same differently.

use cloud_provider_api::v1::InstanceState;
use cloud_rest::{Answer, Error};
use serde::Deserialize;

use super::{
    Wire,
    page::{ByMarker, Listed},
    text::{Tag, addresses, or_default},
};
use crate::{
    cloud::{BY_MARKER, Cloud},
    endpoints::Service,
    nodes::machine::{Kind, Machine},
};

/// A machine as either version shows it. Everything but the id may be missing or `null`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Instance {
    #[serde(alias = "vmId")]
    id: String,
    #[serde(alias = "vmName", deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    hostname: String,
    #[serde(deserialize_with = "or_default")]
    status: String,
    #[serde(deserialize_with = "or_default")]
    spec: String,
    #[serde(deserialize_with = "or_default")]
    region_id: String,
    #[serde(deserialize_with = "or_default")]
    public_ip: String,
    #[serde(alias = "ipv6", deserialize_with = "or_default")]
    ipv6_public_ip: String,
    #[serde(deserialize_with = "or_default")]
    internal_ip: String,
    #[serde(deserialize_with = "or_default")]
    multiple_public_ip: Vec<CarrierIp>,
    #[serde(deserialize_with = "or_default")]
    vpc_id: String,
    #[serde(deserialize_with = "or_default")]
    tags: Vec<Tag>,
}

/// An address in one carrier's network.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CarrierIp {
    #[serde(deserialize_with = "or_default")]
    ip: String,
    #[serde(deserialize_with = "or_default")]
    ipv6: String,
}

impl Wire for Instance {
    fn status(&self) -> &str {
        &self.status
    }

    fn is_gone(&self) -> bool {
        self.status.eq_ignore_ascii_case("TERMINATED")
    }

    fn into_machine(self) -> Machine {
        let carriers = self.multiple_public_ip.iter();
        let outside = [&self.public_ip, &self.ipv6_public_ip]
            .into_iter()
            .chain(carriers.flat_map(|carrier| [&carrier.ip, &carrier.ipv6]));
        Machine {
            kind: Kind::Bec,
            state: state(&self.status),
            internal: addresses([self.internal_ip.as_str()]),
            external: addresses(outside.map(String::as_str)),
            gpu: false,
            spec: self.spec,
            id: self.id,
            name: self.name,
            hostname: self.hostname,
            zone: self.region_id,
            vpc: self.vpc_id,
            tags: self.tags.into_iter().map(Tag::into_pair).collect(),
        }
    }
}

/// The power state.
fn state(status: &str) -> InstanceState {
    match status.to_ascii_uppercase().as_str() {
        "RUNNING" | "NORMAL" => InstanceState::Running,
        "CREATING" | "STARTING" | "WAITING" => InstanceState::Pending,
        "STOPPING" | "RESTARTING" | "REINSTALLING" | "IMAGING" => InstanceState::Changing,
        "STOP" | "STOPPED" => InstanceState::Stopped,
        "TERMINATING" | "TERMINATED" => InstanceState::Terminating,
        "EXCEPTION" | "FAILED" => InstanceState::Failed,
        _ => InstanceState::Unspecified,
    }
}

impl Listed for Instance {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Cloud {
    /// All machines of the account at the edge, wherever that is.
    pub(crate) async fn bec_instances(&self) -> Result<Vec<Instance>, Error> {
        let request = self.get(Service::Bec, "ListVmInstances", &["v2", "vm", "instance"]);
        Ok(request.list::<ByMarker<Instance>>(BY_MARKER).await?.into_inner())
    }

    /// Those of some ids that are there.
    pub(crate) async fn bec_instances_by_ids(&self, ids: &[String]) -> Result<Vec<Instance>, Error> {
        let request = self.get(Service::Bec, "ListVmInstances", &["v2", "vm", "instance"]);
        Ok(request.query("instanceIds", ids.join(",")).list::<ByMarker<Instance>>(BY_MARKER).await?.into_inner())
    }

    /// One.
    pub(crate) async fn bec_instance(&self, id: &str) -> Result<Answer<Instance>, Error> {
        self.get(Service::Bec, "GetVmInstance", &["v1", "vm", "instance", id]).send().await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_versions_are_read_alike() {
        let first = json!({"vmId": "vm-1", "uuid": "u", "vmName": "e1", "status": "RUNNING", "spec": "4c8g", "cpu": 4, "mem": 8,
            "region": "EAST_CHINA", "city": "HANGZHOU", "regionId": "cn-hangzhou-cm", "publicIp": "203.0.113.1",
            "internalIp": "172.16.0.4", "ipv6PublicIp": null, "hostname": "e1", "vpc": {"vpcId": "v"},
            "multiplePublicIp": [{"serviceProvider": "CHINA_MOBILE", "ip": "203.0.113.1"},
                                 {"serviceProvider": "CHINA_UNICOM", "ip": "203.0.113.2", "ipv6": "2001:db8::2"}]});
        let machine = serde_json::from_value::<Instance>(first).unwrap().into_machine();
        assert_eq!(
            (machine.id.as_str(), machine.name.as_str(), machine.zone.as_str()),
            ("vm-1", "e1", "cn-hangzhou-cm")
        );
        assert_eq!(machine.external, addresses(["203.0.113.1", "203.0.113.2", "2001:db8::2"]));
        let second = json!({"id": "vm-1", "name": "e1", "status": "running", "internalIp": "172.16.0.4", "regionId": "cn-hangzhou-cm",
            "publicIp": "", "ipv6": "", "cpuCount": 4});
        let machine = serde_json::from_value::<Instance>(second).unwrap().into_machine();
        assert_eq!((machine.id.as_str(), machine.state), ("vm-1", InstanceState::Running));
        assert_eq!((machine.internal, machine.external), (addresses(["172.16.0.4"]), Vec::new()));
    }

    #[test]
    fn every_status_has_its_meaning() {
        use InstanceState::{Changing, Failed, Pending, Running, Stopped, Terminating, Unspecified};
        for (status, expected) in [
            ("CREATING", Pending),
            ("STARTING", Pending),
            ("RUNNING", Running),
            ("Running", Running),
            ("EXCEPTION", Failed),
            ("FAILED", Failed),
            ("UNKNOWN", Unspecified),
            ("TERMINATED", Terminating),
            ("TERMINATING", Terminating),
            ("WAITING", Pending),
            ("STOP", Stopped),
            ("STOPPING", Changing),
            ("STOPPED", Stopped),
            ("NORMAL", Running),
            ("RESTARTING", Changing),
            ("REINSTALLING", Changing),
            ("IMAGING", Changing),
        ] {
            assert_eq!(state(status), expected, "{status}");
        }
    }
}
