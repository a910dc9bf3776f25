//! The same on simulated Baidu AI Cloud.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use serde_json::json;
use testkit::{
    cloud::baidu::{Baidu, BaiduSettings, Keys},
    services,
};

use crate::simulated::{self, Kinds, faults::Changes};

/// What a world is made of.
pub type Settings = simulated::Settings<BaiduSettings>;
/// Everything that runs.
pub type World = simulated::World<Baidu>;

/// The annotation of every Service here.
pub const TYPE: &str = "service.beta.kubernetes.io/cce-load-balancer-type";
/// The annotation that names the labels of servers.
pub const BACKEND_LABEL: &str = "service.beta.kubernetes.io/cce-load-balancer-backend-label";
const BANDWIDTH: &str = "service.beta.kubernetes.io/cce-elastic-ip-bandwidth-in-mbps";

/// The types in the cloud itself.
pub const KINDS: Kinds = Kinds { make: World::service, names: ["blb", "appblb"] };

impl World {
    /// A Service with a load balancer of this type; it has a public address of its own, as nothing else is said.
    pub fn service(name: &str, port: u16, kind: &str) -> Service {
        let mut service = services::load_balancer(name, port);
        service.metadata.annotations = Some(BTreeMap::from([(TYPE.to_owned(), kind.to_owned())]));
        service
    }
}

/// A daemon with these keys.
pub fn with(keys: Keys) -> BaiduSettings {
    BaiduSettings { keys, ..BaiduSettings::default() }
}

/// A key that lasts.
pub fn given(access: &str, secret: &str) -> Keys {
    Keys::Given { access: access.to_owned(), secret: secret.to_owned(), token: String::new() }
}

/// The bandwidth of the public address follows an annotation.
pub fn changes() -> Changes {
    Changes {
        service: |name| simulated::with_second_port(World::service(name, 8080, "blb")),
        want: |number| json!({ BANDWIDTH: (10 + number).to_string() }),
        shown_in: "/eips",
        is_so: |eip, number| eip["bandwidthInMbps"] == json!(10 + number),
    }
}
