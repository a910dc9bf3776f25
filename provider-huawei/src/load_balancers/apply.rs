//! Carries a plan out, call by call, and stops where the cloud has to be waited for.

use std::time::Duration;

use cloud_provider_api::error::Reason;
use cloud_rest::{Executed, Kind};
use provider_kit::{
    Error, Result,
    load_balancers::{POLL, Progress},
};

use super::surroundings::Memory;
use crate::{
    PROVIDER,
    api::elb::{LoadBalancer, MemberResult},
    cloud::Cloud,
    fault,
    plan::step::{Action, Made, NEW_BALANCER, NEW_EIP, NEW_IP_GROUP, NEW_PORT, Step, new_listener, new_pool},
};

/// A plan being carried out.
pub(super) struct Apply<'a> {
    pub(super) cloud: &'a Cloud,
    pub(super) memory: &'a Memory,
    /// The Service's key, for what is remembered of it.
    pub(super) key: &'a str,
    pub(super) made: Made,
    /// The load balancer as the cloud last showed it.
    pub(super) shown: Option<LoadBalancer>,
}

impl<'a> Apply<'a> {
    pub(super) fn new(cloud: &'a Cloud, memory: &'a Memory, key: &'a str) -> Self {
        Self { cloud, memory, key, made: Made::default(), shown: None }
    }

    /// Runs the steps in order. What was done stays done, whatever happens later: the next pass goes on from there.
    pub(super) async fn run(&mut self, steps: Vec<Step>) -> Result<Progress> {
        for step in steps {
            let what = format!("{} of {}", step.action.name(), step.target);
            let creates = matches!(step.action, Action::CreateLoadBalancer(_) | Action::CreateSharedLoadBalancer(_));
            match self.call(step.action.with(&self.made)).await {
                Ok(Progress::Done) => {}
                Ok(wait) => return Ok(wait),
                // Busy with an earlier change: not a failure, and nothing to start over.
                Err(error) if error.kind == Kind::Pending => {
                    return Ok(Progress::Wait {
                        after: error.retry_after.unwrap_or(POLL),
                        what: format!("{what}: the cloud is still busy with an earlier change"),
                    });
                }
                Err(error) => {
                    if creates && error.executed != Executed::No {
                        // It may exist: no list is believed for a while that lacks it.
                        self.memory.creations.lost(self.key);
                    }
                    return Err(failed(&error, &what));
                }
            }
        }
        Ok(Progress::Done)
    }

    async fn call(&mut self, action: Action) -> Result<Progress, cloud_rest::Error> {
        let cloud = self.cloud;
        match action {
            Action::CreateSharedLoadBalancer(new) => {
                let lb = cloud.create_shared_load_balancer(&new).await?;
                return Ok(self.created(lb));
            }
            Action::CreateLoadBalancer(new) => {
                let lb = cloud.create_load_balancer(&new).await?;
                return Ok(self.created(lb));
            }
            Action::UpdateLoadBalancer(id, change) => {
                self.shown = Some(cloud.update_load_balancer(&id, &change).await?);
            }
            Action::TagLoadBalancer(id, tags) => cloud.tag_load_balancer(&id, &tags).await?,
            Action::DeleteLoadBalancerForce(id) => cloud.delete_load_balancer_force(&id).await?,
            Action::CreateIpGroup(new) => {
                let group = cloud.create_ip_group(&new).await?;
                self.made.put(NEW_IP_GROUP, group.id);
            }
            Action::UpdateIpGroup(id, change) => cloud.update_ip_group(&id, &change).await?,
            Action::DeleteIpGroup(id) => cloud.delete_ip_group(&id).await?,
            Action::CreatePool(key, new) => {
                let pool = cloud.create_pool(&new).await?;
                self.made.put(new_pool(key), pool.id);
            }
            Action::UpdatePool(id, change) => cloud.update_pool(&id, &change).await?,
            Action::DeletePoolCascade(id) => cloud.delete_pool_cascade(&id).await?,
            Action::BatchCreateMembers(pool, new) => each(&cloud.batch_create_members(&pool, &new).await?)?,
            Action::BatchUpdateMembers(pool, changes) => each(&cloud.batch_update_members(&pool, &changes).await?)?,
            Action::BatchDeleteMembers(pool, gone) => each(&cloud.batch_delete_members(&pool, &gone).await?)?,
            Action::CreateHealthMonitor(new) => drop(cloud.create_monitor(&new).await?),
            Action::UpdateHealthMonitor(id, change) => cloud.update_monitor(&id, &change).await?,
            Action::DeleteHealthMonitor(id) => cloud.delete_monitor(&id).await?,
            Action::CreateListener(key, new) => {
                let listener = cloud.create_listener(&new).await?;
                self.made.put(new_listener(key), listener.id);
            }
            Action::UpdateListener(id, change) => cloud.update_listener(&id, &change).await?,
            Action::DeleteListenerForce(id) => cloud.delete_listener_force(&id).await?,
            Action::CreatePublicip(new) => {
                let eip = cloud.create_public_ip(&new).await?;
                self.made.put(NEW_EIP, eip.id);
            }
            Action::BindPublicip(id, port) => cloud.bind_public_ip(&id, &port).await?,
            Action::UnbindPublicip(id) => cloud.bind_public_ip(&id, "").await?,
            Action::NamePublicip(id, name) => cloud.name_public_ip(&id, &name).await?,
            // One that is made together with its load balancer shows there a little later.
            Action::TagPublicip(id, _) if id == NEW_EIP => {
                return Ok(Progress::wait("the public address of the new load balancer is being bound"));
            }
            Action::TagPublicip(id, tags) => cloud.tag_public_ip(&id, &tags).await?,
            Action::DeletePublicip(id) => cloud.delete_public_ip(&id).await?,
            Action::BatchCreateDnatRules(rules) => cloud.create_dnat_rules(&rules).await?,
            Action::UpdateDnatRule(id, change) => cloud.update_dnat_rule(&id, &change).await?,
            Action::DeleteDnatRule(gateway, id) => cloud.delete_dnat_rule(&gateway, &id).await?,
        }
        Ok(Progress::Done)
    }

    fn created(&mut self, lb: LoadBalancer) -> Progress {
        self.made.put(NEW_BALANCER, &lb.id);
        self.made.put(NEW_PORT, &lb.vip_port_id);
        if let Some(eip) = lb.eip() {
            self.made.put(NEW_EIP, &eip.eip_id);
        }
        let settled = lb.is_active() && !lb.vip_port_id.is_empty();
        let what = format!("load balancer {} is being made", lb.id);
        self.shown = Some(lb);
        if settled { Progress::Done } else { Progress::wait(what) }
    }
}

/// A batch is a success only if each of its members is.
fn each(results: &[MemberResult]) -> Result<(), cloud_rest::Error> {
    let fine =
        |result: &MemberResult| matches!(result.ret_status.as_str(), "" | "successful" | "existed" | "not found");
    let failed: Vec<String> =
        results.iter().filter(|result| !fine(result)).map(|r| format!("{}: {}", r.address, r.ret_status)).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let message = format!("the cloud did not take all members: {}", failed.join(", "));
    Err(cloud_rest::Error {
        executed: Executed::Yes,
        ..cloud_rest::Error::unsent("BatchMembers", Kind::Server, message)
    })
}

/// A clash while we change what we have just read means that somebody else changed it, too: to be looked at again.
fn failed(error: &cloud_rest::Error, what: &str) -> Error {
    match error.kind {
        Kind::Conflict => {
            let message = format!("{what}: {error}; it is looked at again");
            Error::cloud(PROVIDER, Reason::Busy, message).retry_after(Duration::from_secs(5))
        }
        _ => fault::of(error),
    }
}
