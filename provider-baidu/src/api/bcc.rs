//! Virtual machines (BCC v2).

use cloud_rest::{Effect, Error};
use serde::{Deserialize, Serialize};

use super::{
    Wire,
    page::{ByMarker, Listed},
    text::{Tag, addresses, count, or_default, state, truth},
};
use crate::{
    cloud::{BY_MARKER, Cloud},
    endpoints::Service,
    nodes::machine::{Kind, Machine},
};

/// An instance as the cloud shows it. Everything but the id may be missing or `null`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Instance {
    id: String,
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    hostname: String,
    #[serde(rename = "instanceType", deserialize_with = "or_default")]
    generation: String,
    #[serde(deserialize_with = "or_default")]
    spec: String,
    #[serde(deserialize_with = "or_default")]
    status: String,
    #[serde(deserialize_with = "or_default")]
    public_ip: String,
    #[serde(deserialize_with = "or_default")]
    internal_ip: String,
    #[serde(deserialize_with = "or_default")]
    ipv6: String,
    #[serde(deserialize_with = "or_default")]
    gpu_card: String,
    #[serde(deserialize_with = "count")]
    card_count: u64,
    #[serde(deserialize_with = "or_default")]
    zone_name: String,
    #[serde(deserialize_with = "or_default")]
    vpc_id: String,
    #[serde(deserialize_with = "or_default")]
    tags: Vec<Tag>,
    #[serde(deserialize_with = "or_default")]
    nic_info: NicInfo,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NicInfo {
    #[serde(deserialize_with = "or_default")]
    ips: Vec<NicIp>,
    #[serde(deserialize_with = "or_default", rename = "ipv6s")]
    ips_v6: Vec<NicIp>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NicIp {
    #[serde(deserialize_with = "or_default")]
    private_ip: String,
    #[serde(deserialize_with = "truth")]
    primary: bool,
    #[serde(deserialize_with = "or_default")]
    eip: String,
}

impl Wire for Instance {
    fn status(&self) -> &str {
        &self.status
    }

    fn is_gone(&self) -> bool {
        state::is_gone(&self.status)
    }

    fn into_machine(self) -> Machine {
        // The card's other addresses are pods' and nobody's who looks for a node.
        let primary =
            |ips: &[NicIp]| ips.iter().filter(|ip| ip.primary).map(|ip| ip.private_ip.clone()).collect::<Vec<_>>();
        let (four, six) = (primary(&self.nic_info.ips), primary(&self.nic_info.ips_v6));
        let inside = [&self.internal_ip, &self.ipv6].into_iter().chain(&four).chain(&six);
        let bound = self.nic_info.ips.iter().filter(|ip| ip.primary).map(|ip| &ip.eip);
        Machine {
            kind: Kind::Bcc,
            internal: addresses(inside.map(String::as_str)),
            external: addresses(std::iter::once(&self.public_ip).chain(bound).map(String::as_str)),
            state: state::of(&self.status),
            gpu: !self.gpu_card.is_empty() || self.card_count > 0 || self.generation.contains("GPU"),
            spec: if self.spec.is_empty() { self.generation } else { self.spec },
            id: self.id,
            name: self.name,
            hostname: self.hostname,
            zone: self.zone_name,
            vpc: self.vpc_id,
            tags: self.tags.into_iter().map(Tag::into_pair).collect(),
        }
    }
}

impl Listed for Instance {
    fn id(&self) -> &str {
        &self.id
    }
}

#[derive(Deserialize)]
struct OneInstance {
    instance: Instance,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ids<'a> {
    instance_ids: &'a [String],
}

impl Cloud {
    /// All virtual machines of the account in the region.
    pub(crate) async fn bcc_instances(&self) -> Result<Vec<Instance>, Error> {
        let request = self.get(Service::Bcc, "ListInstances", &["v2", "instance"]);
        Ok(request.list::<ByMarker<Instance>>(BY_MARKER).await?.into_inner())
    }

    /// Those of at most 100 ids that are there.
    pub(crate) async fn bcc_instances_by_ids(&self, ids: &[String]) -> Result<Vec<Instance>, Error> {
        let path = ["v2", "instance", "listByInstanceId"];
        let request = self.post(Service::Bcc, "ListInstancesByIds", &path).effect(Effect::Read);
        let request = request.body(&Ids { instance_ids: ids });
        Ok(request.list::<ByMarker<Instance>>(BY_MARKER).await?.into_inner())
    }

    /// One.
    pub(crate) async fn bcc_instance(&self, id: &str) -> Result<cloud_rest::Answer<Instance>, Error> {
        let request = self.get(Service::Bcc, "GetInstanceDetail", &["v2", "instance", id]);
        Ok(request.send::<OneInstance>().await?.map(|one| one.instance))
    }
}

#[cfg(test)]
mod tests {
    use cloud_provider_api::v1::InstanceState;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_instance_is_read_with_all_that_is_asked_about_it() {
        let wire = json!({"id": "i-AbCd1234", "name": "n1", "hostname": "instance-1", "instanceType": "N5", "spec": "bcc.g5.c4m16",
            "status": "Running", "publicIp": "203.0.113.9", "internalIp": "192.168.0.4", "ipv6": null, "gpuCard": "", "cardCount": "0",
            "zoneName": "cn-bj-a", "vpcId": "vpc-1", "tags": [{"tagKey": "role", "tagValue": "worker"}], "hosteyeType": "Basic",
            "nicInfo": {"eniId": "eni-1", "ips": [{"privateIp": "192.168.0.4", "primary": "true", "eip": "203.0.113.9"},
                {"privateIp": "192.168.0.77", "primary": false, "eip": "203.0.113.77"}],
                "ipv6s": [{"privateIp": "fd00::4", "primary": true}], "securityGroups": ["g-1"]}});
        let machine = serde_json::from_value::<Instance>(wire).unwrap().into_machine();
        let expected = Machine {
            kind: Kind::Bcc,
            id: "i-AbCd1234".to_owned(),
            name: "n1".to_owned(),
            hostname: "instance-1".to_owned(),
            state: InstanceState::Running,
            zone: "cn-bj-a".to_owned(),
            spec: "bcc.g5.c4m16".to_owned(),
            gpu: false,
            vpc: "vpc-1".to_owned(),
            internal: addresses(["192.168.0.4", "fd00::4"]),
            external: addresses(["203.0.113.9"]),
            tags: vec![("role".to_owned(), "worker".to_owned())],
        };
        assert_eq!(machine, expected);
    }

    #[test]
    fn a_bare_one_is_read_too() {
        let instance: Instance = serde_json::from_value(json!({"id": "i-1", "tags": null, "nicInfo": null})).unwrap();
        assert!(!instance.is_gone());
        assert_eq!(instance.into_machine().state, InstanceState::Unspecified);
    }
}
