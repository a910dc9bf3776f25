//! The same on simulated Baidu AI Cloud.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use testkit::{
    cloud::baidu::{Baidu, BaiduSettings, Keys},
    services,
};

use crate::simulated;

/// What a world is made of.
pub type Settings = simulated::Settings<BaiduSettings>;
/// Everything that runs.
pub type World = simulated::World<Baidu>;

/// The annotation of every Service here.
pub const TYPE: &str = "service.beta.kubernetes.io/cce-load-balancer-type";

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
