//! Who calls, and what it may do.

use std::{fmt, sync::Arc, time::Duration};

use cloud_provider_api::{error::Reason, v1::Cluster};
use provider_hop::{PeerIdentity, propagate::RequestId, tls::San};
use tokio::time::Instant;
use tonic::Request;

use crate::{
    access::Rule,
    class::Class,
    error::{Error, Result},
    tenancy::Tenant,
};

/// One name a caller can be known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// A user of this machine.
    Uid(u32),
    /// The holder of a certificate with this name.
    San(San),
    /// Anybody on this machine: plaintext on loopback, for development.
    InsecureLoopback,
}

impl Identity {
    /// The names a peer has: several when its certificate has.
    pub fn of(peer: &PeerIdentity) -> Vec<Self> {
        match peer {
            PeerIdentity::Uid { uid, .. } => vec![Self::Uid(*uid)],
            PeerIdentity::San(names) => names.iter().cloned().map(Self::San).collect(),
            PeerIdentity::InsecureLoopback => vec![Self::InsecureLoopback],
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "uid:{uid}"),
            Self::San(name) => write!(f, "san:{name}"),
            Self::InsecureLoopback => f.write_str("insecure-loopback"),
        }
    }
}

/// A caller that was let in, with what it may do.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(crate) identity: Identity,
    pub(crate) rule: Arc<Rule>,
}

impl Caller {
    /// The name it was let in by.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether it may call methods of a class: for work beside the call itself, which its own class does not cover.
    pub fn may(&self, class: Class) -> bool {
        self.rule.classes.contains(&class)
    }

    /// The tenants it may name, for `HandshakeResponse.tenants`.
    pub fn tenants(&self) -> Vec<String> {
        self.rule.tenants.iter().map(|tenant| tenant.name.clone()).collect()
    }

    /// The tenant behind a request's `tenant`; empty is the caller's own.
    pub fn tenant(&self, named: &str) -> Result<&Arc<Tenant>> {
        if named.is_empty() {
            return Ok(&self.rule.default_tenant);
        }
        self.rule.tenants.iter().find(|tenant| tenant.name == named).ok_or_else(|| {
            Error::new(
                Reason::TenantNotAllowed,
                format!("{self} may not use tenant {named:?}; the daemon's access file says which callers may"),
            )
        })
    }

    /// Checks a request's cluster: it has to be well-formed, and one the caller speaks for.
    pub fn cluster<'a>(&self, named: Option<&'a Cluster>) -> Result<&'a Cluster> {
        let cluster = named.ok_or_else(|| Error::field("cluster", "is missing"))?;
        let well_formed = (1..=63).contains(&cluster.id.len())
            && cluster.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !well_formed {
            return Err(Error::field("cluster.id", "must be 1 to 63 of a-z, 0-9 and -"));
        }
        if !(1..=253).contains(&cluster.name.len()) {
            return Err(Error::field("cluster.name", "must have 1 to 253 bytes"));
        }
        if self.rule.clusters.is_empty() || self.rule.clusters.contains(&cluster.id) {
            return Ok(cluster);
        }
        Err(Error::new(
            Reason::TenantNotAllowed,
            format!("{self} does not speak for cluster {:?}; the daemon's access file says who does", cluster.id),
        ))
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identity.fmt(f)
    }
}

/// When a call has to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// After this much time.
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// The moment.
    pub fn at(self) -> Instant {
        self.0
    }

    /// How long is left, less a margin for the answer to get back; zero when nothing is.
    pub fn remaining(self, margin: Duration) -> Duration {
        self.0.saturating_duration_since(Instant::now()).saturating_sub(margin)
    }
}

/// What is known about a call besides its message. In the request's extensions.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who makes it.
    pub caller: Caller,
    /// Joins the logs of both ends.
    pub request_id: RequestId,
    /// When it has to be answered. `None`: health and reflection, which need none.
    pub deadline: Option<Deadline>,
}

impl Call {
    /// Of a request that came through the daemon's gate.
    pub fn of<T>(request: &Request<T>) -> Result<&Self> {
        request
            .extensions()
            .get::<Self>()
            .ok_or_else(|| Error::new(Reason::PeerUnidentified, "the call did not come through the daemon's gate"))
    }
}
