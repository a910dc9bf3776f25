//! What the caller is told.

use cloud_provider_api::v1::{self, load_balancer_state::Phase};

use super::{apply::Progress, handle::Handle};
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
    v1::LoadBalancerState {
        phase: Some(Phase::Ready(v1::Ready { ingress, spec_hash })),
        handle: handle.write(),
        notices: notes.into_iter().map(Into::into).collect(),
    }
}

pub(super) fn waiting(progress: Progress, handle: &Handle) -> v1::LoadBalancerState {
    v1::LoadBalancerState {
        phase: Some(Phase::InProgress(in_progress(progress))),
        handle: handle.write(),
        notices: Vec::new(),
    }
}

pub(super) fn in_progress(progress: Progress) -> v1::InProgress {
    let (after, message) = match progress {
        Progress::Done => (super::apply::POLL, String::new()),
        Progress::Wait { after, what } => (after, what),
    };
    v1::InProgress { poll_after: after.try_into().ok(), message }
}
