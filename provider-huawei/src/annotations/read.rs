//! From annotations and options to settings.

use std::collections::HashMap;

use super::{
    Fault, Settings,
    table::{self, all},
    values::{self, Class, HealthOption},
};
use crate::options::LoadBalancerOptions;

/// Reads everything, or tells everything that is wrong.
pub(super) fn read(
    annotations: &HashMap<String, String>,
    options: &LoadBalancerOptions,
) -> Result<Settings, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut settings = defaults(options, &mut Vec::new());
    let mut set = Vec::new();
    for annotation in all() {
        let Some(value) = annotations.get(annotation.key).map(|value| value.trim()) else { continue };
        // An empty value is as good as none, as with the Go provider.
        if value.is_empty() {
            continue;
        }
        set.push(annotation);
        if let Err(remedy) = (annotation.read)(value, &mut settings) {
            faults.push(Fault { key: annotation.key.to_owned(), problem: format!("{value:?}: {remedy}") });
        }
    }
    settings.health_check |= settings.health_option.enable;
    let known: Vec<String> = faults.iter().map(|fault: &Fault| fault.key.clone()).collect();
    // What an unreadable value leaves open is not missing.
    faults.extend(together(&settings).into_iter().filter(|fault| !known.contains(&fault.key)));
    if let Some(class) = settings.class {
        let idle = |annotation: &&&table::Annotation| !annotation.classes.contains(&class);
        settings.unused = set.iter().filter(idle).map(|annotation| annotation.key).collect();
    }
    if faults.is_empty() { Ok(settings) } else { Err(faults) }
}

/// What the options alone say, with what is wrong with them.
fn defaults(options: &LoadBalancerOptions, faults: &mut Vec<String>) -> Settings {
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let mut take = |key: &str, value: &str, read: &mut dyn FnMut(&str) -> values::Parsed<()>| {
        if let Some(value) = given(value)
            && let Err(remedy) = read(&value)
        {
            faults.push(format!("loadBalancerOption: {key}: {value:?}: {remedy}"));
        }
    };
    let mut settings = Settings {
        keep_eip: options.keep_eip,
        transparent_client_ip: options.enable_transparent_client_ip,
        cross_vpc: options.enable_cross_vpc,
        idle_timeout: Some(options.idle_timeout).filter(|seconds| *seconds > 0),
        request_timeout: Some(options.request_timeout).filter(|seconds| *seconds > 0),
        response_timeout: Some(options.response_timeout).filter(|seconds| *seconds > 0),
        l4_flavor: given(&options.l4_flavor_id),
        l7_flavor: given(&options.l7_flavor_id),
        health_check: true,
        health_option: HealthOption::default(),
        ..Settings::default()
    };
    take("default-elb-class", &options.default_elb_class, &mut |value| {
        values::class(value).map(|class| settings.class = Some(class))
    });
    take("lb-algorithm", &options.lb_algorithm, &mut |value| {
        values::algorithm(value).map(|algorithm| settings.algorithm = algorithm)
    });
    take("session-affinity-flag", &options.session_affinity_flag, &mut |value| {
        values::affinity_switch(value).map(|on| settings.affinity = Some(on).filter(|on| *on))
    });
    take("health-check-flag", &options.health_check_flag, &mut |value| {
        values::switch(value).map(|on| settings.health_check = on)
    });
    let text = |value: &Option<serde_json::Value>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    take("session-affinity-option", &text(&options.session_affinity_option), &mut |value| {
        values::json(value).and_then(|json| values::affinity(&json)).map(|option| settings.affinity_option = option)
    });
    take("availability-zones", &options.availability_zones, &mut |value| {
        values::zones(value).map(|zones| settings.zones = zones)
    });
    take("eip-auto-create-option", &text(&options.eip_auto_create_option), &mut |value| {
        values::json(value).and_then(|json| values::eip(&json)).map(|eip| settings.eip = Some(eip))
    });
    take("health-check-option", &text(&options.health_check_option), &mut |value| {
        values::json(value).and_then(|json| values::health(&json)).map(|option| settings.health_option = option)
    });
    settings
}

/// What is wrong with the operator's defaults.
pub(crate) fn check_defaults(options: &LoadBalancerOptions) -> Vec<String> {
    let mut faults = Vec::new();
    defaults(options, &mut faults);
    faults
}

/// What is wrong with settings that are each right.
fn together(settings: &Settings) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |key: &str, problem: &str| {
        faults.push(Fault { key: key.to_owned(), problem: problem.to_owned() });
    };
    match settings.class {
        None => {
            fault(table::CLASS, "is missing: write shared, dedicated or dnat, or set default-elb-class in the options");
        }
        Some(Class::Elasticity) => fault(
            table::CLASS,
            "\"elasticity\": Huawei Cloud has retired the classic load balancer; write shared or dedicated",
        ),
        Some(Class::Dnat) if settings.nat_gateway.is_none() => {
            fault(table::NAT_GATEWAY, "is missing: class dnat needs the id of a NAT gateway");
        }
        Some(Class::Dedicated) if settings.id.is_none() && settings.adopt.is_none() && settings.zones.is_empty() => {
            fault(table::ZONES, "is missing: a dedicated load balancer needs its zones, for example az1;az2");
        }
        Some(_) => {}
    }
    if settings.certificate.is_none() && settings.protocol_ports.values().any(|l7| *l7 == values::L7Protocol::Https) {
        fault(table::PROTOCOL_PORT, "lists an https port: set default-tls-container-ref to the id of a certificate");
    }
    faults
}
