//! What all simulated clouds have in common. A cloud is a description: services and their routes over a state; see [`Cloud`].

mod answer;
mod call;
mod clock;
mod cloud;
mod control;
mod faults;
mod halt;
mod journal;
mod knobs;
mod leases;
pub mod paging;
mod request;
mod server;
mod service;
mod simulator;
mod table;
mod throttle;
mod tls;
mod traffic;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use answer::{Answer, Problem, Reply};
pub use call::{Call, Caller};
pub use clock::{Clock, earlier, later};
pub use cloud::{Cloud, Place};
pub use faults::{Effect, Match, Rule, RuleInForce};
pub use halt::{HaltState, LastAnswer, each_kill};
pub use journal::CallRecord;
pub use knobs::{Change, Knobs, Limits, Rate};
pub use leases::Leases;
pub use request::Request;
pub use server::{Running, Settings};
pub use service::{Handler, Refuse, Route, Service};
pub use simulator::{Connections, Simulator};
pub use table::Table;
pub use traffic::{Frontend, Probe, Sources, by_weight};

/// How listings look to a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listing {
    /// The moment they show.
    pub(crate) as_of: Timestamp,
    /// How many objects are left, when a fault cuts them short.
    pub(crate) keep: Option<usize>,
}

/// What a call is bound for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The service.
    pub service: &'a str,
    /// Parameters of the path.
    pub parameters: &'a BTreeMap<&'static str, String>,
}
