//! What the facade is told once, at start.

use std::{collections::BTreeMap, time::Duration};

use controller_core::{provider::Account, selector::Selector};

use crate::kube::lease::Standing;

/// What the facade is told once, for all providers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cluster on whose behalf calls are made.
    pub cluster: Cluster,
    /// Name of the provider of Services without a class; `None`: the first endpoint's.
    pub default_provider: Option<String>,
    /// Which provider a `loadBalancerClass` belongs to. `ccm.cloudprovider.io/<provider>` needs no entry.
    pub classes: BTreeMap<String, String>,
    /// The accounts and regions that may be served. A provider that serves another is not used. Empty: any.
    pub accounts: Vec<Account>,
    /// Which nodes are a provider's, by its name. One without an entry takes all whose providerID has a scheme of its own.
    pub node_selectors: BTreeMap<String, Selector>,
    /// How long an answer may take.
    pub deadlines: Deadlines,
    /// Nothing is written while this does not lead; `None`: there is no leader election.
    pub standing: Option<Standing>,
}

/// The cluster on whose behalf calls are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Part of the key of every cloud object: 1-63 bytes of `[a-z0-9-]`, never changed.
    pub id: String,
    /// `--cluster-name`: for people, never a key by itself.
    pub name: String,
}

/// How long an answer may take, by the kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Handshake, status, health: answered from memory.
    pub status: Duration,
    /// Look-ups.
    pub read: Duration,
    /// One page of a listing.
    pub page: Duration,
    /// Whatever changes the cloud.
    pub write: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            status: Duration::from_secs(3),
            read: Duration::from_secs(15),
            page: Duration::from_secs(30),
            write: Duration::from_secs(30),
        }
    }
}
