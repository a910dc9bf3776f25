//! Several providers at once: whose node, whose Service.
//!
//! Nodes are claimed by the scheme of their providerID, Services by their class. Ownership goes by what a provider last
//! said of itself, so that one that is away keeps its objects, and nobody else's controller logic touches them.

use std::{collections::BTreeSet, sync::Arc};

use controller_core::{
    names::CLASS_PREFIX,
    provider::Capability,
    view::{Node, Service},
};

use tokio_util::sync::CancellationToken;

use super::{Info, Metrics, Provider, Remote, Settings, Status, claims};

/// Who looks after a node.
#[derive(Clone, Debug)]
pub enum NodeOwner {
    /// This provider owns the scheme of its providerID, and no selector speaks against it.
    One(Provider),
    /// It has no providerID yet: whoever finds its machine. In the order of the command line, without those that never
    /// shook hands; never empty.
    Ask(Vec<Provider>),
    /// Nobody we know. It gets no write from us.
    Foreign,
    /// A provider has never shaken hands, so whose it is is not known yet.
    Waiting,
}

/// Who looks after a Service.
#[derive(Clone, Debug)]
pub enum ServiceOwner {
    /// This provider.
    One(Provider),
    /// Its class belongs to another controller, or its provider has no load balancers.
    NotOurs,
    /// A provider has never shaken hands, so whose it is is not known yet.
    Waiting,
}

/// All providers of this controller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Providers(Arc<Registry>);

#[derive(Debug)]
struct Registry {
    providers: Vec<Provider>,
    settings: Arc<Settings>,
}

impl Providers {
    /// Keeps a connection to each of `remotes` until `stop`. Returns at once: nothing waits for a provider.
    pub fn start(remotes: Vec<Remote>, settings: &Settings, metrics: &Metrics, stop: &CancellationToken) -> Self {
        let settings = Arc::new(settings.clone());
        let start = |remote| Provider::start(remote, settings.clone(), metrics.clone(), stop.clone());
        let providers = remotes.into_iter().map(start).collect();
        let this = Self(Arc::new(Registry { providers, settings }));
        tokio::spawn(claims::watch(this.clone(), stop.clone()));
        this
    }

    /// Every provider, in the order of the command line.
    pub fn all(&self) -> &[Provider] {
        &self.0.providers
    }

    /// Waits until some provider has said that it can do this.
    pub async fn until_one_can(&self, capability: Capability) {
        let can = |status: &Status| status.info().is_some_and(|info| info.can(capability));
        let one = async |provider: &Provider| {
            let mut status = provider.status();
            // Its sender lives as long as the provider.
            if status.wait_for(can).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        futures::future::select_all(self.all().iter().map(|provider| Box::pin(one(provider)))).await;
    }

    /// Who looks after this node.
    pub fn for_node(&self, node: &Node) -> NodeOwner {
        let known = self.known();
        let Some(scheme) = node.provider_id_scheme() else {
            let asked: Vec<Provider> = known
                .iter()
                .filter(|(provider, info)| info.can(Capability::Instances) && provider.selects(node))
                .map(|(provider, _)| (*provider).clone())
                .collect();
            return match asked.is_empty() {
                false => NodeOwner::Ask(asked),
                true if self.complete(&known) => NodeOwner::Foreign,
                true => NodeOwner::Waiting,
            };
        };
        let mut owners = known
            .iter()
            .filter(|(provider, info)| info.schemes.iter().any(|owned| owned == scheme) && provider.selects(node));
        match (owners.next(), owners.next()) {
            (Some((provider, info)), None) if info.can(Capability::Instances) => NodeOwner::One((*provider).clone()),
            // The owner has no machines; or there are two, and neither may act on what may be the other's.
            (Some(_), _) => NodeOwner::Foreign,
            (None, _) if self.complete(&known) => NodeOwner::Foreign,
            (None, _) => NodeOwner::Waiting,
        }
    }

    /// Who looks after this Service. Goes by its class alone; whether it wants a load balancer is the caller's to know.
    pub fn for_service(&self, service: &Service) -> ServiceOwner {
        let name = match &service.load_balancer_class {
            None => match &self.0.settings.default_provider {
                Some(name) => name.as_str(),
                None => return self.first(),
            },
            Some(class) => match self.0.settings.classes.get(class) {
                Some(name) => name.as_str(),
                None => match class.strip_prefix(CLASS_PREFIX) {
                    Some(name) => name,
                    None => return ServiceOwner::NotOurs,
                },
            },
        };
        let known = self.known();
        let mut named = known.iter().filter(|(_, info)| info.name == name);
        match (named.next(), named.next()) {
            (Some((provider, info)), None) => Self::with_load_balancers(provider, info),
            // Two daemons of one name: a load balancer of the one would be made again by the other.
            (Some(_), Some(_)) => ServiceOwner::NotOurs,
            (None, _) if self.complete(&known) => ServiceOwner::NotOurs,
            (None, _) => ServiceOwner::Waiting,
        }
    }

    fn first(&self) -> ServiceOwner {
        let Some(provider) = self.0.providers.first() else { return ServiceOwner::NotOurs };
        let info = provider.0.status.borrow().info().cloned();
        match info {
            Some(info) => Self::with_load_balancers(provider, &info),
            None => ServiceOwner::Waiting,
        }
    }

    fn with_load_balancers(provider: &Provider, info: &Info) -> ServiceOwner {
        if info.can(Capability::LoadBalancers) { ServiceOwner::One(provider.clone()) } else { ServiceOwner::NotOurs }
    }

    /// The providers that ever shook hands, with what they said last.
    fn known(&self) -> Vec<(&Provider, Arc<Info>)> {
        self.0
            .providers
            .iter()
            .filter_map(|provider| Some((provider, provider.0.status.borrow().info().cloned()?)))
            .collect()
    }

    /// Whether every provider is among the known.
    fn complete(&self, known: &[(&Provider, Arc<Info>)]) -> bool {
        known.len() == self.0.providers.len()
    }

    /// What is wrong with the providers taken together.
    pub(super) fn complaints(&self) -> BTreeSet<String> {
        let known = self.known();
        let infos: Vec<(&Provider, &Info)> = known.iter().map(|(provider, info)| (*provider, &**info)).collect();
        claims::complaints(&infos, self.complete(&known), &self.0.settings)
    }
}

#[cfg(test)]
mod tests;
