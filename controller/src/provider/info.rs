//! What a provider said of itself in the handshake, and whether it can be asked.

use std::{collections::BTreeSet, sync::Arc};

use controller_core::{
    fault::Fault,
    provider::{Account, Capability},
    time::Timestamp,
};

/// What a provider said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// DNS-like name of the provider.
    pub name: String,
    /// Version of the daemon's build.
    pub version: String,
    /// Minor of the API both sides use.
    pub api_minor: u32,
    /// New at each start of the daemon.
    pub epoch: String,
    /// Schemes of providerIDs the provider owns, without `://`. The empty string stands for ids without a scheme.
    pub schemes: Vec<String>,
    /// Accounts and regions served; at least one.
    pub accounts: Vec<Account>,
    /// What the provider can do.
    pub capabilities: BTreeSet<Capability>,
    /// What it takes in one call.
    pub limits: Limits,
    /// Prefixes of the annotations it reads. Only those under one of them are sent to it.
    pub annotation_prefixes: Vec<String>,
    /// Annotations by which a Service picks the nodes that receive its traffic, with label selectors for values.
    pub node_selector_annotations: Vec<String>,
    /// Account profiles that may be named as tenant.
    pub tenants: Vec<String>,
}

impl Info {
    /// Whether the behaviour was announced.
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }
}

/// What a provider takes in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most nodes in one look-up; at least 1.
    pub instances: usize,
    /// Most routes in one creation or removal; at least 1.
    pub routes: usize,
    /// Most members of one load balancer; at least 1.
    pub members: usize,
    /// How many load balancer calls are useful at once; at least 1.
    pub load_balancer_concurrency: usize,
}

impl Default for Limits {
    /// The API's, for what a provider does not say.
    fn default() -> Self {
        Self { instances: 100, routes: 100, members: 5000, load_balancer_concurrency: 10 }
    }
}

/// Whether a provider can be asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// Not connected, no handshake, or not serving. Queues freeze.
    Away {
        /// Since when.
        since: Timestamp,
        /// Why; `None` when nothing has been tried yet.
        fault: Option<Fault>,
        /// What it said of itself before, if it ever did. Ownership goes by this, nothing else.
        last: Option<Arc<Info>>,
    },
    /// Connected, hand shaken and serving.
    Ready(Arc<Info>),
}

impl Status {
    /// What the provider said of itself, be it away or not.
    pub const fn info(&self) -> Option<&Arc<Info>> {
        match self {
            Self::Away { last, .. } => last.as_ref(),
            Self::Ready(info) => Some(info),
        }
    }
}

/// Something may have changed. A hint only causes a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// One machine. Either may be empty, not both.
    Changed {
        /// providerID of the machine.
        provider_id: String,
        /// Name of its Node.
        node_name: String,
    },
    /// Hints were lost: look at everything once.
    All,
}
