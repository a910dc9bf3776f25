//! What daemons whose clouds have load balancers share: the service around them, the words of plans, and what is remembered of
//! creations whose answer was lost.

mod creations;
mod hash;
mod port;
mod progress;
mod refusal;
mod service;

pub use self::{
    creations::{Creations, SETTLE},
    hash::{same_spec, with_unknown_members},
    port::{PortKey, port_key},
    progress::{Outcome, POLL, Progress, in_progress, ready, waiting},
    refusal::{Note, Refusal},
    service::{Balancers, Engine, LoadBalancerService, write_key},
};
