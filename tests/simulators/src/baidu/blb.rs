//! Load balancers: BLB, whose backends are its own, and AppBLB, whose backends are in groups. They share what is in front.

pub mod backends;
pub mod checks;
mod edge;
pub mod fields;
mod front;
pub mod groups;
pub mod ip_groups;
pub mod listeners;
pub mod policies;
mod traffic;
mod tree;

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::Serialize;

pub use self::{
    backends::Backend, checks::Check, groups::ServerGroup, ip_groups::IpGroup, listeners::Listener, policies::Policy,
};
use super::{
    State,
    calls::{C, Tag},
    errors::{self, busy, no_such},
};
use crate::engine::{Problem, Service, later};

/// The delay a load balancer is made with, as the knobs name it.
pub(super) const CREATION: &str = "blb.create";
/// That of every change.
pub(super) const CHANGE: &str = "blb.change";

/// Which of the two a load balancer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// BLB.
    Layer4,
    /// AppBLB.
    App,
    /// AppBLB at the edge, which has groups of addresses alone.
    Edge,
}

/// A load balancer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blb {
    /// Its id.
    pub blb_id: String,
    /// Its account.
    pub account: String,
    /// Which of the two it is.
    pub kind: Kind,
    /// Its name; others may have it, too.
    pub name: String,
    /// For people, and for programs that know their own by it.
    pub desc: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Its subnet.
    pub subnet_id: String,
    /// Its address in there.
    pub address: Ipv4Addr,
    /// Its IPv6 address.
    pub ipv6: Option<String>,
    /// Tags.
    pub tags: Vec<Tag>,
    /// Whether it can be deleted.
    pub allow_delete: bool,
    /// Its size, such as `small1`; empty when it is paid for by use.
    pub performance_level: String,
    /// `Prepaid` or `Postpaid`.
    pub payment_timing: String,
    /// Until when it is being made.
    pub ready_at: Timestamp,
    /// Until when a change of it is under way.
    pub busy_until: Timestamp,
    /// Where at the edge it is.
    pub region_id: Option<String>,
    /// Its address outside, when that comes with it.
    pub public_address: Option<Ipv4Addr>,
    /// Puts it out of use: `paused` and `unavailable` are such.
    pub stuck: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Its listeners, oldest first.
    pub listeners: Vec<Listener>,
    /// Machines that all its listeners send to, when it is a BLB.
    pub backends: Vec<Backend>,
    /// Groups of machines, when it is an AppBLB.
    pub groups: Vec<ServerGroup>,
    /// Groups of addresses, when it is an AppBLB.
    pub ip_groups: Vec<IpGroup>,
    /// Which listener sends to which group, when it is an AppBLB.
    pub policies: Vec<Policy>,
}

impl Blb {
    /// Its state, as the API has it.
    pub fn status(&self, now: Timestamp) -> &str {
        match &self.stuck {
            Some(stuck) => stuck,
            None if self.ready_at > now => "creating",
            None if self.busy_until > now => "updating",
            None => "available",
        }
    }

    /// That it can be changed now.
    pub(super) fn settled(&self, now: Timestamp) -> Result<(), Problem> {
        match self.status(now) {
            "available" => Ok(()),
            status if self.stuck.is_some() => {
                let message = format!("The BLB {} is {status}.", self.blb_id);
                Err(Problem::refused(409, "OperationNotAvailable", message))
            }
            status => Err(busy("BLB", &self.blb_id, status)),
        }
    }
}

/// Which of them a call is about.
trait Front {
    const KIND: Kind;
    /// The path of all of them.
    const ROOT: &'static str;

    /// A path below that, to make a route of: routes last as long as the process.
    fn path(rest: &str) -> &'static str {
        format!("{}{rest}", Self::ROOT).leak()
    }
}

/// Calls about BLBs.
struct Layer4;
/// Calls about AppBLBs.
struct App;
/// Calls about AppBLBs at the edge.
struct AtEdge;

impl Front for Layer4 {
    const KIND: Kind = Kind::Layer4;
    const ROOT: &'static str = "/v1/blb";
}

impl Front for App {
    const KIND: Kind = Kind::App;
    const ROOT: &'static str = "/v1/appblb";
}

impl Front for AtEdge {
    const KIND: Kind = Kind::Edge;
    const ROOT: &'static str = "/v2/appblb";
}

/// The load balancer that the path names, as it is.
fn named<'c, F: Front>(call: &'c C<'_>) -> Result<&'c Blb, Problem> {
    let id = call.parameter("id");
    let own = |blb: &&Blb| blb.account == call.account() && blb.kind == F::KIND;
    call.state.blbs.get(id).filter(own).ok_or_else(|| no_such("BLB", id))
}

/// The same, as listings of its parts see it.
fn listed<'c, F: Front>(call: &'c C<'_>) -> Result<&'c Blb, Problem> {
    let now = named::<F>(call)?;
    Ok(call.seen(&call.state.blbs, &now.blb_id).unwrap_or(now))
}

/// Changes the load balancer that the path names, if that can be done now.
fn change<F: Front, R>(call: &mut C<'_>, alter: impl FnOnce(&mut Blb) -> Result<R, Problem>) -> Result<R, Problem> {
    let mut blb = named::<F>(call)?.clone();
    blb.settled(call.now)?;
    let result = alter(&mut blb)?;
    blb.busy_until = later(call.now, call.delay(CHANGE));
    let id = blb.blb_id.clone();
    if let Some(place) = call.state.blbs.change(call.now, &id) {
        *place = blb;
    }
    Ok(result)
}

pub(super) fn services() -> [Service<State>; 2] {
    let layer4 = front::routes::<Layer4>(Service::new("blb", errors::common));
    let layer4 = backends::routes(listeners::routes::<Layer4>(layer4));
    let app = front::routes::<App>(Service::new("appblb", errors::common));
    let app = groups::routes(listeners::routes::<App>(app));
    let app = policies::routes::<App>(ip_groups::routes::<App>(app));
    [layer4, app].map(|service| service.on(&["blb", "internal-api"]))
}

/// AppBLBs at the edge.
pub(super) fn at_edge() -> Service<State> {
    let service = edge::routes(Service::new("bec", errors::common));
    let service = listeners::routes::<AtEdge>(service);
    policies::routes::<AtEdge>(ip_groups::routes::<AtEdge>(service))
}
