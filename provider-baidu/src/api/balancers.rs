//! Load balancers of all kinds: their own calls, which are alike. What hangs on them is in the modules below.

mod groups;
mod listeners;
mod plain;

use cloud_rest::Error;
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    groups::{Check, Group, GroupMember, GroupPort, NewPolicy, Policy},
    listeners::{Listener, ListenerChange, NewListener},
    plain::Backend,
};
use super::{
    page::{ByMarker, Listed},
    text::{Tag, number, or_default, truth_or_none},
};
use crate::{
    cloud::{BY_MARKER, Cloud, Request},
    endpoints::Service,
};

/// Which of the cloud's load balancers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// BLB: one set of servers behind all listeners.
    #[default]
    Plain,
    /// AppBLB: policies lead listeners to groups of servers.
    App,
    /// BEC's, at the edge: policies lead listeners to groups of addresses.
    Edge,
}

impl Kind {
    /// All there are.
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::App, Self::Edge];

    /// The product's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "BLB",
            Self::App => "AppBLB",
            Self::Edge => "BEC load balancer",
        }
    }

    /// The word for it in the annotation and in a tenant's limits.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Plain => "blb",
            Self::App => "appblb",
            Self::Edge => "bec",
        }
    }

    fn service(self) -> Service {
        if self == Self::Edge { Service::Bec } else { Service::Blb }
    }

    /// The path of a thing under all load balancers, or under one.
    fn path<'a>(self, rest: &[&'a str]) -> Vec<&'a str> {
        let root: [&str; 2] = match self {
            Self::Plain => ["v1", "blb"],
            Self::App => ["v1", "appblb"],
            Self::Edge => ["v2", "appblb"],
        };
        root.into_iter().chain(rest.iter().copied()).collect()
    }
}

/// A load balancer as a list or a detail shows it. Everything but the id may be missing or `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct LoadBalancer {
    #[serde(skip)]
    pub(crate) kind: Kind,
    #[serde(rename = "blbId")]
    pub(crate) id: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) desc: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) address: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) status: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) vpc_id: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) public_ip: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) create_time: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) tags: Vec<Tag>,
    /// `false`: protected.
    #[serde(deserialize_with = "truth_or_none")]
    pub(crate) allow_delete: Option<bool>,
    /// Ports of its listeners. Lists do not say.
    #[serde(rename = "listener")]
    pub(crate) ports: Option<Vec<ListenerPort>>,
}

/// The port of a listener, as the load balancer's detail has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ListenerPort {
    #[serde(deserialize_with = "number")]
    pub(crate) port: u16,
}

impl LoadBalancer {
    /// Whether it takes changes. The services do not agree on the case, and the edge has a word of its own.
    pub(crate) fn is_available(&self) -> bool {
        ["available", "running"].iter().any(|word| self.status.eq_ignore_ascii_case(word))
    }

    /// Whether a change that was taken is under way.
    pub(crate) fn is_updating(&self) -> bool {
        self.status.eq_ignore_ascii_case("updating")
    }

    /// Whether it is in a state that it does not leave by itself.
    pub(crate) fn has_failed(&self) -> bool {
        ["paused", "unavailable", "failed", "exception"].iter().any(|word| self.status.eq_ignore_ascii_case(word))
    }
}

impl Listed for LoadBalancer {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A load balancer to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewLoadBalancer {
    pub(crate) name: String,
    pub(crate) desc: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) vpc_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) subnet_id: String,
    /// The address inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// BLB, for accounts of the cloud's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allocate_vip: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<Tag>,
    /// At the edge: where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region_id: Option<String>,
    /// At the edge: public addresses are part of the load balancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) need_public_ip: Option<bool>,
}

/// What the answer to a creation says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Made {
    #[serde(rename = "blbId")]
    pub(crate) id: String,
}

#[derive(Serialize)]
struct Change<'a> {
    name: &'a str,
    desc: &'a str,
}

impl Cloud {
    fn balancer_get(&self, kind: Kind, name: &'static str, rest: &[&str]) -> Request<'_> {
        self.get(kind.service(), name, &kind.path(rest))
    }

    fn balancer_post(&self, kind: Kind, name: &'static str, rest: &[&str]) -> Request<'_> {
        self.post(kind.service(), name, &kind.path(rest)).once()
    }

    fn balancer_put(&self, kind: Kind, name: &'static str, rest: &[&str]) -> Request<'_> {
        self.put(kind.service(), name, &kind.path(rest)).once()
    }

    /// All of a kind.
    pub(crate) async fn load_balancers(&self, kind: Kind) -> Result<Vec<LoadBalancer>, Error> {
        let request = self.balancer_get(kind, "DescribeLoadBalancers", &[]);
        let listed = request.list::<ByMarker<LoadBalancer>>(BY_MARKER).await?;
        Ok(listed.into_iter().map(|lb| LoadBalancer { kind, ..lb }).collect())
    }

    /// One.
    pub(crate) async fn load_balancer(&self, kind: Kind, id: &str) -> Result<LoadBalancer, Error> {
        let request = self.balancer_get(kind, "DescribeLoadBalancerDetail", &[id]);
        let lb = request.send::<LoadBalancer>().await?.value;
        if lb.id != id {
            let garbled = cloud_rest::Kind::Garbled;
            return Err(Error::unsent("DescribeLoadBalancerDetail", garbled, "the answer is about another object"));
        }
        Ok(LoadBalancer { kind, ..lb })
    }

    /// Makes one; its id. The same for the same `purpose` is the same call to the cloud.
    pub(crate) async fn create_load_balancer(
        &self,
        kind: Kind,
        new: &NewLoadBalancer,
        purpose: &[String],
    ) -> Result<String, Error> {
        let made_from = super::parameters(new);
        let mut parts: Vec<&str> = purpose.iter().map(String::as_str).collect();
        parts.push(&made_from);
        let request = self.post(kind.service(), "CreateLoadBalancer", &kind.path(&[])).client_token(&parts);
        Ok(request.body(new).send::<Made>().await?.value.id)
    }

    /// Names and describes it anew.
    pub(crate) async fn update_load_balancer(&self, kind: Kind, id: &str, name: &str, desc: &str) -> Result<(), Error> {
        let request = self.balancer_put(kind, "UpdateLoadBalancer", &[id]).body(&Change { name, desc });
        request.run().await.map(drop)
    }

    /// Deletes it with all that hangs on it. Success if there is none.
    pub(crate) async fn delete_load_balancer(&self, kind: Kind, id: &str) -> Result<(), Error> {
        let request = self.delete(kind.service(), "DeleteLoadBalancer", &kind.path(&[id])).once();
        super::gone(request.run().await)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_item_and_a_detail_are_read_alike() {
        let item = json!({"blbId": "lb-1", "name": "n", "desc": null, "address": "192.168.0.20", "status": "Available",
            "vpcId": "vpc-1", "publicIp": "", "tags": [{"tagKey": "a", "tagValue": "b"}], "allowDelete": "false"});
        let lb: LoadBalancer = serde_json::from_value(item).unwrap();
        assert!(lb.is_available() && !lb.has_failed() && lb.allow_delete == Some(false));
        assert_eq!(lb.ports, None, "a list does not say which listeners there are");
        assert_eq!((lb.desc.as_str(), lb.tags[0].pair()), ("", ("a", "b")));
        let detail = json!({"blbId": "lb-1", "status": "updating", "listener": [{"port": "80", "type": "TCP"}]});
        let lb: LoadBalancer = serde_json::from_value(detail).unwrap();
        assert!(!lb.is_available() && lb.is_updating() && lb.allow_delete.is_none());
        assert_eq!(lb.ports, Some(vec![ListenerPort { port: 80 }]));
    }

    #[test]
    fn what_is_not_asked_for_is_not_said() {
        let new = NewLoadBalancer { name: "n".to_owned(), vpc_id: "v".to_owned(), ..NewLoadBalancer::default() };
        assert_eq!(serde_json::to_value(&new).unwrap(), json!({"name": "n", "desc": "", "vpcId": "v"}));
    }
}
