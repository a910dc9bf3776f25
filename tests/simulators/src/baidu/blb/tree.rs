//! What there is, sorted and without what differs from run to run, to compare two clouds.

use serde_json::{Value, json};

use super::{Blb, Check, IpGroup, Policy, ServerGroup, listeners::look};
use crate::baidu::State;

impl State {
    /// The load balancers of an account with all that belongs to them, and the elastic IPs. Ids and addresses are left out, but for those
    /// of machines.
    pub fn tree(&self, account: &str) -> Value {
        let mut blbs: Vec<_> =
            self.blbs.iter().filter(|blb| blb.account == account).map(|blb| self.look(blb)).collect();
        blbs.sort_by_key(Value::to_string);
        let loose = self.eips.iter().filter(|eip| eip.account == account && eip.bound.is_none());
        let mut loose: Vec<_> = loose.map(|eip| eip.name.clone()).collect();
        loose.sort();
        json!({ "loadBalancers": blbs, "looseEips": loose })
    }

    fn look(&self, blb: &Blb) -> Value {
        let mut listeners: Vec<_> = blb.listeners.iter().map(look).collect();
        listeners.sort_by_key(Value::to_string);
        let mut backends = blb.backends.clone();
        backends.sort_by(|a, b| a.instance_id.cmp(&b.instance_id));
        let eips =
            self.eips.iter().filter(|eip| eip.bound.as_ref().is_some_and(|bound| bound.instance_id == blb.blb_id));
        let eips: Vec<_> = eips
            .map(|eip| {
                json!({
                    "name": eip.name, "bandwidthInMbps": eip.bandwidth_in_mbps, "paymentTiming": eip.payment_timing,
                    "billingMethod": eip.billing_method, "tags": eip.tags,
                })
            })
            .collect();
        let mut groups: Vec<_> = blb.groups.iter().map(look_at_group).collect();
        groups.sort_by_key(Value::to_string);
        let mut ip_groups: Vec<_> = blb.ip_groups.iter().map(look_at_ip_group).collect();
        ip_groups.sort_by_key(Value::to_string);
        let mut policies: Vec<_> = blb.policies.iter().map(|policy| look_at_policy(blb, policy)).collect();
        policies.sort_by_key(Value::to_string);
        json!({
            "groups": groups, "ipGroups": ip_groups, "policies": policies, "kind": blb.kind, "name": blb.name, "desc": blb.desc, "subnetId": blb.subnet_id, "tags": blb.tags,
            "listeners": listeners, "backends": backends, "eips": eips, "addressIncluded": blb.public_address.is_some(),
        })
    }
}

fn look_at_checks(checks: &[Check]) -> Vec<Value> {
    let mut all: Vec<_> = checks
        .iter()
        .map(|check| json!({ "port": check.port, "protocol": check.protocol, "fields": check.fields }))
        .collect();
    all.sort_by_key(Value::to_string);
    all
}

fn look_at_group(group: &ServerGroup) -> Value {
    let mut backends = group.backends.clone();
    backends.sort_by(|a, b| a.instance_id.cmp(&b.instance_id));
    json!({ "name": group.name, "desc": group.desc, "ports": look_at_checks(&group.ports), "backends": backends })
}

fn look_at_ip_group(group: &IpGroup) -> Value {
    let mut members: Vec<_> = group.members.iter().map(|member| (member.ip, member.port, member.weight)).collect();
    members.sort_unstable();
    json!({ "name": group.name, "desc": group.desc, "checks": look_at_checks(&group.checks), "members": members })
}

fn look_at_policy(blb: &Blb, policy: &Policy) -> Value {
    let group = blb.group(&policy.group_id).map(|group| &group.name);
    let group = group.or_else(|| blb.ip_group(&policy.group_id).map(|group| &group.name));
    json!({
        "port": policy.port, "protocol": policy.protocol, "desc": policy.desc, "group": group, "backendPort": policy.backend_port,
        "priority": policy.priority, "rules": policy.rules,
    })
}
