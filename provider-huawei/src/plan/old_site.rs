//! The calls that a plan comes to where there is no ELB v3: members come and go one by one, and what hangs on an object is deleted before
//! it. For people who ask for a plan; carried out are the steps themselves.

use std::collections::BTreeSet;

use cloud_provider_api::v1;

use super::{
    seen::Balancer,
    step::{Action, Step},
};

/// The calls of these steps, in their order. `seen`: the load balancers that they are about, with all that hangs on them.
pub fn calls<'b>(steps: &[Step], seen: impl IntoIterator<Item = &'b Balancer>) -> Vec<v1::PlanStep> {
    let mut site = Site { seen: seen.into_iter().collect(), gone: BTreeSet::new() };
    steps.iter().flat_map(|step| site.of(step)).collect()
}

/// What is there while the plan is carried out.
struct Site<'b> {
    seen: Vec<&'b Balancer>,
    /// Ids of what is deleted by then.
    gone: BTreeSet<String>,
}

/// A call and what it acts on.
type Call = (&'static str, String);

impl Site<'_> {
    fn of(&mut self, step: &Step) -> Vec<v1::PlanStep> {
        let calls = self.calls(step);
        let last = calls.len().saturating_sub(1);
        let described = calls.into_iter().enumerate().map(|(nth, (action, target))| v1::PlanStep {
            action: action.to_owned(),
            target,
            reason: step.reason.clone(),
            waits: step.waits && nth == last,
        });
        described.collect()
    }

    fn calls(&mut self, step: &Step) -> Vec<Call> {
        let one = |name| vec![(name, step.target.clone())];
        match &step.action {
            Action::UpdateLoadBalancer(..) => one("UpdateLoadbalancer"),
            Action::TagLoadBalancer(..) => one("BatchCreateLoadbalancerTags"),
            Action::CreateHealthMonitor(_) => one("CreateHealthmonitor"),
            Action::UpdateHealthMonitor(..) => one("UpdateHealthmonitor"),
            Action::DeleteHealthMonitor(id) => {
                self.gone.insert(id.clone());
                one("DeleteHealthmonitor")
            }
            Action::BatchCreateMembers(_, new) => {
                new.iter().map(|member| ("CreateMember", format!("{} of {}", member.address, step.target))).collect()
            }
            Action::BatchUpdateMembers(_, changes) => {
                changes.iter().map(|member| ("UpdateMember", format!("{} of {}", member.id, step.target))).collect()
            }
            Action::BatchDeleteMembers(_, members) => {
                members.iter().filter_map(|member| self.delete("DeleteMember", &member.id)).collect()
            }
            Action::DeletePoolCascade(id) => self.delete_pool(id),
            Action::DeleteListenerForce(id) => self.delete_listener(id),
            Action::DeleteLoadBalancerForce(id) => self.delete_load_balancer(id),
            same => one(same.name()),
        }
    }

    fn delete(&mut self, name: &'static str, id: &str) -> Option<Call> {
        self.gone.insert(id.to_owned()).then(|| (name, id.to_owned()))
    }

    /// Its members, its monitor, itself.
    fn delete_pool(&mut self, id: &str) -> Vec<Call> {
        if self.gone.contains(id) {
            return Vec::new();
        }
        let mut calls = Vec::new();
        if let Some(pool) = self.seen.iter().find_map(|balancer| balancer.pool(id)) {
            calls.extend(pool.members.iter().filter_map(|member| self.delete("DeleteMember", &member.id)));
            if !pool.healthmonitor_id.is_empty() {
                calls.extend(self.delete("DeleteHealthmonitor", &pool.healthmonitor_id));
            }
        }
        calls.extend(self.delete("DeletePool", id));
        calls
    }

    /// Its pool, itself.
    fn delete_listener(&mut self, id: &str) -> Vec<Call> {
        if self.gone.contains(id) {
            return Vec::new();
        }
        let listener = self.seen.iter().flat_map(|balancer| &balancer.listeners).find(|listener| listener.id == id);
        let pool = listener.map(|listener| listener.default_pool_id.as_str()).filter(|pool| !pool.is_empty());
        let mut calls = pool.map_or_else(Vec::new, |pool| self.delete_pool(pool));
        calls.extend(self.delete("DeleteListener", id));
        calls
    }

    /// Its listeners, the rest of its pools, itself.
    fn delete_load_balancer(&mut self, id: &str) -> Vec<Call> {
        let mut calls = Vec::new();
        if let Some(balancer) = self.seen.iter().find(|balancer| balancer.lb.id == id).copied() {
            calls.extend(balancer.lb.listeners.iter().flat_map(|listener| self.delete_listener(&listener.id)));
            calls.extend(balancer.lb.pools.iter().flat_map(|pool| self.delete_pool(&pool.id)));
        }
        calls.extend(self.delete("DeleteLoadbalancer", id));
        calls
    }
}
