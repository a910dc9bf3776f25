//! Carries a plan out, call by call, and stops where the cloud has to be waited for.

use std::time::Duration;

use cloud_provider_api::error::Reason;
use cloud_rest::{Executed, Kind};
use provider_kit::{
    Error, Result,
    load_balancers::{POLL, Progress},
};
use tokio::time::Instant;

use super::memory::Memory;
use crate::{
    PROVIDER,
    cloud::Cloud,
    fault,
    plan::step::{Action, Made, NEW_BALANCER, NEW_EIP, Step, new_group},
};

/// How long between two attempts at what is busy with an earlier change.
const PAUSE: Duration = Duration::from_millis(500);

/// A plan being carried out.
pub(super) struct Apply<'a> {
    pub(super) cloud: &'a Cloud,
    pub(super) memory: &'a Memory,
    /// The Service's key, for what is remembered of it.
    pub(super) key: &'a str,
    pub(super) made: Made,
    /// The load balancer whose record was written last, after everything else, and the record. A cloud that takes one change at a time
    /// has taken it when all before it were through.
    pub(super) recorded: Option<(String, String)>,
    /// How long may be waited for what is busy before the caller is told.
    pub(super) patience: Duration,
}

impl Apply<'_> {
    /// Runs the steps in order. What was done stays done, whatever happens later: the next pass goes on from there.
    pub(super) async fn run(&mut self, steps: Vec<Step>) -> Result<Progress> {
        let until = Instant::now() + self.patience;
        if !steps.is_empty() {
            self.memory.changing();
        }
        for step in steps {
            let what = format!("{} of {}", step.action.name(), step.target);
            let action = step.action.with(&self.made);
            let creates = matches!(action, Action::CreateLoadBalancer(..));
            loop {
                match self.call(&action).await {
                    Ok(()) => {
                        self.recorded = match action {
                            Action::UpdateLoadBalancer(at, _, desc) => Some((at.id, desc)),
                            _ => None,
                        };
                        break;
                    }
                    // Every change takes the cloud a moment, in which it takes no other: a state, not an error.
                    Err(error) if error.kind == Kind::Pending => {
                        let pause = error.retry_after.unwrap_or(PAUSE);
                        if Instant::now() + pause >= until {
                            let what = format!("{what}: the cloud is still busy with an earlier change");
                            return Ok(Progress::Wait { after: error.retry_after.unwrap_or(POLL), what });
                        }
                        tokio::time::sleep(pause).await;
                    }
                    Err(error) => {
                        if creates && error.executed != Executed::No {
                            // It may exist: no list is believed for a while that lacks it.
                            self.memory.creations.lost(self.key);
                        }
                        return self.failed(&action, &error, &what);
                    }
                }
            }
        }
        Ok(Progress::Done)
    }

    async fn call(&mut self, action: &Action) -> Result<(), cloud_rest::Error> {
        let cloud = self.cloud;
        match action {
            Action::CreateLoadBalancer(kind, new, purpose) => {
                let id = cloud.create_load_balancer(*kind, new, purpose).await?;
                // It may take a while to show.
                self.memory.creations.lost(self.key);
                self.made.put(NEW_BALANCER, id);
                Ok(())
            }
            Action::UpdateLoadBalancer(at, name, desc) => cloud.update_load_balancer(at.kind, &at.id, name, desc).await,
            Action::DeleteLoadBalancer(at) => cloud.delete_load_balancer(at.kind, &at.id).await,
            Action::CreateListener(at, key, new) => cloud.create_listener(at.kind, &at.id, *key, new).await,
            Action::UpdateListener(at, key, change) => cloud.update_listener(at.kind, &at.id, *key, change).await,
            Action::DeleteListeners(at, keys) => cloud.delete_listeners(at.kind, &at.id, keys).await,
            Action::AddBackends(at, new) => cloud.add_backends(&at.id, new).await,
            Action::UpdateBackends(at, changed) => cloud.update_backends(&at.id, changed).await,
            Action::RemoveBackends(at, gone) => cloud.remove_backends(&at.id, gone).await,
            Action::CreateGroup(at, name, desc, members) => {
                let id = cloud.create_group(at.kind, &at.id, (name, desc), members).await?;
                self.made.put(new_group(name), id);
                Ok(())
            }
            Action::UpdateGroup(at, group, name, desc) => {
                cloud.update_group(at.kind, &at.id, group, (name, desc)).await
            }
            Action::DeleteGroup(at, group) => cloud.delete_group(at.kind, &at.id, group).await,
            Action::CreateGroupPort(at, group, port) => cloud.create_group_port(at.kind, &at.id, group, port).await,
            Action::UpdateGroupPort(at, group, port, check) => {
                cloud.update_group_port(at.kind, &at.id, group, port, check).await
            }
            Action::DeleteGroupPorts(at, group, gone) => cloud.delete_group_ports(at.kind, &at.id, group, gone).await,
            Action::AddGroupMembers(at, group, new) => cloud.add_group_members(at.kind, &at.id, group, new).await,
            Action::UpdateGroupMembers(at, group, changed) => {
                cloud.update_group_members(at.kind, &at.id, group, changed).await
            }
            Action::RemoveGroupMembers(at, group, gone) => {
                cloud.remove_group_members(at.kind, &at.id, group, gone).await
            }
            Action::CreatePolicy(at, key, new) => cloud.create_policy(at.kind, &at.id, *key, new).await,
            Action::DeletePolicies(at, key, gone) => cloud.delete_policies(at.kind, &at.id, *key, gone).await,
            Action::CreateEip(new, purpose) => {
                let ip = cloud.create_eip(new, purpose).await?;
                self.made.put(NEW_EIP, ip);
                Ok(())
            }
            Action::BindEip(ip, balancer) => cloud.bind_eip(ip, balancer).await,
            Action::UnbindEip(ip) => cloud.unbind_eip(ip).await,
            Action::ResizeEip(ip, mbps) => cloud.resize_eip(ip, *mbps).await,
            Action::ReleaseEip(ip) => cloud.release_eip(ip).await,
        }
    }

    fn failed(&self, action: &Action, error: &cloud_rest::Error, what: &str) -> Result<Progress> {
        if let (Action::BindEip(ip, _), true) = (action, error.is_not_found())
            && self.made.get(NEW_EIP) == Some(ip)
        {
            self.memory.eip_is_dead(self.key, ip);
            return Ok(Progress::wait(format!("{what}: address {ip} is gone, and another is made")));
        }
        // A clash while we change what we have just read means that somebody else changed it, too: to be looked at again.
        if error.kind == Kind::Conflict {
            let message = format!("{what}: {error}; it is looked at again");
            return Err(Error::cloud(PROVIDER, Reason::Busy, message).retry_after(Duration::from_secs(5)));
        }
        Err(fault::of(error))
    }
}
