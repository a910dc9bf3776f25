//! Account profiles: whose credentials, project and VPC a call is made with.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use cloud_provider_api::error::Reason;
use cloud_rest::TransportError;
use provider_kit::{
    Call, Caller, Error, Kit, Profiles, Result, Tenant,
    inventory::Inventory,
    rest::{self, CloudConditions},
};

use crate::{
    api::ecs::AllServers,
    cloud::{Cloud, Surroundings},
    config::Config,
    fault,
    load_balancers::Memory,
    nodes::security_group::Tracker,
    options::Options,
    service::RouteTables,
    setup::Setup,
};

/// What is waited after a project could not be looked up.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(5);

/// One account profile at work.
pub(crate) struct Account {
    /// Makes the calls.
    pub(crate) cloud: Cloud,
    /// Its servers.
    pub(crate) inventory: Inventory<AllServers>,
    /// Which of them are in the nodes' security group.
    pub(crate) node_groups: Mutex<Tracker>,
    /// What is remembered about its load balancers.
    pub(crate) load_balancers: Memory,
    /// Its route table.
    pub(crate) tables: RouteTables,
    /// Its project, once it is known.
    project: OnceLock<Arc<str>>,
}

/// All account profiles.
pub(crate) struct Accounts {
    profiles: Profiles<Account>,
    /// Defaults of load balancers.
    pub(crate) options: Options,
}

impl Account {
    fn new(name: &str, config: Config, surroundings: &Surroundings) -> Result<Self, TransportError> {
        let project = config.project_id.as_deref().map(Arc::from).map_or_else(OnceLock::new, OnceLock::from);
        let cloud = Cloud::with(name, config, surroundings)?;
        Ok(Self {
            inventory: Inventory::new(AllServers(cloud.clone())),
            node_groups: Mutex::default(),
            load_balancers: Memory::default(),
            tables: RouteTables::default(),
            cloud,
            project,
        })
    }

    /// What the daemon says of the account's cloud and keys.
    pub(crate) fn conditions(&self, kit: &Kit) -> CloudConditions {
        CloudConditions::new(kit, self.cloud.account(), self.cloud.client())
    }

    /// The project's id, which the API calls the account.
    pub(crate) fn project(&self) -> Result<Arc<str>> {
        self.project.get().cloned().ok_or_else(|| {
            let message = format!(
                "the project of region {} is not known yet: it is being looked up; project-id in the cloud configuration makes \
                 that needless",
                self.cloud.region()
            );
            Error::new(Reason::Starting, message).retry_after(LOOK_UP_AGAIN)
        })
    }

    /// Looks the project up if it is not configured.
    async fn learn_project(&self) -> Result<()> {
        let project = self.cloud.project_id().await.map_err(|error| fault::of(&error))?;
        let _ = self.project.set(project);
        Ok(())
    }

    /// The cloud, working for a caller on something.
    pub(crate) fn acting_for(&self, call: &Call, key: &str) -> Cloud {
        self.cloud.on_behalf_of(rest::actor(call, key))
    }

    /// The cloud, working for a tenant of a caller's on something.
    pub(crate) fn acting_for_tenant(&self, call: &Call, tenant: &Tenant, key: &str) -> Cloud {
        self.cloud.on_behalf_of(rest::actor_for(call, tenant, key))
    }
}

impl Accounts {
    /// Puts them together; nothing is called yet. The faults are of connections: CA files, proxies.
    pub(crate) fn new(setup: &Setup, surroundings: &Surroundings) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let profiles = setup.accounts.try_map(|name, config| {
            Account::new(name, config.clone(), surroundings).map_err(|error| faults.push(error.to_string())).ok()
        });
        profiles.map(|profiles| Self { profiles, options: setup.options.clone() }).ok_or(faults)
    }

    /// The profile a tenant uses. That the caller may use it is checked already.
    pub(crate) fn of(&self, tenant: &Tenant) -> Result<&Arc<Account>> {
        self.profiles.of(tenant)
    }

    /// Those a caller may use: its own first, then the ones it may name. Names without a profile are left out.
    pub(crate) fn for_caller(&self, caller: &Caller) -> Result<Vec<&Arc<Account>>> {
        self.profiles.for_caller(caller)
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.profiles.all()
    }

    /// Follows the keys of all of them until the daemon drains.
    pub(crate) async fn follow_keys(&self, kit: &Kit) {
        let _watches: Vec<_> = self.all().filter_map(|account| account.cloud.follow_keys()).collect();
        kit.draining().cancelled().await;
    }

    /// Looks up the projects that are not configured, until all are known. The daemon is ready when the default one is.
    pub(crate) async fn learn_projects(&self, kit: &Kit) {
        loop {
            let mut unknown = false;
            for account in self.all().filter(|account| account.project.get().is_none()) {
                let Err(error) = account.learn_project().await else { continue };
                unknown = true;
                tracing::warn!(account = account.cloud.account(), %error, "the project is not known");
            }
            let why = self.profiles.default().project().err().map(|error| error.message().to_owned());
            kit.set_starting(why);
            if !unknown {
                return;
            }
            tokio::time::sleep(LOOK_UP_AGAIN).await;
        }
    }
}
