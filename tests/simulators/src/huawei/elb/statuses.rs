//! The whole of a load balancer with the state of each part.

use serde_json::{Value, json};

use super::{At, Elb, Pool};
use crate::engine::Problem;

impl Elb {
    /// The tree of a load balancer.
    pub fn statuses(&self, at: &At, id: &str) -> Result<Value, Problem> {
        let object = self.load_balancer(at, id)?;
        let listeners = self.listeners_of(id).map(|listener| {
            let pools = listener.fields.default_pool_id.iter().filter_map(|pool| self.pools.get(pool));
            json!({
                "id": listener.id,
                "name": listener.fields.name,
                "provisioning_status": "ACTIVE",
                "operating_status": "ONLINE",
                "pools": pools.map(|pool| self.pool_status(pool)).collect::<Value>(),
                "l7policies": [],
            })
        });
        let status = object.provisioning_status(at.now);
        Ok(json!({ "loadbalancer": {
            "id": id,
            "name": object.fields.name,
            "provisioning_status": status,
            "operating_status": if status == "ACTIVE" { "ONLINE" } else { "OFFLINE" },
            "listeners": listeners.collect::<Value>(),
            "pools": self.pools_of(id).map(|pool| self.pool_status(pool)).collect::<Value>(),
        } }))
    }

    fn pool_status(&self, pool: &Pool) -> Value {
        let members = self.members_of(&pool.id).map(|member| {
            json!({
                "id": member.id,
                "address": member.fields.address,
                "protocol_port": member.fields.protocol_port,
                "provisioning_status": "ACTIVE",
                "operating_status": self.operating_status(member),
            })
        });
        let monitor = self.monitor_of(&pool.id).map(|monitor| {
            let fields = &monitor.fields;
            json!({ "id": monitor.id, "name": fields.name, "type": fields.kind, "provisioning_status": "ACTIVE" })
        });
        json!({
            "id": pool.id,
            "name": pool.fields.name,
            "provisioning_status": "ACTIVE",
            "operating_status": "ONLINE",
            "healthmonitor": monitor.unwrap_or_else(|| json!({})),
            "members": members.collect::<Value>(),
        })
    }
}
