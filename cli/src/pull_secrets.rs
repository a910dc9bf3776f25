//! Pull secrets: what logins they hold, what has to become of them when a registry's user changes, and how that is done in a cluster.

mod cluster;
mod docker_config;
mod plan;

pub(crate) use self::{
    cluster::{Change, post},
    plan::{held_by, namespaces_of},
};
pub use self::{
    cluster::{Cluster, Scope},
    docker_config::{DockerConfig, Format, Held, host},
    plan::{Account, Blocked, Plan, PullSecret, Rewrite, Successor, Use, Wish, plan},
};
