//! The cloud's lists lack things for half a minute while controller and daemon start: nothing is made twice, nothing deleted, somebody
//! can read why, and all goes on by itself.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use controller_core::names::ANNOTATION_HANDLE;
use k8s_openapi::api::core::v1::Service;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use testkit::wait::throughout;

use super::{
    Kinds, Site, World,
    faults::{Changes, is_grave},
    with_second_port,
};

const SERVICES: usize = 20;
const NODES: u8 = 2;
const PORT: u16 = 8080;
/// How long the lists lie.
const LIE: Duration = Duration::from_secs(30);
/// What people are told: of a Service, or of the daemon.
const SIGNS: [&str; 2] = ["LISTING_UNFINISHED", "condition=\"ListingsComplete\"} 0"];
/// The Service that wants something else meanwhile.
const CHANGED: usize = 0;
/// The Service that wants nothing any more, and of which the controller has lost the handle.
const FORGOTTEN: usize = 1;

fn name(number: usize) -> String {
    format!("web-{number}")
}

/// What the controller knows its load balancer by.
pub(super) fn handle(service: &Service) -> &str {
    let annotations = service.metadata.annotations.as_ref();
    annotations.and_then(|annotations| annotations.get(ANNOTATION_HANDLE)).map_or("", String::as_str)
}

impl<C: Site> World<C> {
    /// Of every list there are only the first `keep` rows while both programs start.
    pub async fn start_under_short_lists(&mut self, keep: usize, kinds: &Kinds, changes: &Changes) -> Result<()> {
        self.join(NODES).await?;
        for number in 0..SERVICES {
            let service = (kinds.make)(&name(number), PORT, kinds.names[number % kinds.names.len()]);
            // Of one listener a list that is cut short may show all.
            self.create(&with_second_port(service)).await?;
        }
        for number in 0..SERVICES {
            self.address(&name(number)).await?;
        }
        self.routed(&[1, 2]).await?;
        let (before, addresses) = self.balancers_and_addresses().await?;
        ensure!((before.len(), addresses.len()) == (SERVICES, SERVICES), "{before:?} {addresses:?}");
        let forgotten = self.services().get(&name(FORGOTTEN)).await?;
        let of_it: Vec<_> = before.iter().filter(|id| handle(&forgotten).contains(id.as_str())).cloned().collect();
        let [of_it] = &of_it[..] else { anyhow::bail!("{forgotten:?} names {of_it:?}") };

        self.lie(keep, changes).await?;

        self.routed(&[1, 2]).await?;
        self.gone(&name(FORGOTTEN)).await?;
        self.see("the change is carried out", async || {
            let there: Vec<Value> = self.cloud.simulator().objects(changes.shown_in).await?;
            ensure!(there.iter().any(|object| (changes.is_so)(object, 1)), "there are {there:?}");
            Ok(())
        })
        .await?;
        let expected: Vec<_> = before.iter().filter(|id| *id != of_it).cloned().collect();
        let (after, left) = self.balancers_and_addresses().await?;
        ensure!(after == expected, "there were {expected:?}, and there are {after:?}");
        ensure!(left.len() == SERVICES - 1 && left.iter().all(|one| addresses.contains(one)), "{left:?}");
        self.delete(&name(2)).await?;
        let (after, left) = self.balancers_and_addresses().await?;
        ensure!((after.len(), left.len()) == (SERVICES - 2, SERVICES - 2), "there are {after:?} {left:?}");
        Ok(())
    }

    async fn lie(&mut self, keep: usize, changes: &Changes) -> Result<()> {
        self.controller_mut()?.kill().await;
        self.cloud.daemon_mut().kill().await;
        let lie = json!({"effect": {"kind": "shortList", "keep": keep}, "forMs": LIE.as_millis()});
        self.cloud.simulator().break_with(&lie).await?;
        let (began, last) = (Instant::now(), self.last_call().await?);
        self.cloud.daemon_mut().restart()?;
        self.cloud.wait_until_ready().await?;
        self.controller_mut()?.restart()?;
        self.annotate(&name(CHANGED), &(changes.want)(1)).await?;
        let forget = json!({"metadata": {"annotations": {ANNOTATION_HANDLE: null}}});
        self.services().patch(&name(FORGOTTEN), &PatchParams::default(), &Patch::Merge(forget)).await?;
        self.services().delete(&name(FORGOTTEN), &DeleteParams::default()).await?;

        let mut told = Vec::new();
        let lying = LIE.saturating_sub(began.elapsed() + Duration::from_secs(1));
        throughout("nothing is made and nothing deleted", lying, async || {
            let made = self.changes_after(last).await?;
            ensure!(!made.iter().any(|action| is_grave(action)), "{made:?}");
            let forgotten = self.services().get_opt(&name(FORGOTTEN)).await?;
            ensure!(forgotten.is_some(), "a Service was let go on the word of a list");
            for number in 1..=NODES {
                ensure!(self.nodes().get_opt(&crate::name(number)).await?.is_some(), "node {number} was removed");
            }
            told = self.everything_said(&name(CHANGED)).await?;
            Ok(())
        })
        .await
        .map_err(|error| self.explain(&error))?;
        let found = told.iter().find(|line| SIGNS.iter().any(|sign| line.contains(sign)));
        found.map(drop).with_context(|| format!("nobody can read one of {SIGNS:?}: {told:#?}"))
    }
}
