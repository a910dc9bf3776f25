//! A provider: a cloud, the rules in force, and the services that answer for them.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use cloud_provider_api::v1::Capability;
use provider_kit::{Kit, Writes};

use crate::{
    calls::{CallCounts, Calls},
    cloud::Cloud,
    rules::Rules,
    scenario::{Rule, RuleCount, Scenario},
    service::{RegistryUsers, StaleAnswers},
};

/// A provider that can be told to fail, delay and lie. Clones are handles to the same one.
#[derive(Clone)]
pub struct MockProvider(Arc<Shared>);

struct Shared {
    cloud: Cloud,
    rules: Rules,
    calls: Calls,
    stale: StaleAnswers,
    writes: Writes,
    registry_users: RegistryUsers,
    epoch: RwLock<String>,
    /// Of the daemon that serves it.
    kit: OnceLock<Kit>,
    crash: Box<dyn Fn() + Send + Sync>,
}

impl MockProvider {
    /// A provider with a cloud in memory that carries no traffic.
    pub fn new(scenario: Scenario) -> Self {
        Self::with_cloud(Cloud::in_memory(scenario))
    }

    /// A provider for a cloud. A `crash` effect ends the process.
    pub fn with_cloud(cloud: Cloud) -> Self {
        Self::with_crash(cloud, || std::process::abort())
    }

    /// A provider for a cloud, with something else to do for a `crash` effect; the call that crashes is never answered.
    pub fn with_crash(cloud: Cloud, crash: impl Fn() + Send + Sync + 'static) -> Self {
        let rules = Rules::default();
        rules.set(cloud.scenario().rules.clone(), cloud.now());
        Self(Arc::new(Shared {
            cloud,
            rules,
            calls: Calls::default(),
            stale: StaleAnswers::default(),
            writes: Writes::default(),
            kit: OnceLock::new(),
            registry_users: RegistryUsers::default(),
            epoch: RwLock::new(new_epoch()),
            crash: Box::new(crash),
        }))
    }

    /// The cloud behind it.
    pub fn cloud(&self) -> &Cloud {
        &self.0.cloud
    }

    /// Goes by another scenario from now on, its rules included.
    pub fn set_scenario(&self, scenario: Scenario) {
        self.set_rules(scenario.rules.clone());
        self.0.cloud.set_scenario(scenario);
    }

    /// Puts other rules in force; their counts begin anew. The rest of the scenario stays.
    pub fn set_rules(&self, rules: Vec<Rule>) {
        self.0.stale.clear();
        self.0.rules.set(rules, self.0.cloud.now());
    }

    /// How often each rule was looked at and hit.
    pub fn rule_counts(&self) -> Vec<RuleCount> {
        self.0.rules.counts()
    }

    /// How often each method was called, by code. A call the caller gave up counts as CANCELLED.
    pub fn calls(&self) -> CallCounts {
        self.0.calls.counts()
    }

    /// How often a method was called.
    pub fn calls_of(&self, method: &str) -> u64 {
        self.calls().get(method).map(|codes| codes.values().sum()).unwrap_or_default()
    }

    /// Begins to count calls anew.
    pub fn reset_calls(&self) {
        self.0.calls.reset();
    }

    /// The epoch: new at each start, and when a rule or a caller of [`renew_epoch`](Self::renew_epoch) says so.
    pub fn epoch(&self) -> String {
        if let Some(kit) = self.0.kit.get() {
            return kit.epoch().to_string();
        }
        self.0.epoch.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a new epoch, as if the daemon had started anew.
    pub fn renew_epoch(&self) {
        if let Some(kit) = self.0.kit.get() {
            return kit.renew_epoch();
        }
        *self.0.epoch.write().unwrap_or_else(PoisonError::into_inner) = new_epoch();
    }

    /// What it announces.
    pub fn capabilities(&self) -> Vec<Capability> {
        capabilities(&self.0.cloud.scenario())
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.0.rules
    }

    pub(crate) fn counters(&self) -> &Calls {
        &self.0.calls
    }

    pub(crate) fn stale(&self) -> &StaleAnswers {
        &self.0.stale
    }

    /// Takes over the epoch and the writes of the daemon that serves it; the first one's.
    pub(crate) fn attach(&self, kit: Kit) {
        let _ = self.0.kit.set(kit);
    }

    /// Where everything that changes the cloud for a caller runs.
    pub(crate) fn writes(&self) -> &Writes {
        self.0.kit.get().map_or(&self.0.writes, Kit::writes)
    }

    pub(crate) fn registry_users(&self) -> &RegistryUsers {
        &self.0.registry_users
    }

    pub(crate) fn crash(&self) {
        (self.0.crash)();
    }
}

impl std::fmt::Debug for MockProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MockProvider").finish_non_exhaustive()
    }
}

/// What a scenario makes the provider announce.
pub(crate) fn capabilities(scenario: &Scenario) -> Vec<Capability> {
    if let Some(capabilities) = &scenario.provider.capabilities {
        return capabilities.clone();
    }
    let mut capabilities = vec![
        Capability::Instances,
        Capability::InstanceWatch,
        Capability::LoadBalancers,
        Capability::LoadBalancerPlan,
        Capability::LoadBalancerList,
        Capability::MemberDrain,
        Capability::Routes,
    ];
    if scenario.clusters.is_some() {
        capabilities.push(Capability::Clusters);
    }
    if scenario.registries.is_some() {
        capabilities.push(Capability::Registries);
    }
    if !scenario.tenants.is_empty() {
        capabilities.push(Capability::Tenants);
    }
    capabilities
}

fn new_epoch() -> String {
    format!("{:032x}", rand::random::<u128>())
}
