//! Whether a load balancer or listener that carries no mark was made for this Service by the Go provider.
//!
//! The Go provider's names hold neither cluster id nor UID, and clusters are nearly all called `kubernetes`. So a name proves
//! nothing by itself: a member of this Service, at its node's address and node port, does.

use cloud_provider_api::error::Reason;

use super::{
    Refusal,
    owner::{Claim, Owner},
    seen::Balancer,
    wanted::{Wanted, WantedMember, WantedPort},
};
use crate::api::elb::{Listener, Member};

/// The value of `kubernetes.io/elb.adopt` that disowns.
pub const NONE: &str = "none";

/// Whose an unmarked load balancer of the Go provider's name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This Service's.
    Ours,
    /// Another's.
    Foreign,
    /// Nobody can tell.
    Unclear,
}

/// Judges by what a person declares, else by the members.
pub fn judge(balancer: &Balancer, wanted: &Wanted) -> Verdict {
    let lb = &balancer.lb;
    match wanted.adopt.as_deref() {
        Some(NONE) => return Verdict::Foreign,
        Some(id) => return if id == lb.id { Verdict::Ours } else { Verdict::Foreign },
        None => {}
    }
    // Private addresses repeat between VPCs.
    if wanted.vpc.as_ref().is_some_and(|vpc| !lb.vpc_id.is_empty() && *vpc != lb.vpc_id) {
        return Verdict::Foreign;
    }
    let mut members = balancer.members.values().flatten().peekable();
    let known = wanted.ports.iter().any(|port| !port.members.is_empty());
    if members.peek().is_none() || !known {
        return Verdict::Unclear;
    }
    let ours = members.any(|member| wanted.ports.iter().any(|port| is_among(member, &port.members)));
    if ours { Verdict::Ours } else { Verdict::Foreign }
}

/// What to tell about one that is unclear.
pub fn unclear(balancer: &Balancer) -> Refusal {
    let lb = &balancer.lb;
    let message = format!(
        "load balancer {} ({}) has the name the Go provider would have given, and nothing on it shows whose it is: if it is this \
         Service's, set the annotation kubernetes.io/elb.adopt to {}, else to none",
        lb.id, lb.name, lb.id
    );
    Refusal::new(Reason::NotOurs, message)
}

/// Whether a listener at this port may be taken for ours.
pub fn owns_listener(balancer: &Balancer, listener: &Listener, owner: &Owner, port: &WantedPort) -> bool {
    match owner.claim(&listener.description) {
        Claim::Ours => true,
        Claim::Other(_) => false,
        Claim::Unmarked if !owner.is_go_listener_name(&listener.name, &listener.protocol, port.key) => false,
        Claim::Unmarked if balancer.owned => true,
        // On the user's load balancer a Service of the same name in another namespace may have made it.
        Claim::Unmarked => {
            let pool = balancer.pool_of(listener).map(|pool| balancer.members_of(&pool.id)).unwrap_or_default();
            pool.iter().any(|member| is_among(member, &port.members))
        }
    }
}

fn is_among(member: &Member, wanted: &[WantedMember]) -> bool {
    wanted.iter().any(|other| other.address == member.address && other.port == member.protocol_port)
}
