//! The calls. A deletion of what is gone already is a success.

use cloud_rest::{
    Effect, Error,
    paging::{Page, Parts, Style},
};
use futures::future::try_join_all;
use http::Method;
use serde::{Deserialize, Serialize};

use super::{
    IpGroup, Listener, ListenerChange, LoadBalancer, LoadBalancerChange, Member, MemberChange, MemberRef, MemberResult,
    Monitor, MonitorChange, NewIpGroup, NewListener, NewLoadBalancer, NewMember, NewMonitor, NewPool,
    NewSharedLoadBalancer, Pool, PoolChange, Tag,
    v2::{V2, without_v3},
};
use crate::{
    api::gone_is_done,
    cloud::{Cloud, PROJECT, Request},
    endpoints::Service,
};

/// The most rows the cloud gives at once.
const STYLE: Style = Style::Marker { marker: "marker", size: "limit", limit: 2000 };

#[derive(Serialize)]
pub(in crate::api) struct TagsBody<'a> {
    action: &'static str,
    tags: &'a [Tag],
}

impl<'a> TagsBody<'a> {
    pub(in crate::api) fn create(tags: &'a [Tag]) -> Self {
        Self { action: "create", tags }
    }
}

#[derive(Deserialize)]
struct PageInfo {
    next_marker: Option<String>,
}

macro_rules! objects {
    ($item:ident, $one:ident, $page:ident, $body:ident, $name:ident, $names:literal) => {
        #[derive(Deserialize)]
        struct $one {
            $name: $item,
        }

        #[derive(Serialize)]
        struct $body<T> {
            $name: T,
        }

        #[derive(Deserialize)]
        struct $page {
            #[serde(rename = $names)]
            items: Vec<$item>,
            page_info: Option<PageInfo>,
        }

        impl Page for $page {
            type Item = $item;

            fn split(self) -> Parts<$item> {
                let next = self.page_info.and_then(|info| info.next_marker);
                Parts { items: self.items, next, total: None }
            }

            fn id(item: &$item) -> &str {
                &item.id
            }
        }
    };
}

objects!(LoadBalancer, OneLoadBalancer, LoadBalancers, LoadBalancerBody, loadbalancer, "loadbalancers");
objects!(Listener, OneListener, Listeners, ListenerBody, listener, "listeners");
objects!(Pool, OnePool, Pools, PoolBody, pool, "pools");
objects!(Monitor, OneMonitor, Monitors, MonitorBody, healthmonitor, "healthmonitors");
objects!(IpGroup, OneIpGroup, IpGroups, IpGroupBody, ipgroup, "ipgroups");

#[derive(Deserialize)]
struct Members {
    members: Vec<Member>,
    page_info: Option<PageInfo>,
}

impl Page for Members {
    type Item = Member;

    fn split(self) -> Parts<Member> {
        Parts { items: self.members, next: self.page_info.and_then(|info| info.next_marker), total: None }
    }

    fn id(item: &Member) -> &str {
        &item.id
    }
}

#[derive(Serialize)]
struct Batch<'a, T> {
    members: &'a [T],
}

#[derive(Deserialize)]
struct Results {
    members: Vec<MemberResult>,
}

impl Cloud {
    /// The older version, where the installation has no other.
    fn v2(&self) -> Option<V2<'_>> {
        (!self.config().profile.features.dedicated_load_balancers).then_some(V2(self))
    }

    fn elb(&self, name: &'static str, method: &Method, path: &[&str]) -> Request<'_> {
        let path: Vec<&str> = ["v3", PROJECT, "elb"].iter().chain(path).copied().collect();
        match *method {
            Method::GET => self.get(Service::Elb, name, &path),
            Method::PUT => self.put(Service::Elb, name, &path),
            Method::DELETE => self.delete(Service::Elb, name, &path),
            _ => self.post(Service::Elb, name, &path),
        }
    }

    async fn elb_delete(&self, name: &'static str, path: &[&str]) -> Result<(), Error> {
        gone_is_done(self.elb(name, &Method::DELETE, path).run().await.map(drop))
    }

    /// Puts tags on a load balancer; those it has keep their place.
    pub async fn tag_load_balancer(&self, id: &str, tags: &[Tag]) -> Result<(), Error> {
        if let Some(v2) = self.v2() {
            return v2.tag(id, tags).await;
        }
        // No `elb` in this path, unlike all others.
        let path = ["v3", PROJECT, "loadbalancers", id, "tags", "action"];
        let request = self.post(Service::Elb, "BatchCreateLoadBalancerTags", &path);
        request.body(&TagsBody::create(tags)).run().await.map(drop)
    }

    /// One load balancer of either kind. The error says so when it is not there.
    pub async fn load_balancer(&self, id: &str) -> Result<LoadBalancer, Error> {
        if let Some(v2) = self.v2() {
            let request = v2.get("ShowLoadbalancer", &["loadbalancers", id]);
            return Ok(request.send::<OneLoadBalancer>().await?.value.loadbalancer);
        }
        let request = self.elb("ShowLoadBalancer", &Method::GET, &["loadbalancers", id]);
        Ok(request.send::<OneLoadBalancer>().await?.value.loadbalancer)
    }

    /// The load balancers with one of these names. An empty list proves nothing.
    pub async fn load_balancers_named(&self, names: &[String]) -> Result<Vec<LoadBalancer>, Error> {
        if let Some(v2) = self.v2() {
            let lists = try_join_all(names.iter().map(|name| v2.load_balancers(Some(name.as_str())))).await?;
            return Ok(lists.into_iter().flatten().collect());
        }
        let request = self.elb("ListLoadBalancers", &Method::GET, &["loadbalancers"]).query_each("name", names);
        Ok(request.list::<LoadBalancers>(STYLE).await?.into_inner())
    }

    /// All load balancers.
    pub async fn load_balancers(&self) -> Result<Vec<LoadBalancer>, Error> {
        if let Some(v2) = self.v2() {
            return v2.load_balancers(None).await;
        }
        let request = self.elb("ListLoadBalancers", &Method::GET, &["loadbalancers"]);
        Ok(request.list::<LoadBalancers>(STYLE).await?.into_inner())
    }

    /// Listeners of a load balancer.
    pub async fn listeners(&self, balancer: &str) -> Result<Vec<Listener>, Error> {
        if let Some(v2) = self.v2() {
            return v2.listeners(balancer).await;
        }
        let request = self.elb("ListListeners", &Method::GET, &["listeners"]).query("loadbalancer_id", balancer);
        Ok(request.list::<Listeners>(STYLE).await?.into_inner())
    }

    /// Pools of a load balancer.
    pub async fn pools(&self, balancer: &str) -> Result<Vec<Pool>, Error> {
        if let Some(v2) = self.v2() {
            return v2.pools(balancer).await;
        }
        let request = self.elb("ListPools", &Method::GET, &["pools"]).query("loadbalancer_id", balancer);
        Ok(request.list::<Pools>(STYLE).await?.into_inner())
    }

    /// Members of all pools of a load balancer.
    pub async fn members(&self, balancer: &str) -> Result<Vec<Member>, Error> {
        if let Some(v2) = self.v2() {
            return v2.members(balancer).await;
        }
        let request = self.elb("ListAllMembers", &Method::GET, &["members"]).query("loadbalancer_id", balancer);
        Ok(request.list::<Members>(STYLE).await?.into_inner())
    }

    /// These health monitors.
    pub async fn monitors(&self, ids: &[&str]) -> Result<Vec<Monitor>, Error> {
        if let Some(v2) = self.v2() {
            return v2.monitors(ids).await;
        }
        let request = self.elb("ListHealthMonitors", &Method::GET, &["healthmonitors"]).query_each("id", ids);
        Ok(request.list::<Monitors>(STYLE).await?.into_inner())
    }

    /// IP groups with this name.
    pub async fn ip_groups_named(&self, name: &str) -> Result<Vec<IpGroup>, Error> {
        if self.v2().is_some() {
            return Ok(Vec::new());
        }
        let request = self.elb("ListIpGroups", &Method::GET, &["ipgroups"]).query("name", name);
        Ok(request.list::<IpGroups>(STYLE).await?.into_inner())
    }

    /// Makes a dedicated load balancer.
    pub async fn create_load_balancer(&self, new: &NewLoadBalancer) -> Result<LoadBalancer, Error> {
        let request = self.elb("CreateLoadBalancer", &Method::POST, &["loadbalancers"]);
        let body = LoadBalancerBody { loadbalancer: new };
        Ok(request.body(&body).send::<OneLoadBalancer>().await?.value.loadbalancer)
    }

    /// Makes a shared load balancer.
    pub async fn create_shared_load_balancer(&self, new: &NewSharedLoadBalancer) -> Result<LoadBalancer, Error> {
        let request = self.post(Service::Elb, "CreateLoadbalancer", &["v2", PROJECT, "elb", "loadbalancers"]);
        let body = LoadBalancerBody { loadbalancer: new };
        Ok(request.body(&body).send::<OneLoadBalancer>().await?.value.loadbalancer)
    }

    /// Changes a load balancer, and shows it.
    pub async fn update_load_balancer(&self, id: &str, change: &LoadBalancerChange) -> Result<LoadBalancer, Error> {
        if let Some(v2) = self.v2() {
            let request = v2.put("UpdateLoadbalancer", &["loadbalancers", id]);
            let body = LoadBalancerBody { loadbalancer: change };
            return Ok(request.body(&body).send::<OneLoadBalancer>().await?.value.loadbalancer);
        }
        let request = self.elb("UpdateLoadBalancer", &Method::PUT, &["loadbalancers", id]);
        let body = LoadBalancerBody { loadbalancer: change };
        Ok(request.body(&body).send::<OneLoadBalancer>().await?.value.loadbalancer)
    }

    /// Deletes a load balancer with all that hangs on it. Public addresses are only unbound.
    pub async fn delete_load_balancer_force(&self, id: &str) -> Result<(), Error> {
        if let Some(v2) = self.v2() {
            return match self.load_balancer(id).await {
                Ok(balancer) => v2.delete_load_balancer(&balancer).await,
                Err(error) if error.is_not_found() => Ok(()),
                Err(error) => Err(error),
            };
        }
        self.elb_delete("DeleteLoadBalancerForce", &["loadbalancers", id, "force-elb"]).await
    }

    /// Makes a listener.
    pub async fn create_listener(&self, new: &NewListener) -> Result<Listener, Error> {
        if let Some(v2) = self.v2() {
            let body = ListenerBody { listener: without_v3(serde_json::to_value(new).unwrap_or_default()) };
            let request = v2.post("CreateListener", &["listeners"]).body(&body);
            return Ok(request.send::<OneListener>().await?.value.listener);
        }
        let request = self.elb("CreateListener", &Method::POST, &["listeners"]);
        Ok(request.body(&ListenerBody { listener: new }).send::<OneListener>().await?.value.listener)
    }

    /// Changes a listener.
    pub async fn update_listener(&self, id: &str, change: &ListenerChange) -> Result<(), Error> {
        if let Some(v2) = self.v2() {
            let body = ListenerBody { listener: without_v3(serde_json::to_value(change).unwrap_or_default()) };
            return v2.put("UpdateListener", &["listeners", id]).body(&body).run().await.map(drop);
        }
        let request = self.elb("UpdateListener", &Method::PUT, &["listeners", id]);
        request.body(&ListenerBody { listener: change }).run().await.map(drop)
    }

    /// Deletes a listener with its pool.
    pub async fn delete_listener_force(&self, id: &str) -> Result<(), Error> {
        if let Some(v2) = self.v2() {
            return v2.delete_listener(id).await;
        }
        self.elb_delete("DeleteListenerForce", &["listeners", id, "force"]).await
    }

    /// Makes a pool.
    pub async fn create_pool(&self, new: &NewPool) -> Result<Pool, Error> {
        if let Some(v2) = self.v2() {
            let request = v2.post("CreatePool", &["pools"]).body(&PoolBody { pool: new });
            return Ok(request.send::<OnePool>().await?.value.pool);
        }
        let request = self.elb("CreatePool", &Method::POST, &["pools"]);
        Ok(request.body(&PoolBody { pool: new }).send::<OnePool>().await?.value.pool)
    }

    /// Changes a pool.
    pub async fn update_pool(&self, id: &str, change: &PoolChange) -> Result<(), Error> {
        if let Some(v2) = self.v2() {
            return v2.put("UpdatePool", &["pools", id]).body(&PoolBody { pool: change }).run().await.map(drop);
        }
        let request = self.elb("UpdatePool", &Method::PUT, &["pools", id]);
        request.body(&PoolBody { pool: change }).run().await.map(drop)
    }

    /// Deletes a pool with its members and monitor.
    pub async fn delete_pool_cascade(&self, id: &str) -> Result<(), Error> {
        if let Some(v2) = self.v2() {
            return v2.delete_pool(id).await;
        }
        self.elb_delete("DeletePoolCascade", &["pools", id, "delete-cascade"]).await
    }

    /// Adds members; those that are there already are no failure.
    pub async fn batch_create_members(&self, pool: &str, new: &[NewMember]) -> Result<Vec<MemberResult>, Error> {
        if let Some(v2) = self.v2() {
            return v2.add_members(pool, new).await;
        }
        self.batch("BatchCreateMembers", pool, "batch-add", new).await
    }

    /// Sets weights.
    pub async fn batch_update_members(&self, pool: &str, changes: &[MemberChange]) -> Result<Vec<MemberResult>, Error> {
        if let Some(v2) = self.v2() {
            return v2.weigh_members(pool, changes).await;
        }
        self.batch("BatchUpdateMembers", pool, "batch-update", changes).await
    }

    /// Takes members out; those that are gone already are no failure.
    pub async fn batch_delete_members(&self, pool: &str, gone: &[MemberRef]) -> Result<Vec<MemberResult>, Error> {
        if let Some(v2) = self.v2() {
            return v2.remove_members(pool, gone).await;
        }
        self.batch("BatchDeleteMembers", pool, "batch-delete", gone).await
    }

    async fn batch<T: Serialize>(
        &self,
        name: &'static str,
        pool: &str,
        verb: &str,
        members: &[T],
    ) -> Result<Vec<MemberResult>, Error> {
        let request = self.elb(name, &Method::POST, &["pools", pool, "members", verb]);
        let request = request.effect(Effect::RepeatableWrite).body(&Batch { members });
        Ok(request.send::<Results>().await?.value.members)
    }

    /// Makes a health monitor.
    pub async fn create_monitor(&self, new: &NewMonitor) -> Result<Monitor, Error> {
        if let Some(v2) = self.v2() {
            let request = v2.post("CreateHealthmonitor", &["healthmonitors"]);
            let body = MonitorBody { healthmonitor: new };
            return Ok(request.body(&body).send::<OneMonitor>().await?.value.healthmonitor);
        }
        let request = self.elb("CreateHealthMonitor", &Method::POST, &["healthmonitors"]);
        let body = MonitorBody { healthmonitor: new };
        Ok(request.body(&body).send::<OneMonitor>().await?.value.healthmonitor)
    }

    /// Changes a health monitor.
    pub async fn update_monitor(&self, id: &str, change: &MonitorChange) -> Result<(), Error> {
        if let Some(v2) = self.v2() {
            let request = v2.put("UpdateHealthmonitor", &["healthmonitors", id]);
            return request.body(&MonitorBody { healthmonitor: change }).run().await.map(drop);
        }
        let request = self.elb("UpdateHealthMonitor", &Method::PUT, &["healthmonitors", id]);
        request.body(&MonitorBody { healthmonitor: change }).run().await.map(drop)
    }

    /// Deletes a health monitor.
    pub async fn delete_monitor(&self, id: &str) -> Result<(), Error> {
        if let Some(v2) = self.v2() {
            return v2.delete("DeleteHealthmonitor", &["healthmonitors", id]).await;
        }
        self.elb_delete("DeleteHealthMonitor", &["healthmonitors", id]).await
    }

    /// Makes an IP group.
    pub async fn create_ip_group(&self, new: &NewIpGroup) -> Result<IpGroup, Error> {
        let request = self.elb("CreateIpGroup", &Method::POST, &["ipgroups"]);
        Ok(request.body(&IpGroupBody { ipgroup: new }).send::<OneIpGroup>().await?.value.ipgroup)
    }

    /// Sets the entries of an IP group.
    pub async fn update_ip_group(&self, id: &str, change: &NewIpGroup) -> Result<(), Error> {
        let request = self.elb("UpdateIpGroup", &Method::PUT, &["ipgroups", id]);
        request.body(&IpGroupBody { ipgroup: change }).run().await.map(drop)
    }

    /// Deletes an IP group.
    pub async fn delete_ip_group(&self, id: &str) -> Result<(), Error> {
        self.elb_delete("DeleteIpGroup", &["ipgroups", id]).await
    }
}
