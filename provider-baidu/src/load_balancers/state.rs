//! What the caller is told.

use cloud_provider_api::v1;
use provider_kit::load_balancers::{self, Note, Progress};

use super::handle::Handle;
use crate::{api::balancers::LoadBalancer, plan::seen::Balancer};

/// The ways in. A public address takes the place of the one inside, if one is wanted.
pub(super) fn ingress(lb: &LoadBalancer, internal: bool) -> Vec<v1::Ingress> {
    let public = if internal { "" } else { lb.public_ip.as_str() };
    // At the edge there may be one for each carrier.
    let mut addresses: Vec<&str> = public.split([',', ' ']).filter(|ip| is_ip(ip)).collect();
    if addresses.is_empty() && is_ip(&lb.address) {
        addresses.push(&lb.address);
    }
    let way = |ip: &str| v1::Ingress { ip: ip.to_owned(), ip_mode: v1::IpMode::Vip.into(), ..v1::Ingress::default() };
    addresses.into_iter().map(way).collect()
}

fn is_ip(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

pub(super) fn ready(
    ingress: Vec<v1::Ingress>,
    spec_hash: String,
    handle: &Handle,
    notes: Vec<Note>,
) -> v1::LoadBalancerState {
    load_balancers::ready(ingress, spec_hash, handle.write(), notes)
}

pub(super) fn waiting(progress: Progress, handle: &Handle) -> v1::LoadBalancerState {
    load_balancers::waiting(progress, handle.write())
}

/// Target first.
pub(super) fn handle_of<'b>(balancers: impl IntoIterator<Item = &'b Balancer>) -> Handle {
    Handle(balancers.into_iter().map(|balancer| (balancer.lb.kind, balancer.lb.id.clone())).collect())
}
