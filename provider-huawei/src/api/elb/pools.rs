//! Pools, their members and health monitors.

use serde::{Deserialize, Serialize};

use super::Id;
use crate::api::nothing::or_default;

/// A pool.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Pool {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Free text.
    #[serde(deserialize_with = "or_default")]
    pub description: String,
    /// `TCP`, `UDP`, `HTTP` and more.
    #[serde(deserialize_with = "or_default")]
    pub protocol: String,
    /// How members are chosen.
    #[serde(deserialize_with = "or_default")]
    pub lb_algorithm: String,
    /// Its monitor. Empty: none.
    #[serde(deserialize_with = "or_default")]
    pub healthmonitor_id: String,
    /// Listeners that use it.
    #[serde(deserialize_with = "or_default")]
    pub listeners: Vec<Id>,
    /// Its members.
    #[serde(deserialize_with = "or_default")]
    pub members: Vec<Id>,
    /// Stickiness.
    pub session_persistence: Option<Persistence>,
}

/// Stickiness.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default)]
pub struct Persistence {
    /// `SOURCE_IP`, `HTTP_COOKIE` or `APP_COOKIE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Only with `APP_COOKIE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie_name: Option<String>,
    /// Minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence_timeout: Option<u32>,
}

/// A pool to make.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct NewPool {
    /// Its load balancer.
    pub loadbalancer_id: String,
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// See [`Pool::protocol`].
    pub protocol: String,
    /// How members are chosen.
    pub lb_algorithm: String,
    /// Stickiness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_persistence: Option<Persistence>,
}

/// What of a pool is changed.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct PoolChange {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How members are chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lb_algorithm: Option<String>,
    /// Stickiness; `Some(None)` ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_persistence: Option<Option<Persistence>>,
}

/// A member.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Where it is.
    #[serde(deserialize_with = "or_default")]
    pub address: String,
    /// Where it listens.
    #[serde(deserialize_with = "or_default")]
    pub protocol_port: u16,
    /// Its subnet. Empty: known by address alone.
    #[serde(deserialize_with = "or_default")]
    pub subnet_cidr_id: String,
    /// 0-100; 0 gets no new connections.
    pub weight: Option<u32>,
    /// `ONLINE`, `OFFLINE`, `NO_MONITOR`, `INITIAL`, `UNKNOWN`.
    #[serde(deserialize_with = "or_default")]
    pub operating_status: String,
}

/// A member to add.
#[derive(Clone, Debug, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct NewMember {
    /// Where it is.
    pub address: String,
    /// Where it listens.
    pub protocol_port: u16,
    /// Its subnet. `None`: by address alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet_cidr_id: Option<String>,
    /// 0-100.
    pub weight: u32,
    /// Its name.
    pub name: String,
}

/// What of a member is changed.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct MemberChange {
    /// Which.
    pub id: String,
    /// 0-100.
    pub weight: u32,
}

/// Which member goes.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct MemberRef {
    /// Its id.
    pub id: String,
}

/// What became of one member of a batch.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct MemberResult {
    /// Its id.
    #[serde(deserialize_with = "or_default")]
    pub id: String,
    /// Where it is.
    #[serde(deserialize_with = "or_default")]
    pub address: String,
    /// `successful`, `existed`, `not found`, else it failed.
    #[serde(deserialize_with = "or_default")]
    pub ret_status: String,
}

/// A health monitor.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Monitor {
    /// Its id.
    pub id: String,
    /// `TCP`, `UDP_CONNECT`, `HTTP` and more.
    #[serde(deserialize_with = "or_default", rename = "type")]
    pub kind: String,
    /// Seconds between checks.
    #[serde(deserialize_with = "or_default")]
    pub delay: u32,
    /// Seconds to wait.
    #[serde(deserialize_with = "or_default")]
    pub timeout: u32,
    /// Successes until a member is taken in.
    #[serde(deserialize_with = "or_default")]
    pub max_retries: u32,
    /// The port checked. `None`: the member's own.
    pub monitor_port: Option<u16>,
    /// What is asked for.
    #[serde(deserialize_with = "or_default")]
    pub url_path: String,
}

/// A health monitor to make.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct NewMonitor {
    /// Its pool.
    pub pool_id: String,
    /// See [`Monitor::kind`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Seconds between checks.
    pub delay: u32,
    /// Seconds to wait.
    pub timeout: u32,
    /// Successes until a member is taken in.
    pub max_retries: u32,
    /// The port checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor_port: Option<u16>,
    /// What is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_path: Option<String>,
}

/// What a health monitor is set to.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct MonitorChange {
    /// See [`Monitor::kind`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Seconds between checks.
    pub delay: u32,
    /// Seconds to wait.
    pub timeout: u32,
    /// Successes until a member is taken in.
    pub max_retries: u32,
    /// The port checked; `null`: the member's own.
    pub monitor_port: Option<u16>,
    /// What is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_path: Option<String>,
}
