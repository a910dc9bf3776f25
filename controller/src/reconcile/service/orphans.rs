//! The search for load balancers that no Service accounts for. They are told of and left alone.

use std::{collections::BTreeMap, sync::Arc};

use controller_core::{
    names::event_source,
    provider::{Capability, OwnedLoadBalancer},
    service::orphans::{Orphan, orphans},
    tenancy::noted_tenant,
    view::Service,
};

use super::{Shared, jittered, lane::Lane};
use crate::kube::events::ObjectRef;

impl Shared {
    /// Searches every provider, again and again.
    pub(super) async fn audit_orphans(self: Arc<Self>) {
        let period = self.context.config.service.audit_period;
        let pause = || tokio::time::sleep(jittered(period));
        while self.context.stop.run_until_cancelled(pause()).await.is_some() {
            for lane in self.lanes.all() {
                if self.context.stop.run_until_cancelled(self.audit(lane)).await.is_none() {
                    return;
                }
            }
        }
    }

    async fn audit(&self, lane: &Lane) {
        let Some(info) = lane.provider.info().filter(|info| info.can(Capability::LoadBalancerList)) else { return };
        let mut owned = Vec::new();
        // Also those no namespace has any more: theirs is what nobody looks after.
        for tenant in info.tenants.iter().map(String::as_str).chain([""]) {
            match lane.provider.list_load_balancers(tenant).await {
                Ok(some) => owned.extend(some),
                Err(fault) => return tracing::warn!(%fault, tenant, "orphaned load balancers not looked for"),
            }
        }
        // Read after the list: a Service made meanwhile is no reason for alarm.
        let services = self.context.services.list();
        let by_uid: BTreeMap<&str, &Service> =
            services.iter().map(|service| (service.uid.as_str(), &**service)).collect();
        let tenants = self.context.tenants.current();
        let tenant_of =
            |service: &Service| noted_tenant(service).or(tenants.of(&service.namespace)).map(ToOwned::to_owned);
        let found = orphans(&owned, &by_uid, tenant_of);
        let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
        self.context.metrics.service.orphans.with([&info.name]).set(count);
        for orphan in &found {
            self.tell_orphan(&info.name, orphan);
        }
    }

    fn tell_orphan(&self, provider: &str, orphan: &Orphan<'_>) {
        let Orphan { load_balancer, because } = orphan;
        let OwnedLoadBalancer { namespace, name, uid, cloud_name, .. } = load_balancer;
        tracing::warn!(provider, namespace, name, uid, cloud_name, because, "orphaned load balancer");
        if namespace.is_empty() || name.is_empty() {
            return;
        }
        let object = ObjectRef {
            api_version: "v1".to_owned(),
            kind: "Service".to_owned(),
            namespace: namespace.clone(),
            name: name.clone(),
            uid: uid.clone(),
        };
        let text = format!(
            "Load balancer {cloud_name} of provider {provider} belongs to this Service, but {because}; remove it in the \
             cloud if its traffic is no longer wanted"
        );
        self.context.events.event(event_source::SERVICE, &object, true, "OrphanedLoadBalancer", &text);
    }
}
