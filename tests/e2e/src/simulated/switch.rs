//! A cluster changes over from the cloud's Go provider: what that has made is taken over as it is, and serves on.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{NodeAddress, Service};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use testkit::{look, services, wait::throughout};

use super::{Site, World, lists::handle, site};
use crate::name;

const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";
/// Long enough for what comes late to show.
const SETTLED: Duration = Duration::from_secs(3);

/// A Service the Go provider has seen to.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Its name.
    pub service: String,
    /// Its load balancer's id.
    pub balancer: String,
    /// What its status shows.
    pub address: String,
}

impl<C: Site> World<C> {
    /// `node-N` as it is under the Go provider: initialised, and known by this providerID. Name and address.
    pub async fn settled_node(
        &mut self,
        number: u8,
        provider_id: impl FnOnce(&C) -> Result<String>,
    ) -> Result<(String, String)> {
        let (place, name) = (self.machine(number).await?, name(number));
        let mut node = self.node_settings(number)?.node();
        let (spec, status) = (node.spec.as_mut().context("a spec")?, node.status.as_mut().context("a status")?);
        spec.taints = None;
        spec.provider_id = Some(provider_id(&self.cloud)?);
        let address = NodeAddress { type_: "InternalIP".to_owned(), address: place.address.to_string() };
        status.addresses.get_or_insert_default().push(address);
        self.nodes().create(&PostParams::default(), &node).await?;
        Ok((name, place.address.to_string()))
    }

    /// Creates a Service with the finalizer that the Go provider puts there; its node port.
    pub async fn settled_service(&self, mut service: Service) -> Result<u16> {
        service.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        let created = self.create(&service).await?;
        services::node_port(&created).context("a node port")
    }

    /// Writes down what the Go provider writes down once a Service's load balancer is there.
    pub async fn record(&self, settled: &Settled, annotations: &Value) -> Result<()> {
        self.annotate(&settled.service, annotations).await?;
        let status = Patch::Merge(json!({"status": {"loadBalancer": {"ingress": [{"ip": settled.address}]}}}));
        self.services().patch_status(&settled.service, &PatchParams::default(), &status).await?;
        Ok(())
    }

    /// The controller starts, and takes all of them over: no change at the cloud is one of those that are `wrong`, and the nodes stay
    /// who they are. Answers the changes.
    pub async fn taken_over(&mut self, all: &[Settled], wrong: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let (before, nodes) = (self.balancers_and_addresses().await?, self.node_ids().await?);
        let last = self.last_call().await?;
        self.start_controller().await?;
        for settled in all {
            self.see(&format!("{} is taken over", settled.service), async || {
                let service = self.services().get(&settled.service).await?;
                let handle = handle(&service);
                ensure!(handle.contains(&settled.balancer), "{handle:?} does not name {}", settled.balancer);
                Ok(())
            })
            .await?;
        }
        throughout("what is taken over is neither made again nor deleted", SETTLED, async || {
            let changes = self.changes_after(last).await?;
            ensure!(!changes.iter().any(|name| wrong(name)), "{changes:?}");
            for settled in all {
                let shown = look::address(&self.services().get(&settled.service).await?)?.to_string();
                ensure!(shown == settled.address, "{settled:?} shows {shown}");
            }
            Ok(())
        })
        .await
        .map_err(|error| self.explain(&error))?;
        let after = self.balancers_and_addresses().await?;
        ensure!(after == before, "there were {before:?}, and there are {after:?}");
        let now = self.node_ids().await?;
        ensure!(now == nodes, "the nodes were {nodes:?}, and are {now:?}");
        self.changes_after(last).await
    }

    /// A port more: on the same load balancer. `listens`: whether an object shown by the simulator at this path listens there.
    pub async fn another_port(
        &self,
        service: &str,
        shown_in: &str,
        listens: impl Fn(&Value, u16) -> bool,
    ) -> Result<()> {
        let ports = json!({"spec": {"ports": [
            {"name": "one", "port": 8080, "protocol": "TCP"}, {"name": "two", "port": 8081, "protocol": "TCP"},
        ]}});
        let before = self.balancers_and_addresses().await?;
        self.services().patch(service, &PatchParams::default(), &Patch::Merge(ports)).await?;
        self.see("the new port has a listener", async || {
            let there: Vec<Value> = self.cloud.simulator().objects(shown_in).await?;
            ensure!(there.iter().any(|object| listens(object, 8081)), "there are {there:?}");
            Ok(())
        })
        .await?;
        ensure!(self.balancers_and_addresses().await? == before);
        Ok(())
    }

    /// The ids of all load balancers, and those of all public addresses.
    pub(super) async fn balancers_and_addresses(&self) -> Result<(Vec<String>, Vec<String>)> {
        Ok((site::balancer_ids(&self.cloud).await?, site::addresses(&self.cloud).await?))
    }

    /// UID and providerID of every node.
    async fn node_ids(&self) -> Result<Vec<(Option<String>, Option<String>)>> {
        let nodes = self.nodes().list(&ListParams::default()).await?.items;
        Ok(nodes.into_iter().map(|node| (node.metadata.uid, node.spec.and_then(|spec| spec.provider_id))).collect())
    }
}
