//! What happens to every cluster, in whichever cloud it is.

use anyhow::{Context, Result, ensure};
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use testkit::{kubelet::Readiness, look};

use super::{Site, World};
use crate::{name, pod_cidr};

impl<C: Site> World<C> {
    /// Waits until the cloud's tables lead to the pods of these nodes and to no others, and the nodes say so.
    pub async fn routed(&self, numbers: &[u8]) -> Result<()> {
        self.see(&format!("routes to the pods of {numbers:?}"), async || {
            let routes = self.cloud.routes().await?.into_iter();
            let mut found: Vec<_> = routes.map(|route| (route.destination, route.target)).collect();
            found.sort();
            let expected: Vec<_> = numbers.iter().map(|number| (pod_cidr(*number), name(*number))).collect();
            ensure!(found == expected, "there are {found:?}");
            Ok(())
        })
        .await?;
        for number in numbers {
            let node = name(*number);
            self.see(&format!("the network of {node} is available"), async || {
                look::network_available(&self.nodes().get(&node).await?)
            })
            .await?;
        }
        Ok(())
    }

    /// Gives a node these labels.
    pub async fn label(&self, node: &str, labels: &Value) -> Result<()> {
        let change = Patch::Merge(json!({"metadata": {"labels": labels}}));
        self.nodes().patch(node, &PatchParams::default(), &change).await?;
        Ok(())
    }

    /// Stops the machine of a node, and starts it: the taint comes and goes.
    pub async fn stop_and_start(&self, node: &str) -> Result<()> {
        for (on, readiness) in [(false, Readiness::Unknown), (true, Readiness::Ready)] {
            self.cloud.power(node, on).await?;
            self.kubelets[node].set(readiness).await?;
            self.see(&format!("{node} runs: {on}"), async || look::shut_down(&self.nodes().get(node).await?, !on))
                .await?;
        }
        Ok(())
    }

    /// Ends the machine of a node for good: the node goes, and no other.
    pub async fn terminate(&mut self, node: &str) -> Result<()> {
        let before = self.nodes().list_metadata(&ListParams::default()).await?.items.len();
        self.cloud.terminate(node).await?;
        let kubelet = self.kubelets.remove(node).with_context(|| format!("{node} has no kubelet"))?;
        kubelet.set(Readiness::Unknown).await?;
        self.backends.retain(|name, _| !name.ends_with(&format!("/{node}")));
        drop(kubelet);
        self.see(&format!("{node} is removed"), async || {
            ensure!(self.nodes().get_opt(node).await?.is_none(), "it is still there");
            Ok(())
        })
        .await?;
        let left = self.nodes().list_metadata(&ListParams::default()).await?.items.len();
        ensure!(left + 1 == before, "{left} of {before} nodes are left");
        Ok(())
    }

    /// Waits until a line is among the daemon's metrics.
    pub async fn measured(&self, what: &str, line: &str) -> Result<()> {
        self.see(what, async || {
            let metrics = self.cloud.metrics().await?;
            ensure!(metrics.lines().any(|one| one == line), "{line} is not among the metrics");
            Ok(())
        })
        .await
    }
}
