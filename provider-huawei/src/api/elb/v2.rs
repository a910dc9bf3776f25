//! ELB v2, for installations that have no v3: shared load balancers with what v2 can say of them.
//!
//! What is one call of v3 may be several here: members come and go one by one, and what hangs on an object is deleted before it.
//! Each of them may be repeated, so that whoever dies in between goes on from there.

use cloud_rest::{
    Error, Kind,
    paging::{Page, Parts, Style},
};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Id, Listener, LoadBalancer, Member, MemberChange, MemberRef, MemberResult, Monitor, NewMember, Pool, Tag,
    calls::TagsBody,
};
use crate::{
    api::{gone_is_done, nothing::or_default},
    cloud::{Cloud, PROJECT, Request},
    endpoints::Service,
};

/// Lists of v2 say nothing of what follows.
const STYLE: Style = Style::LastId { marker: "marker", size: "limit", limit: 2000 };

/// The load balancer service in the words of v2.
#[derive(Clone, Copy)]
pub(super) struct V2<'c>(pub(super) &'c Cloud);

/// A list of one kind of object, whatever it is called.
#[derive(Deserialize)]
struct Objects<T> {
    #[serde(
        alias = "loadbalancers",
        alias = "listeners",
        alias = "pools",
        alias = "members",
        alias = "healthmonitors"
    )]
    items: Vec<T>,
}

/// An object with an id.
pub(super) trait Identified: Send {
    fn id(&self) -> &str;
}

macro_rules! identified {
    ($($name:ident),+) => { $(impl Identified for $name {
        fn id(&self) -> &str {
            &self.id
        }
    })+ };
}

identified!(LoadBalancer, Listener, Pool, OldMember);

impl<T: Identified + for<'de> Deserialize<'de>> Page for Objects<T> {
    type Item = T;

    fn split(self) -> Parts<T> {
        Parts { items: self.items, next: None, total: None }
    }

    fn id(item: &T) -> &str {
        item.id()
    }
}

/// A member as v2 shows it: its subnet has another name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct OldMember {
    id: String,
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    address: String,
    #[serde(deserialize_with = "or_default")]
    protocol_port: u16,
    #[serde(deserialize_with = "or_default")]
    subnet_id: String,
    weight: Option<u32>,
    #[serde(deserialize_with = "or_default")]
    operating_status: String,
}

impl From<OldMember> for Member {
    fn from(old: OldMember) -> Self {
        Self {
            id: old.id,
            name: old.name,
            address: old.address,
            protocol_port: old.protocol_port,
            subnet_cidr_id: old.subnet_id,
            weight: old.weight,
            operating_status: old.operating_status,
        }
    }
}

#[derive(Serialize)]
struct NewOldMember<'a> {
    address: &'a str,
    protocol_port: u16,
    subnet_id: Option<&'a str>,
    weight: u32,
    name: &'a str,
}

#[derive(Serialize)]
struct Weight {
    weight: u32,
}

#[derive(Serialize)]
struct MemberBody<T> {
    member: T,
}

#[derive(Deserialize)]
struct OneListener {
    listener: Listener,
}

#[derive(Deserialize)]
struct OnePool {
    pool: Pool,
}

#[derive(Deserialize)]
struct OneMonitor {
    healthmonitor: Monitor,
}

impl<'c> V2<'c> {
    fn path<'p>(path: &[&'p str]) -> Vec<&'p str> {
        ["v2", PROJECT, "elb"].into_iter().chain(path.iter().copied()).collect()
    }

    pub(super) fn get(self, name: &'static str, path: &[&str]) -> Request<'c> {
        self.0.get(Service::Elb, name, &Self::path(path))
    }

    pub(super) fn post(self, name: &'static str, path: &[&str]) -> Request<'c> {
        self.0.post(Service::Elb, name, &Self::path(path))
    }

    pub(super) fn put(self, name: &'static str, path: &[&str]) -> Request<'c> {
        self.0.put(Service::Elb, name, &Self::path(path))
    }

    pub(super) async fn delete(self, name: &'static str, path: &[&str]) -> Result<(), Error> {
        gone_is_done(self.0.delete(Service::Elb, name, &Self::path(path)).run().await.map(drop))
    }

    async fn list<T>(request: Request<'c>) -> Result<Vec<T>, Error>
    where
        T: Identified + for<'de> Deserialize<'de>,
    {
        Ok(request.list::<Objects<T>>(STYLE).await?.into_inner())
    }

    /// `name` filters by one name.
    pub(super) async fn load_balancers(self, name: Option<&str>) -> Result<Vec<LoadBalancer>, Error> {
        Self::list(self.get("ListLoadbalancers", &["loadbalancers"]).query_if("name", name)).await
    }

    pub(super) async fn listeners(self, balancer: &str) -> Result<Vec<Listener>, Error> {
        Self::list(self.get("ListListeners", &["listeners"]).query("loadbalancer_id", balancer)).await
    }

    pub(super) async fn pools(self, balancer: &str) -> Result<Vec<Pool>, Error> {
        Self::list(self.get("ListPools", &["pools"]).query("loadbalancer_id", balancer)).await
    }

    async fn members_of(self, pool: &str) -> Result<Vec<Member>, Error> {
        let members: Vec<OldMember> = Self::list(self.get("ListMembers", &["pools", pool, "members"])).await?;
        Ok(members.into_iter().map(Into::into).collect())
    }

    /// Of all pools of a load balancer: one list more for each.
    pub(super) async fn members(self, balancer: &str) -> Result<Vec<Member>, Error> {
        let pools = self.pools(balancer).await?;
        let lists = try_join_all(pools.iter().map(|pool| self.members_of(&pool.id))).await?;
        Ok(lists.into_iter().flatten().collect())
    }

    pub(super) async fn monitors(self, ids: &[&str]) -> Result<Vec<Monitor>, Error> {
        try_join_all(ids.iter().map(|id| self.monitor(id))).await
    }

    async fn monitor(self, id: &str) -> Result<Monitor, Error> {
        let request = self.get("ShowHealthmonitors", &["healthmonitors", id]);
        Ok(request.send::<OneMonitor>().await?.value.healthmonitor)
    }

    pub(super) async fn tag(self, id: &str, tags: &[Tag]) -> Result<(), Error> {
        let path = ["v2.0", PROJECT, "loadbalancers", id, "tags", "action"];
        let request = self.0.post(Service::Elb, "BatchCreateLoadbalancerTags", &path);
        request.body(&TagsBody::create(tags)).run().await.map(drop)
    }

    /// One by one. A member that is there already is no failure.
    pub(super) async fn add_members(self, pool: &str, new: &[NewMember]) -> Result<Vec<MemberResult>, Error> {
        let mut results = Vec::with_capacity(new.len());
        for member in new {
            let body = MemberBody {
                member: NewOldMember {
                    address: &member.address,
                    protocol_port: member.protocol_port,
                    subnet_id: member.subnet_cidr_id.as_deref(),
                    weight: member.weight,
                    name: &member.name,
                },
            };
            let request = self.post("CreateMember", &["pools", pool, "members"]).body(&body);
            let status = match request.run().await {
                Ok(_) => "successful",
                Err(error) if error.kind != Kind::Conflict => return Err(error),
                Err(error) => {
                    if !self.has_member(pool, member).await? {
                        return Err(error);
                    }
                    "existed"
                }
            };
            let (address, ret_status) = (member.address.clone(), status.to_owned());
            results.push(MemberResult { id: String::new(), address, ret_status });
        }
        Ok(results)
    }

    async fn has_member(self, pool: &str, wanted: &NewMember) -> Result<bool, Error> {
        let members = self.members_of(pool).await?;
        Ok(members
            .iter()
            .any(|member| (&member.address, member.protocol_port) == (&wanted.address, wanted.protocol_port)))
    }

    pub(super) async fn weigh_members(self, pool: &str, changes: &[MemberChange]) -> Result<Vec<MemberResult>, Error> {
        for change in changes {
            let request = self.put("UpdateMember", &["pools", pool, "members", &change.id]);
            request.body(&MemberBody { member: Weight { weight: change.weight } }).run().await?;
        }
        Ok(Vec::new())
    }

    pub(super) async fn remove_members(self, pool: &str, gone: &[MemberRef]) -> Result<Vec<MemberResult>, Error> {
        for member in gone {
            self.delete("DeleteMember", &["pools", pool, "members", &member.id]).await?;
        }
        Ok(Vec::new())
    }

    /// A pool with its members and monitor.
    pub(super) async fn delete_pool(self, id: &str) -> Result<(), Error> {
        let pool = match self.get("ShowPool", &["pools", id]).send::<OnePool>().await {
            Ok(answer) => answer.value.pool,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        for Id { id: member } in &pool.members {
            self.delete("DeleteMember", &["pools", id, "members", member]).await?;
        }
        if !pool.healthmonitor_id.is_empty() {
            self.delete("DeleteHealthmonitor", &["healthmonitors", &pool.healthmonitor_id]).await?;
        }
        self.delete("DeletePool", &["pools", id]).await
    }

    /// A listener with its pool.
    pub(super) async fn delete_listener(self, id: &str) -> Result<(), Error> {
        let listener = match self.get("ShowListener", &["listeners", id]).send::<OneListener>().await {
            Ok(answer) => answer.value.listener,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        if !listener.default_pool_id.is_empty() {
            self.delete_pool(&listener.default_pool_id).await?;
        }
        self.delete("DeleteListener", &["listeners", id]).await
    }

    /// A load balancer with all that hangs on it. What it says it has is what goes: no list is asked.
    pub(super) async fn delete_load_balancer(self, balancer: &LoadBalancer) -> Result<(), Error> {
        for Id { id } in &balancer.listeners {
            self.delete_listener(id).await?;
        }
        for Id { id } in &balancer.pools {
            self.delete_pool(id).await?;
        }
        self.delete("DeleteLoadbalancer", &["loadbalancers", &balancer.id]).await
    }
}

/// What v2 does not know of a listener is not sent; the plan has seen to it that nobody asked for it.
pub(super) fn without_v3(mut body: Value) -> Value {
    const NEW: [&str; 5] =
        ["keepalive_timeout", "client_timeout", "member_timeout", "transparent_client_ip_enable", "ipgroup"];
    if let Some(fields) = body.as_object_mut() {
        for field in NEW {
            fields.remove(field);
        }
    }
    body
}
