//! Daemon, controller or both are killed in the middle of work on Services, and Services go while others come: one load balancer for
//! each that is there, and none for those that are not.

use std::time::Duration;

use anyhow::{Result, ensure};
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};
use testkit::{services, wait::throughout};

use super::{Kinds, Site, World, lists::handle};
use crate::Victim;

const PORT: u16 = 8080;
/// Long enough for work that is under way to show.
const AFTERMATH: Duration = Duration::from_secs(5);
const RACING: u16 = 12;

/// Whom to kill, of which kind the Service is, after how many changes to the cloud, and whether the last of them is not answered.
pub type Kill = (Victim, &'static str, u64, bool);

impl<C: Site> World<C> {
    /// Kills while Services are made, changed and deleted. `want`: annotations that want something changed at the cloud.
    pub async fn kill_in_the_middle(&mut self, kinds: &Kinds, want: &Value, kills: &[Kill]) -> Result<()> {
        self.join(2).await?;
        self.routed(&[1, 2]).await?;
        for (victim, kind, changes, lost) in kills.iter().copied() {
            let name = format!("{kind}-{changes}-{victim:?}").to_lowercase();
            let service = (kinds.make)(&name, PORT, kind);
            let create = async |world: &Self| world.create(&service).await.map(drop);
            self.killed_after(victim, (changes, lost), create).await?;
            let made = self.services().get(&name).await?;
            self.serve(&made).await?;
            let address = self.address(&name).await?;
            self.answered_by(address, PORT, &["node-1", "node-2"]).await?;
            let made = self.balancers_and_addresses().await?;
            ensure!((made.0.len(), made.1.len()) == (1, 1), "{name}: {made:?}");

            let change = async |world: &Self| world.annotate(&name, want).await;
            self.killed_after(victim, (1, lost), change).await?;
            self.answered_by(address, PORT, &["node-1", "node-2"]).await?;

            let delete = async |world: &Self| -> Result<()> {
                world.services().delete(&name, &DeleteParams::default()).await?;
                Ok(())
            };
            self.killed_after(victim, (changes.min(2), lost), delete).await?;
            self.gone(&name).await?;
            self.backends.clear();
            ensure!(
                self.cloud.leftovers().await? == 0,
                "{name}: of {made:?} are left {:?}",
                self.balancers_and_addresses().await?
            );
        }
        Ok(())
    }

    /// SIGKILL after so many changes to the cloud, the last of them answered or not, and a new process.
    async fn killed_after(
        &mut self,
        victim: Victim,
        (changes, lost): (u64, bool),
        act: impl AsyncFnOnce(&Self) -> Result<()>,
    ) -> Result<()> {
        self.cloud.simulator().halt_after(changes, lost).await?;
        act(self).await?;
        self.cloud.simulator().halted().await?;
        self.kill(victim, async |world| world.cloud.simulator().go_on().await).await
    }

    /// Services are deleted at every stage of their making, while nodes and other Services change.
    pub async fn services_go_while_others_come(&mut self, kinds: &Kinds, want: &Value) -> Result<()> {
        self.join(2).await?;
        self.machine(3).await?;
        for number in 0..RACING {
            let kind = kinds.names[usize::from(number) % kinds.names.len()];
            self.create(&(kinds.make)(&racing(number), PORT, kind)).await?;
            if number % 3 == 0 {
                // Each node that comes has all Services looked at.
                self.label("node-1", &json!({"example.com/round": number.to_string()})).await?;
            }
            if number == RACING / 2 {
                self.register(3).await?;
            }
            if let Some(earlier) = number.checked_sub(2) {
                self.annotate(&racing(earlier), want).await?;
                if earlier % 4 != 0 {
                    self.services().delete(&racing(earlier), &DeleteParams::default()).await?;
                }
            }
        }
        let stay: Vec<_> = (0..RACING).filter(|number| number % 4 == 0 || *number >= RACING - 2).map(racing).collect();
        for name in &stay {
            self.address(name).await?;
        }
        self.see("what is deleted is gone, and what stays has one load balancer", async || {
            self.only_these(&stay).await
        })
        .await?;
        throughout("nothing comes back", AFTERMATH, async || self.only_these(&stay).await)
            .await
            .map_err(|error| self.explain(&error))?;
        for name in &stay {
            self.delete(name).await?;
        }
        ensure!(self.cloud.leftovers().await? == 0, "left are {:?}", self.balancers_and_addresses().await?);
        Ok(())
    }

    /// The Services that stay are there with a load balancer and an address each, and nothing else.
    async fn only_these(&self, stay: &[String]) -> Result<()> {
        let services = self.services().list(&ListParams::default()).await?.items;
        let racing = services.iter().filter(|service| services::key(service).contains("racing"));
        let mut there: Vec<_> = racing.clone().map(services::key).collect();
        there.sort();
        let mut expected: Vec<_> = stay.iter().map(|name| format!("default/{name}")).collect();
        expected.sort();
        ensure!(there == expected, "there are {there:?}");
        let (balancers, addresses) = self.balancers_and_addresses().await?;
        for service in racing {
            let of_it = balancers.iter().filter(|id| handle(service).contains(id.as_str())).count();
            ensure!(of_it == 1, "{} has {of_it} of {balancers:?}", services::key(service));
        }
        ensure!(balancers.len() == stay.len(), "there are {balancers:?}");
        ensure!(addresses.len() == stay.len(), "there are {addresses:?}");
        Ok(())
    }
}

fn racing(number: u16) -> String {
    format!("racing-{number}")
}
