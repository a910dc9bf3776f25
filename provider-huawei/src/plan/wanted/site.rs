//! What a Service asks for that the installation does not have.

use cloud_provider_api::v1;

use crate::{annotations::Settings, config::Features};

/// Finds everything that is asked for in vain: nothing of it is left out silently.
pub(super) fn check(
    spec: &v1::LoadBalancerSpec,
    settings: &Settings,
    dedicated: bool,
    features: &Features,
    faults: &mut Vec<(String, String)>,
) {
    let mut fault = |field: &str, problem: &str| {
        let field = if field.starts_with("spec.") {
            field.to_owned()
        } else {
            format!("annotations[kubernetes.io/elb.{field}]")
        };
        faults.push((field, format!("this installation has no {problem}")));
    };
    if dedicated && !features.dedicated_load_balancers {
        fault("class", "dedicated load balancers: write shared");
    }
    if !dedicated && !features.shared_load_balancers {
        fault("class", "shared load balancers: write dedicated");
    }
    if !features.eips && settings.eip_id.is_some() {
        fault("eip-id", "public addresses: remove it");
    }
    if !features.eips && settings.eip.is_some() {
        fault("eip-auto-create-option", "public addresses: write none");
    }
    if features.dedicated_load_balancers {
        return;
    }
    // Without v3 a listener has neither of these.
    let open = spec.source_ranges.iter().all(|range| range.ends_with("/0"));
    if !open {
        fault("spec.source_ranges", "IP groups, which would restrict clients: remove loadBalancerSourceRanges");
    }
    if settings.access_list.is_some() {
        fault("acl-id", "IP groups: remove it");
    }
    if settings.transparent_client_ip {
        fault("enable-transparent-client-ip", "switch for it: write false");
    }
    for (field, set) in [
        ("idle-timeout", settings.idle_timeout),
        ("request-timeout", settings.request_timeout),
        ("response-timeout", settings.response_timeout),
    ] {
        if set.is_some() {
            fault(field, "timeouts of listeners: write 0");
        }
    }
}
