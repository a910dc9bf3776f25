//! What goes wrong at a cloud, one after the other: no node and no load balancer goes, somebody can read why nothing moves, and all
//! goes on by itself.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testkit::{events, kubelet::Readiness, wait::throughout};

use super::{Site, World, site};

/// Longer than a node takes to go whose machine is gone, with the flags of these tests.
const UNDER_FAULT: Duration = Duration::from_secs(7);
/// The node nobody has heard of for a while, so that the cloud is asked all the time whether its machine is gone.
const IN_DOUBT: &str = "node-3";
const NODES: u8 = 3;

/// What goes wrong.
pub enum Fault<C: Site> {
    /// Calls do; a rule of the simulator.
    Calls(Value),
    /// The daemon was started with this configuration.
    Started(C::Settings),
    /// The metadata service, when the daemon starts and needs it.
    Metadata,
}

impl<C: Site> Fault<C> {
    /// Calls are refused in the words of their service.
    pub fn refuse(status: u16, code: &str, message: &str) -> Self {
        Self::Calls(json!({"effect": {"kind": "refuse", "status": status, "code": code, "message": message}}))
    }

    /// Somebody in between answers in place of the service.
    pub fn answer(status: u16, body: &str) -> Self {
        Self::Calls(json!({"effect": {"kind": "answer", "status": status, "body": body}}))
    }

    /// Lists show only the first so many, and say that this is all.
    pub fn short(keep: usize) -> Self {
        Self::Calls(json!({"effect": {"kind": "shortList", "keep": keep}}))
    }
}

/// A fault's name, the fault, and what is to be read somewhere while it lasts.
pub type Row<C> = (&'static str, Fault<C>, &'static str);

/// How a cloud's Services are made and changed, and what becomes of a change.
pub struct Changes {
    /// A Service of this name.
    pub service: fn(&str) -> Service,
    /// Annotations that want something changed at the cloud: for each number something else.
    pub want: fn(usize) -> Value,
    /// Where the simulator shows what becomes of it, as a JSON pointer.
    pub shown_in: &'static str,
    /// Whether an object there is as wanted.
    pub is_so: fn(&Value, usize) -> bool,
}

/// What may not happen under a fault, nor on the word of a list. What a cloud keeps once is not doubled by whoever asks for it again: a
/// route table has one rule for a destination, and a load balancer each server once.
pub(super) fn is_grave(action: &str) -> bool {
    let begins = ["Create", "Delete", "BatchCreate", "BatchDelete"].iter().any(|begin| action.starts_with(begin));
    begins && !["CreateRouteRule", "CreateBlbRs"].contains(&action)
}

impl<C: Site> World<C> {
    /// Lets all of them happen, each to a Service of its own in the same cluster; `good` is what the daemon is started with when
    /// all is well.
    pub async fn weather(&mut self, good: &C::Settings, changes: &Changes, faults: Vec<Row<C>>) -> Result<()> {
        self.join(NODES).await?;
        self.kubelets[IN_DOUBT].set(Readiness::Unknown).await?;
        for (number, (name, fault, sign)) in faults.into_iter().enumerate() {
            let came = self.weather_one(good, changes, number, &fault, sign).await;
            came.map_err(|error| self.explain(&error)).with_context(|| name.to_owned())?;
        }
        Ok(())
    }

    async fn weather_one(
        &mut self,
        good: &C::Settings,
        changes: &Changes,
        number: usize,
        fault: &Fault<C>,
        sign: &str,
    ) -> Result<()> {
        // Events about one object are limited.
        let service = format!("web-{number}");
        self.create(&(changes.service)(&service)).await?;
        self.address(&service).await?;
        let (balancers, last) = (site::balancer_ids(&self.cloud).await?, self.last_call().await?);
        let before = self.everything_said(&service).await?;
        self.begin(fault).await?;
        self.annotate(&service, &(changes.want)(2 * number)).await?;
        throughout("no node and no load balancer goes or is made", UNDER_FAULT, async || {
            for node in 1..=NODES {
                ensure!(self.nodes().get_opt(&crate::name(node)).await?.is_some(), "node {node} was removed");
            }
            ensure!(site::balancer_ids(&self.cloud).await? == balancers, "load balancers came or went");
            let made = self.changes_after(last).await?;
            // What was refused was not carried out, but need not have been tried.
            ensure!(!made.iter().any(|action| is_grave(action)), "{made:?}");
            Ok(())
        })
        .await?;
        self.see(&format!("{sign} can be read somewhere"), async || {
            let mut said = self.everything_said(&service).await?;
            said.retain(|line| !before.contains(line));
            ensure!(said.iter().any(|line| line.contains(sign)), "it cannot: {said:#?}");
            Ok(())
        })
        .await?;
        self.end(good, fault).await?;
        let wanted = 2 * number + 1;
        self.annotate(&service, &(changes.want)(wanted)).await?;
        self.see("work goes on by itself", async || {
            let there: Vec<Value> = self.cloud.simulator().objects(changes.shown_in).await?;
            ensure!(there.iter().any(|object| (changes.is_so)(object, wanted)), "there are {there:?}");
            Ok(())
        })
        .await
    }

    async fn begin(&mut self, fault: &Fault<C>) -> Result<()> {
        match fault {
            Fault::Calls(rule) => self.cloud.simulator().break_with(rule).await,
            Fault::Started(settings) => {
                self.cloud.configure(settings)?;
                self.restart_daemon().await
            }
            Fault::Metadata => {
                let gone = json!({"when": {"service": "metadata"}, "effect": {"kind": "drop", "executed": false}});
                self.cloud.simulator().break_with(&gone).await?;
                self.restart_daemon().await
            }
        }
    }

    async fn end(&mut self, good: &C::Settings, fault: &Fault<C>) -> Result<()> {
        self.cloud.simulator().mend().await?;
        if matches!(fault, Fault::Started(_)) {
            // Account and region are taken over at a start of the daemon; the controller goes on.
            self.cloud.configure(good)?;
            self.restart_daemon().await?;
        }
        Ok(())
    }

    /// SIGKILL, and another process.
    pub async fn restart_daemon(&mut self) -> Result<()> {
        self.cloud.daemon_mut().kill().await;
        self.cloud.daemon_mut().restart()?;
        self.cloud.wait_until_ready().await
    }

    /// Gives a Service these annotations; null takes one away.
    pub async fn annotate(&self, service: &str, annotations: &Value) -> Result<()> {
        let change = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
        self.services().patch(service, &PatchParams::default(), &change).await?;
        Ok(())
    }

    /// Events of the Service and of the node in doubt, conditions, and the metrics that tell of failures.
    pub(super) async fn everything_said(&self, service: &str) -> Result<Vec<String>> {
        let mut said = events::lines(&self.client, "Service", service).await?;
        said.extend(events::lines(&self.client, "Node", IN_DOUBT).await?);
        let is_telling = |line: &&str| {
            (line.starts_with("provider_condition") && line.ends_with(" 0"))
                || (line.starts_with("cloud_calls") && !line.contains(r#"outcome="ok""#))
                || line.starts_with("cloudprovider_ready")
                || line.starts_with("cloudprovider_answers_refused")
                || line.starts_with("cloudprovider_handshake")
        };
        for metrics in [self.cloud.metrics().await?, self.ask_controller("/metrics").await?] {
            said.extend(metrics.lines().filter(is_telling).map(str::to_owned));
        }
        Ok(said)
    }
}
