//! Elastic Load Balance. v3 serves both kinds of load balancer but for one thing: a shared one is made through v2. An installation
//! without v3 has shared ones only, through v2 alone.

mod calls;
mod listeners;
mod load_balancers;
mod pools;
mod v2;

use serde::{Deserialize, Serialize};

pub(super) use self::calls::TagsBody;
pub use self::{
    listeners::{IpGroup, IpGroupRef, IpRange, Listener, ListenerChange, NewIpGroup, NewListener},
    load_balancers::{
        Bandwidth, BoundEip, LoadBalancer, LoadBalancerChange, NewLoadBalancer, NewPublicIp, NewSharedLoadBalancer, Tag,
    },
    pools::{
        Member, MemberChange, MemberRef, MemberResult, Monitor, MonitorChange, NewMember, NewMonitor, NewPool,
        Persistence, Pool, PoolChange,
    },
};

/// A reference to another object.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct Id {
    /// Its id.
    pub id: String,
}

/// Most members of one batch call.
pub const BATCH: usize = 200;
