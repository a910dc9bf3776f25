//! Load balancers themselves, of either kind.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Blb, CREATION, Front, Kind, change, named};
use crate::{
    baidu::{
        State, bec,
        calls::{C, Tag, body, checked_tags, done, page, second},
        eip::{Bound, Phase},
        errors::{bad, no_such, over},
    },
    engine::{Answer, Problem, Reply, Route, Service, later},
};

/// Longest name.
const NAME: usize = 65;
/// Longest description.
const DESC: usize = 450;

/// The routes of load balancers below `/v1/blb` or `/v1/appblb`.
pub(super) fn routes<F: Front>(service: Service<State>) -> Service<State> {
    let (all, one) = (F::ROOT, F::path("/{id}"));
    service
        .route(Route::post(all, "CreateLoadBalancer", create::<F>).query(&["clientToken"]))
        .route(Route::get(all, "ListLoadBalancers", list::<F>).query(&[
            "address",
            "name",
            "blbId",
            "bccId",
            "exactlyMatch",
            "type",
            "marker",
            "maxKeys",
        ]))
        .route(Route::get(one, "GetLoadBalancer", show::<F>))
        .route(Route::put(one, "UpdateLoadBalancer", update::<F>).query(&["clientToken"]))
        .route(Route::delete(one, "DeleteLoadBalancer", delete::<F>).query(&["clientToken"]))
}

pub(super) fn item(blb: &Blb, state: &State, now: Timestamp) -> Value {
    let public = blb.public_address.map_or_else(|| state.public_ip_of(&blb.blb_id), |address| address.to_string());
    json!({
        "blbId": blb.blb_id, "name": blb.name, "desc": blb.desc, "address": blb.address, "status": blb.status(now),
        "vpcId": blb.vpc_id, "subnetId": blb.subnet_id, "publicIp": public, "layer4ClusterId": "",
        "layer7ClusterId": "", "layer4ClusterExclusive": false, "layer7ClusterExclusive": false, "tags": blb.tags,
        "allowDelete": blb.allow_delete, "eipRouteType": "", "paymentTiming": blb.payment_timing,
    })
}

/// With more about the VPC and the listeners, and without the subnet's id.
pub(super) fn detail(blb: &Blb, state: &State, now: Timestamp) -> Value {
    let mut view = item(blb, state, now);
    let vpc = state.vpcs.get(&blb.vpc_id);
    let listeners: Vec<_> = blb
        .listeners
        .iter()
        .map(|listener| json!({ "port": listener.port.to_string(), "type": listener.protocol }))
        .collect();
    if let Some(view) = view.as_object_mut() {
        view.remove("subnetId");
    }
    view["vpcName"] = json!(vpc.map(|vpc| vpc.name.as_str()).unwrap_or_default());
    view["cidr"] = json!(vpc.map(|vpc| vpc.cidr.to_string()));
    view["createTime"] = json!(second(blb.created));
    view["performanceLevel"] = json!(blb.performance_level);
    view["listener"] = json!(listeners);
    if let Some(ipv6) = &blb.ipv6 {
        view["ipv6"] = json!(ipv6);
    }
    view
}

pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    let good = |c: char| c.is_alphanumeric() || "-_/. ".contains(c);
    let starts = name.chars().next().is_some_and(char::is_alphabetic);
    if !starts || name.chars().count() > NAME || !name.chars().all(good) {
        let why = format!("{name}: up to {NAME} letters, digits, -, _, / and ., the first a letter");
        return Err(bad("name", why));
    }
    Ok(())
}

pub(super) fn check_desc(desc: &str) -> Result<(), Problem> {
    if desc.chars().count() > DESC { Err(bad("desc", format!("it is longer than {DESC} characters"))) } else { Ok(()) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewBlb {
    name: Option<String>,
    #[serde(default)]
    desc: String,
    vpc_id: String,
    subnet_id: String,
    address: Option<Ipv4Addr>,
    eip: Option<String>,
    /// Without effect: it is for accounts of the cloud's own.
    #[serde(default, rename = "allocateVip")]
    _allocate_vip: Option<bool>,
    #[serde(default, rename = "clusterProperty")]
    _cluster_property: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    allow_delete: Option<bool>,
    allocate_ipv6: Option<bool>,
    performance_level: Option<String>,
    billing: Option<Billing>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Billing {
    payment_timing: String,
    #[serde(default)]
    billing_method: Option<String>,
}

fn create<F: Front>(call: &mut C<'_>) -> Reply {
    let new: NewBlb = body(call)?;
    let name = new.name.filter(|name| !name.is_empty()).unwrap_or_else(|| "blb-unnamed".to_owned());
    check_name(&name)?;
    check_desc(&new.desc)?;
    let tags = checked_tags(new.tags)?;
    if let Some(kind) = new.kind.filter(|kind| kind != "normal") {
        return Err(bad("type", format!("{kind} is not simulated, only normal is")));
    }
    let timing = new.billing.as_ref().map_or("Postpaid", |billing| billing.payment_timing.as_str()).to_owned();
    if timing != "Postpaid" {
        return Err(bad("billing.paymentTiming", format!("{timing} is not simulated, only Postpaid is")));
    }
    if let Some(method) = new.billing.and_then(|billing| billing.billing_method)
        && !["ByCapacityUnit", "BySpec"].contains(&method.as_str())
    {
        return Err(bad("billing.billingMethod", format!("{method} is neither BySpec nor ByCapacityUnit")));
    }
    let account = call.account().to_owned();
    let vpc = call.state.vpc_of(&account, &new.vpc_id)?.vpc_id.clone();
    let subnet = call.state.subnet_of(&account, &new.subnet_id)?;
    if subnet.vpc_id != vpc {
        return Err(bad("subnetId", format!("{} is in another VPC than {vpc}", subnet.subnet_id)));
    }
    let (quota, used) = (call.quota("blbs"), call.state.blbs.iter().filter(|blb| blb.account == account).count());
    if used >= quota {
        return Err(over("BlbExceedLimit", "BLBs of an account in a region", quota));
    }
    if let Some(eip) = &new.eip {
        let own = call.state.eips.get(eip).filter(|known| known.account == account);
        let own = own.ok_or_else(|| Problem::refused(404, "EipNotFound", format!("The EIP {eip} does not exist.")))?;
        if own.status() != "available" {
            return Err(Problem::refused(400, "EipStatusError", format!("The EIP {eip} is {}.", own.status())));
        }
    }
    let address = call.state.lease(&new.subnet_id, new.address).map_err(|why| match new.address {
        Some(_) => bad("address", why),
        None => Problem::refused(413, "SubnetIpExceedLimit", why),
    })?;
    let blb = Blb {
        blb_id: call.state.new_id("lb"),
        account,
        kind: F::KIND,
        name,
        desc: new.desc,
        vpc_id: vpc,
        subnet_id: new.subnet_id,
        address,
        ipv6: new.allocate_ipv6.filter(|wanted| *wanted).map(|_| format!("fd00::{:x}", address.to_bits())),
        tags,
        allow_delete: new.allow_delete.unwrap_or(true),
        performance_level: new.performance_level.unwrap_or_default(),
        payment_timing: timing,
        ready_at: later(call.now, call.delay(CREATION)),
        busy_until: call.now,
        region_id: None,
        public_address: None,
        stuck: None,
        created: call.now,
        listeners: Vec::new(),
        backends: Vec::new(),
        groups: Vec::new(),
        ip_groups: Vec::new(),
        policies: Vec::new(),
    };
    let mut view = json!({ "blbId": blb.blb_id, "name": blb.name, "desc": blb.desc, "address": blb.address });
    if let Some(ipv6) = &blb.ipv6 {
        view["ipv6"] = json!(ipv6);
    }
    let bound = Bound { instance_type: "BLB".to_owned(), instance_id: blb.blb_id.clone() };
    let due = blb.ready_at;
    call.state.blbs.insert(call.now, &blb.blb_id.clone(), blb);
    if let Some(eip) = new.eip.as_ref().and_then(|eip| call.state.eips.change(call.now, eip)) {
        (eip.bound, eip.phase, eip.due) = (Some(bound), Phase::Binding, due);
    }
    Ok(Answer::ok(&view))
}

fn list<F: Front>(call: &mut C<'_>) -> Reply {
    let exactly: bool = call.parsed("exactlyMatch")?.unwrap_or(false);
    if let Some(kind) = call.query("type").filter(|kind| *kind != "normal") {
        return Err(bad("type", format!("{kind} is not simulated, only normal is")));
    }
    let address: Option<std::net::IpAddr> = call.parsed("address")?;
    let (state, now) = (&*call.state, call.now);
    let rows = call.list(&state.blbs, |blb| {
        blb.account == call.account()
            && blb.kind == F::KIND
            && call.query("blbId").is_none_or(|id| id == blb.blb_id)
            // Unless told otherwise, it is looked for anywhere in the name.
            && call.query("name").is_none_or(|name| if exactly { blb.name == name } else { blb.name.contains(name) })
            && call.query("bccId").is_none_or(|id| blb.machines().any(|machine| machine == id))
            && address.is_none_or(|address| {
                address == blb.address || state.public_ip_of(&blb.blb_id) == address.to_string()
            })
    });
    page(call, "blbList", rows, |blb| &blb.blb_id, |blb| item(blb, state, now))
}

pub(super) fn show<F: Front>(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&detail(named::<F>(call)?, call.state, call.now)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Changed {
    name: Option<String>,
    desc: Option<String>,
    allow_delete: Option<bool>,
}

pub(super) fn update<F: Front>(call: &mut C<'_>) -> Reply {
    let changed: Changed = body(call)?;
    changed.name.as_deref().map_or(Ok(()), check_name)?;
    changed.desc.as_deref().map_or(Ok(()), check_desc)?;
    change::<F, _>(call, |blb| {
        blb.name = changed.name.unwrap_or_else(|| blb.name.clone());
        blb.desc = changed.desc.unwrap_or_else(|| blb.desc.clone());
        blb.allow_delete = changed.allow_delete.unwrap_or(blb.allow_delete);
        Ok(())
    })?;
    done()
}

pub(super) fn delete<F: Front>(call: &mut C<'_>) -> Reply {
    let blb = named::<F>(call)?;
    blb.settled(call.now)?;
    let id = blb.blb_id.clone();
    if !blb.allow_delete {
        return Err(Problem::refused(
            400,
            "BlbDeleteProtected",
            format!("The BLB {id} is protected against deletion."),
        ));
    }
    let eip = call.state.eips.iter().find(|eip| eip.bound.as_ref().is_some_and(|bound| bound.instance_id == id));
    if let Some(eip) = eip.filter(|_| call.state.switches.refuse_deletion_of_bound_blb) {
        let message = format!("The BLB {id} has the EIP {}, unbind it first.", eip.eip);
        return Err(Problem::refused(400, "BlbHasEip", message));
    }
    call.state.remove_blb(call.now, &id).ok_or_else(|| no_such("BLB", &id))?;
    done()
}

impl State {
    /// Takes a load balancer away. Its addresses are free, and its elastic IP is bound to nothing.
    pub fn remove_blb(&mut self, now: Timestamp, id: &str) -> Option<Blb> {
        let blb = self.blbs.remove(now, id)?;
        let inside = if blb.kind == Kind::Edge { bec::INSIDE } else { &blb.subnet_id };
        self.leases.give_back(inside, blb.address);
        if let Some(address) = blb.public_address {
            self.leases.give_back(bec::PUBLIC, address);
        }
        self.free_eips_of(now, id);
        Some(blb)
    }
}
