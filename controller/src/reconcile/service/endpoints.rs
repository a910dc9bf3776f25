//! The pods behind a Service, for providers that send to pods directly.

use std::sync::Arc;

use controller_core::{
    endpoint_set::EndpointSet,
    node_set::debounce::Debounces,
    provider::Capability,
    view::{EndpointSlice, Service},
};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Shared, lane::Lane};
use crate::{clock, kube::cache::Change, provider::Info};

impl Shared {
    /// The pods behind a Service, as far as the provider asks for them. `None`: they are not known yet, and to name none would
    /// take away those that are in the cloud.
    pub(super) fn endpoints(&self, service: &Service, info: &Info) -> Option<EndpointSet> {
        if !info.can(Capability::PodEndpoints) {
            return Some(EndpointSet::default());
        }
        let slices = &self.context.slices;
        let key = format!("{}/{}", service.namespace, service.name);
        let of_service = || EndpointSet::new(&service.ports, slices.in_group(&key).iter().map(|slice| &**slice));
        slices.is_synced().then(of_service)
    }

    /// Marks the Services whose pods change, bursts at a time.
    pub(super) async fn follow_endpoints(self: Arc<Self>) {
        let stop = self.context.stop.clone();
        if stop.run_until_cancelled(self.context.slices.wait_synced()).await.is_none() {
            return;
        }
        let mut changes = self.context.slices.subscribe();
        let mut debounces = Debounces::default();
        loop {
            let wait = debounces.due().map(|due| due.since(clock::now()));
            let given = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                more = self.gather_endpoints(&mut changes, &mut debounces) => if !more { return },
                () = given => {
                    for key in debounces.give(clock::now()) {
                        if let Some(lane) = self.lane_that_sends_to_pods(&key) {
                            lane.queue.add_audit(&key);
                        }
                    }
                }
            }
        }
    }

    /// Takes in at least one change and all that are there; `false`: there will be no more.
    async fn gather_endpoints(
        &self,
        changes: &mut UnboundedReceiver<Change<EndpointSlice>>,
        debounces: &mut Debounces,
    ) -> bool {
        let Some(mut change) = changes.recv().await else { return false };
        loop {
            for slice in change.old.iter().chain(&change.new) {
                let key = format!("{}/{}", slice.namespace, slice.service);
                if self.lane_that_sends_to_pods(&key).is_some() {
                    debounces.changed(&key, clock::now());
                }
            }
            match changes.try_recv() {
                Ok(next) => change = next,
                Err(_) => return true,
            }
        }
    }

    fn lane_that_sends_to_pods(&self, key: &str) -> Option<&Arc<Lane>> {
        let lane = self.lanes.get(self.entries.lane_of(key)?);
        lane.info().is_some_and(|info| info.can(Capability::PodEndpoints)).then_some(lane)
    }
}
