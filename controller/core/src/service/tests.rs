//! Builders for tests about Services.

use std::collections::BTreeMap;

use crate::view::{IpFamilyPolicy, Protocol, Service, ServicePort, ServiceType};

/// A class-less Service of type `LoadBalancer` with one TCP port.
pub(crate) fn service() -> Service {
    Service {
        namespace: "default".into(),
        name: "web".into(),
        uid: "uid-1".into(),
        resource_version: "1".into(),
        deleting: false,
        finalizers: vec![],
        annotations: BTreeMap::new(),
        kind: ServiceType::LoadBalancer,
        load_balancer_class: None,
        load_balancer_ip: String::new(),
        source_ranges: vec![],
        ports: vec![port(Protocol::Tcp)],
        client_ip_affinity: None,
        external_ips: vec![],
        local_traffic: false,
        health_check_node_port: None,
        ip_families: vec![],
        ip_family_policy: IpFamilyPolicy::SingleStack,
        ingress: vec![],
    }
}

/// Port 80, which pods serve on 8080.
pub(crate) fn port(protocol: Protocol) -> ServicePort {
    ServicePort {
        name: "http".into(),
        protocol,
        port: 80,
        node_port: Some(30080),
        target_port: "8080".into(),
        app_protocol: String::new(),
    }
}
