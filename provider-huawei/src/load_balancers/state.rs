//! What the caller is told.

use cloud_provider_api::v1;
use provider_kit::load_balancers::{self, Progress};

use super::handle::Handle;
use crate::{api::elb::LoadBalancer, plan::Note};

/// The ways in. A public address takes the place of the virtual one.
pub(super) fn ingress(lb: &LoadBalancer, proxy: bool) -> Vec<v1::Ingress> {
    let ip_mode = if proxy { v1::IpMode::Proxy } else { v1::IpMode::Vip };
    let public = lb.eip().map(|eip| eip.eip_address.as_str()).filter(|address| !address.is_empty());
    [public.unwrap_or(&lb.vip_address), &lb.ipv6_vip_address]
        .into_iter()
        .filter(|ip| !ip.is_empty())
        .map(|ip| v1::Ingress { ip: ip.to_owned(), ip_mode: ip_mode.into(), ..v1::Ingress::default() })
        .collect()
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
