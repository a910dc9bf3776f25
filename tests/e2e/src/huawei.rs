//! The same on simulated Huawei Cloud.

use std::collections::BTreeMap;

use anyhow::Result;
use k8s_openapi::api::core::v1::Service;
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::{
    cloud::huawei::{Huawei, HuaweiSettings},
    services,
};

use crate::simulated::{self, Kinds, faults::Changes};

/// What a world is made of.
pub type Settings = simulated::Settings<HuaweiSettings>;
/// Everything that runs.
pub type World = simulated::World<Huawei>;

/// The first annotation of every Service here.
pub const CLASS: &str = "kubernetes.io/elb.class";

/// The classes, of which the shared one is the older.
pub const KINDS: Kinds = Kinds { make: World::service, names: ["shared", "dedicated"] };

/// A load balancer as the simulator has it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Balancer {
    /// Its id.
    pub id: String,
    /// The rest.
    pub fields: BalancerFields,
}

/// What its owner says of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct BalancerFields {
    /// Its name.
    pub name: String,
    /// Its description.
    #[serde(default)]
    pub description: String,
}

impl World {
    /// A Service with a load balancer of this class; a dedicated or shared one has a public address of its own.
    pub fn service(name: &str, port: u16, class: &str) -> Service {
        let eip = json!({ "ip_type": "5_bgp", "bandwidth_size": 5, "share_type": "PER", "charge_mode": "traffic" });
        let mut annotations = BTreeMap::from([
            (CLASS.to_owned(), class.to_owned()),
            ("kubernetes.io/elb.eip-auto-create-option".to_owned(), eip.to_string()),
        ]);
        if class == "dedicated" {
            annotations.insert("kubernetes.io/elb.availability-zones".to_owned(), "ap-southeast-1a".to_owned());
        }
        let mut service = services::load_balancer(name, port);
        service.metadata.annotations = Some(annotations);
        service
    }

    /// All load balancers there are.
    pub async fn balancers(&self) -> Result<Vec<Balancer>> {
        self.cloud.simulator().objects("/elb/load_balancers").await
    }

    /// Ids of all public addresses there are.
    pub async fn addresses(&self) -> Result<Vec<String>> {
        let all: Vec<Value> = self.cloud.simulator().objects("/publicips").await?;
        Ok(all.iter().filter_map(|eip| eip["id"].as_str().map(str::to_owned)).collect())
    }
}

/// The time between two health checks follows an annotation.
pub fn changes() -> Changes {
    Changes {
        service: |name| World::service(name, 8080, "shared"),
        want: |number| {
            let option = json!({"delay": 10 + number, "timeout": 3, "max_retries": 3}).to_string();
            json!({"kubernetes.io/elb.health-check-option": option})
        },
        shown_in: "/elb/monitors",
        is_so: |monitor, number| monitor["fields"]["delay"] == json!(10 + number),
    }
}
