//! Bare metal (BBC v1).

use cloud_rest::{Answer, Error};
use serde::Deserialize;

use super::{
    Wire,
    page::{ByMarker, Listed},
    text::{Tag, addresses, or_default, state},
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
    #[serde(deserialize_with = "or_default")]
    status: String,
    #[serde(deserialize_with = "or_default")]
    public_ip: String,
    #[serde(deserialize_with = "or_default")]
    internal_ip: String,
    #[serde(deserialize_with = "or_default")]
    flavor_id: String,
    #[serde(deserialize_with = "or_default")]
    zone: String,
    #[serde(deserialize_with = "or_default")]
    vpc_id: String,
    #[serde(deserialize_with = "or_default")]
    tags: Vec<Tag>,
}

impl Wire for Instance {
    fn status(&self) -> &str {
        &self.status
    }

    fn is_gone(&self) -> bool {
        state::is_gone(&self.status)
    }

    fn into_machine(self) -> Machine {
        Machine {
            kind: Kind::Bbc,
            state: state::of(&self.status),
            internal: addresses([self.internal_ip.as_str()]),
            external: addresses([self.public_ip.as_str()]),
            gpu: self.flavor_id.to_ascii_uppercase().contains("GPU"),
            spec: self.flavor_id,
            id: self.id,
            name: self.name,
            hostname: self.hostname,
            zone: self.zone,
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

impl Cloud {
    /// All bare-metal machines of the account in the region.
    pub(crate) async fn bbc_instances(&self) -> Result<Vec<Instance>, Error> {
        let request = self.get(Service::Bbc, "ListBareMetalInstances", &["v1", "instance"]);
        Ok(request.list::<ByMarker<Instance>>(BY_MARKER).await?.into_inner())
    }

    /// One.
    pub(crate) async fn bbc_instance(&self, id: &str) -> Result<Answer<Instance>, Error> {
        self.get(Service::Bbc, "GetBareMetalInstance", &["v1", "instance", id]).send().await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_instance_is_read_with_all_that_is_asked_about_it() {
        let wire = json!({"id": "i-Bare1", "name": "b1", "hostname": "bare-1", "uuid": "u", "desc": "", "status": "Running",
            "publicIp": "", "internalIp": "192.168.1.4", "rdmaIp": "10.9.9.9", "flavorId": "BBC-G4-02", "zone": "cn-bj-b",
            "region": "bj", "tags": null});
        let machine = serde_json::from_value::<Instance>(wire).unwrap().into_machine();
        assert_eq!((machine.kind, machine.spec.as_str(), machine.zone.as_str()), (Kind::Bbc, "BBC-G4-02", "cn-bj-b"));
        assert_eq!((machine.internal, machine.external), (addresses(["192.168.1.4"]), Vec::new()));
    }
}
