//! The service's calls.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Bound, CHANGE, CREATION, Eip, MONTH, Phase};
use crate::{
    baidu::{
        State,
        calls::{C, Tag, body, checked_tags, done, page, second},
        errors::{self, bad, busy, no_such, over},
        network::among,
    },
    engine::{Answer, Problem, Reply, Route, Service, later},
};

/// Longest name.
const NAME: usize = 65;
/// Months an elastic IP can be paid for at a time.
const MONTHS: [u32; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 24, 36];
/// What an elastic IP can be bound to.
const BINDABLE: [&str; 5] = ["BCC", "BBC", "BLB", "NAT", "VPN"];

pub(in crate::baidu) fn service() -> Service<State> {
    Service::new("eip", errors::common)
        .on(&["eip", "internal-api"])
        .route(Route::post("/v1/eip", "CreateEip", create).query(&["clientToken"]))
        .route(Route::post("/v1/eip?action", "BatchCreateEip", create_batch).query(&["clientToken"]))
        .route(Route::get("/v1/eip", "ListEips", list).query(&[
            "eip",
            "instanceType",
            "instanceId",
            "status",
            "name",
            "eipIds",
            "ipVersion",
            "marker",
            "maxKeys",
        ]))
        .route(Route::put("/v1/eip/{eip}?resize", "ResizeEip", resize).query(&["clientToken"]))
        .route(Route::put("/v1/eip/{eip}?bind", "BindEip", bind).query(&["clientToken"]))
        .route(Route::put("/v1/eip/{eip}?unbind", "UnbindEip", unbind).query(&["clientToken"]))
        .route(Route::delete("/v1/eip/{eip}", "DeleteEip", delete).query(&["clientToken", "releaseToRecycle"]))
        .route(
            Route::get("/v1/eip/recycle", "ListRecycledEips", list_recycled)
                .query(&["eip", "name", "marker", "maxKeys"]),
        )
        .route(Route::put("/v1/eip/recycle/{eip}?restore", "RestoreEip", restore).query(&["clientToken"]))
        .route(Route::delete("/v1/eip/recycle/{eip}", "DeleteRecycledEip", delete_recycled).query(&["clientToken"]))
}

fn view(eip: &Eip, region: &str) -> Value {
    let bound = eip.bound.as_ref();
    json!({
        "name": eip.name, "eip": eip.eip, "eipId": eip.eip_id, "status": eip.status(), "eipInstanceType": "normal",
        "instanceType": bound.map(|bound| bound.instance_type.as_str()).unwrap_or_default(),
        "instanceId": bound.map(|bound| bound.instance_id.as_str()).unwrap_or_default(), "shareGroupId": "", "clusterId": "",
        "bandwidthInMbps": eip.bandwidth_in_mbps, "paymentTiming": eip.payment_timing, "billingMethod": eip.billing_method,
        "createTime": second(eip.created), "expireTime": eip.expires.map(second).unwrap_or_default(), "region": region,
        "routeType": eip.route_type, "tags": eip.tags, "deleteProtect": eip.delete_protect, "bwShortId": "",
    })
}

fn not_found(eip: &str) -> Problem {
    Problem::refused(404, "EipNotFound", format!("The EIP {eip} does not exist."))
}

/// The elastic IP that the path names, in the recycle bin or not.
fn find(call: &C<'_>, recycled: bool) -> Result<Eip, Problem> {
    let name = call.parameter("eip");
    let own = |eip: &&Eip| eip.account == call.account() && eip.recycled.is_some() == recycled;
    call.state.eips.get(name).filter(own).cloned().ok_or_else(|| not_found(name))
}

/// The same, when nothing is under way with it and it is in one of the states.
fn settled(call: &C<'_>, wanted: &[&str]) -> Result<Eip, Problem> {
    let eip = find(call, false)?;
    let status = eip.status();
    if wanted.contains(&status) {
        return Ok(eip);
    }
    if eip.stuck.is_none() && eip.phase != Phase::Settled {
        return Err(busy("EIP", call.parameter("eip"), status));
    }
    let message = format!("The EIP {} is {status}, not {}.", eip.eip, wanted.join(" or "));
    Err(Problem::refused(400, "EipStatusError", message))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewEip {
    #[serde(default)]
    name: String,
    bandwidth_in_mbps: u32,
    billing: Billing,
    #[serde(default)]
    tags: Vec<Tag>,
    route_type: Option<String>,
    #[serde(default)]
    delete_protect: bool,
    #[serde(default)]
    ip_version: Option<String>,
    #[serde(default)]
    auto_renew_time_unit: Option<String>,
    #[serde(default)]
    auto_renew_time: Option<u32>,
    #[serde(default)]
    count: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Billing {
    payment_timing: String,
    #[serde(default, rename = "billingMethod")]
    method: String,
    reservation: Option<Reservation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Reservation {
    #[serde(rename = "reservationLength")]
    length: u32,
    #[serde(default, rename = "reservationTimeUnit")]
    time_unit: Option<String>,
}

impl Billing {
    /// Most Mbit/s, and how many months are paid for.
    fn checked(&self) -> Result<(u32, Option<u32>), Problem> {
        let (timing, method) = (self.payment_timing.as_str(), self.method.as_str());
        match (timing, method, &self.reservation) {
            ("Postpaid", "ByTraffic", None) => Ok((1000, None)),
            ("Postpaid", "ByBandwidth", None) => Ok((200, None)),
            ("Postpaid", _, None) => {
                Err(bad("billing.billingMethod", format!("{method} is neither ByTraffic nor ByBandwidth")))
            }
            ("Postpaid", _, Some(_)) => Err(bad("billing.reservation", "it goes with Prepaid")),
            ("Prepaid", "", Some(reservation)) => {
                let length = reservation.length;
                if reservation.time_unit.as_deref().is_some_and(|unit| !unit.eq_ignore_ascii_case("month")) {
                    return Err(bad("billing.reservation.reservationTimeUnit", "it is Month"));
                }
                if !MONTHS.contains(&length) {
                    return Err(bad(
                        "billing.reservation.reservationLength",
                        format!("{length} is not one of {MONTHS:?}"),
                    ));
                }
                Ok((200, Some(length)))
            }
            ("Prepaid", "", None) => Err(bad("billing.reservation", "Prepaid needs it")),
            ("Prepaid", ..) => Err(bad("billing.billingMethod", "Prepaid has none")),
            _ => Err(bad("billing.paymentTiming", format!("{timing} is neither Prepaid nor Postpaid"))),
        }
    }
}

fn check_bandwidth(call: &C<'_>, wanted: u32, most: u32) -> Result<(), Problem> {
    if !(1..=most).contains(&wanted) {
        return Err(bad("bandwidthInMbps", format!("{wanted} is not from 1 to {most}")));
    }
    let quota = call.quota("eip_bandwidth_in_mbps");
    if usize::try_from(wanted).is_ok_and(|wanted| wanted > quota) {
        return Err(Problem::refused(
            400,
            "BandwidthExceedLimit",
            format!("The account may have at most {quota} Mbps."),
        ));
    }
    Ok(())
}

fn create(call: &mut C<'_>) -> Reply {
    let new: NewEip = body(call)?;
    if new.count.is_some() {
        return Err(bad("count", "it goes with action=batch"));
    }
    let made = make(call, new, 1)?;
    Ok(Answer::ok(&json!({ "eip": made[0] })))
}

fn create_batch(call: &mut C<'_>) -> Reply {
    if call.query("action") != Some("batch") {
        return Err(bad("action", "it is batch"));
    }
    let new: NewEip = body(call)?;
    let count =
        new.count.filter(|count| (1..=100).contains(count)).ok_or_else(|| bad("count", "it is from 1 to 100"))?;
    let made = make(call, new, count)?;
    Ok(Answer::ok(&json!({ "eips": made })))
}

fn make(call: &mut C<'_>, new: NewEip, count: usize) -> Result<Vec<Ipv4Addr>, Problem> {
    if new.name.chars().count() > NAME {
        return Err(bad("name", format!("it is longer than {NAME} characters")));
    }
    if new.ip_version.as_deref().is_some_and(|version| version != "ipv4") {
        return Err(bad("ipVersion", "only ipv4 is simulated"));
    }
    let (most, months) = new.billing.checked()?;
    if months.is_none() && (new.auto_renew_time.is_some() || new.auto_renew_time_unit.is_some()) {
        return Err(bad("autoRenewTime", "it goes with Prepaid"));
    }
    check_bandwidth(call, new.bandwidth_in_mbps, most)?;
    let tags = checked_tags(new.tags)?;
    let account = call.account().to_owned();
    let (quota, used) = (call.quota("eips"), call.state.eips.iter().filter(|eip| eip.account == account).count());
    if used + count > quota {
        return Err(over("EipExceedLimit", "EIPs of an account", quota));
    }
    let name = if new.name.is_empty() { "eip".to_owned() } else { new.name };
    let eip = Eip {
        eip: Ipv4Addr::UNSPECIFIED,
        eip_id: String::new(),
        account,
        name,
        bandwidth_in_mbps: new.bandwidth_in_mbps,
        payment_timing: new.billing.payment_timing,
        billing_method: new.billing.method,
        expires: months.map(|months| later(call.now, MONTH * months)),
        bound: None,
        phase: Phase::Creating,
        due: later(call.now, call.delay(CREATION)),
        stuck: None,
        recycled: None,
        route_type: new.route_type.unwrap_or_else(|| "BGP".to_owned()),
        delete_protect: new.delete_protect,
        tags,
        created: call.now,
    };
    let full = |why| Problem::refused(413, "EipExceedLimit", why);
    (0..count).map(|_| call.state.add_eip(call.now, eip.clone(), None).map_err(full)).collect()
}

fn list(call: &mut C<'_>) -> Reply {
    let region = &call.state.region;
    let rows = call.list(&call.state.eips, |eip| {
        let bound = eip.bound.as_ref();
        eip.account == call.account()
            && eip.recycled.is_none()
            && call.query("eip").is_none_or(|address| address == eip.eip.to_string())
            && call.query("instanceType").is_none_or(|kind| bound.is_some_and(|bound| bound.instance_type == kind))
            && call.query("instanceId").is_none_or(|id| bound.is_some_and(|bound| bound.instance_id == id))
            && call.query("status").is_none_or(|status| status == eip.status())
            // It is looked for anywhere in the name.
            && call.query("name").is_none_or(|part| eip.name.contains(part))
            && among(call, "eipIds", &eip.eip_id)
            && call.query("ipVersion").is_none_or(|version| version == "ipv4")
    });
    page(call, "eipList", rows, |eip| &eip.eip_id, |eip| view(eip, region))
}

fn change(call: &mut C<'_>, eip: &Eip, phase: Phase, alter: impl FnOnce(&mut Eip)) {
    let due = later(call.now, call.delay(CHANGE));
    if let Some(eip) = call.state.eips.change(call.now, &eip.eip.to_string()) {
        alter(eip);
        (eip.phase, eip.due) = (phase, due);
    }
    // What takes no time is done at once.
    call.state.settle_eips(call.now);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Resize {
    new_bandwidth_in_mbps: u32,
}

fn resize(call: &mut C<'_>) -> Reply {
    let Resize { new_bandwidth_in_mbps: wanted } = body(call)?;
    let eip = settled(call, &["available", "binded"])?;
    let most = if eip.billing_method == "ByTraffic" { 1000 } else { 200 };
    check_bandwidth(call, wanted, most)?;
    change(call, &eip, Phase::Updating, |eip| eip.bandwidth_in_mbps = wanted);
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Bind {
    #[serde(rename = "instanceType")]
    kind: String,
    #[serde(rename = "instanceId")]
    id: String,
    #[serde(default, rename = "instanceIp")]
    ip: Option<Ipv4Addr>,
}

fn bind(call: &mut C<'_>) -> Reply {
    let Bind { kind: instance_type, id: instance_id, ip } = body(call)?;
    let eip = settled(call, &["available"])?;
    if ip.is_some() {
        return Err(bad("instanceIp", "only primary addresses are simulated"));
    }
    check_target(call, &instance_type, &instance_id)?;
    change(call, &eip, Phase::Binding, |eip| eip.bound = Some(Bound { instance_type, instance_id }));
    done()
}

/// That something can be given an elastic IP now.
pub(in crate::baidu) fn check_target(call: &C<'_>, kind: &str, id: &str) -> Result<(), Problem> {
    if !BINDABLE.contains(&kind) {
        return Err(bad("instanceType", format!("{kind} is not one of {}", BINDABLE.join(", "))));
    }
    if kind == "BLB" {
        let own = |blb: &&crate::baidu::blb::Blb| blb.account == call.account();
        let blb = call.state.blbs.get(id).filter(own).ok_or_else(|| no_such("BLB", id))?;
        blb.settled(call.now)?;
    } else if ["BCC", "BBC"].contains(&kind) && call.state.machine_of(call.account(), id).is_none() {
        return Err(no_such("instance", id));
    }
    let taken = call.state.eips.iter().find(|eip| eip.bound.as_ref().is_some_and(|bound| bound.instance_id == id));
    match taken {
        Some(other) => {
            Err(Problem::refused(400, "EipAlreadyExist", format!("{kind} {id} has the EIP {} already.", other.eip)))
        }
        None => Ok(()),
    }
}

fn unbind(call: &mut C<'_>) -> Reply {
    let eip = settled(call, &["binded"])?;
    change(call, &eip, Phase::Unbinding, |_| ());
    done()
}

fn delete(call: &mut C<'_>) -> Reply {
    let recycle = call.parsed("releaseToRecycle")?.unwrap_or(false);
    let eip = settled(call, &["available", "paused", "unavailable"])?;
    let refused = |code: &str, why: String| Err(Problem::refused(400, code, why));
    if let Some(bound) = &eip.bound {
        let message = format!("The EIP {} is bound to {}, unbind it first.", eip.eip, bound.instance_id);
        return refused("EipStatusError", message);
    }
    if eip.delete_protect {
        return refused("EipDeleteProtected", format!("The EIP {} is protected against deletion.", eip.eip));
    }
    if eip.expires.is_some_and(|expires| expires > call.now) {
        return refused("PrepaidEipNotExpired", format!("The EIP {} is paid for and cannot be released yet.", eip.eip));
    }
    let key = eip.eip.to_string();
    if recycle {
        let now: Timestamp = call.now;
        if let Some(eip) = call.state.eips.change(now, &key) {
            eip.recycled = Some(now);
        }
    } else {
        call.state.eips.remove(call.now, &key);
    }
    done()
}

fn list_recycled(call: &mut C<'_>) -> Reply {
    let rows = call.list(&call.state.eips, |eip| {
        eip.account == call.account()
            && eip.recycled.is_some()
            && call.query("eip").is_none_or(|address| address == eip.eip.to_string())
            && call.query("name").is_none_or(|part| eip.name.contains(part))
    });
    page(
        call,
        "eipList",
        rows,
        |eip| &eip.eip_id,
        |eip| {
            json!({
                "name": eip.name, "eip": eip.eip, "eipId": eip.eip_id, "status": eip.status(), "routeType": eip.route_type,
                "bandwidthInMbps": eip.bandwidth_in_mbps, "paymentTiming": eip.payment_timing, "billingMethod": eip.billing_method,
                "recycleTime": eip.recycled.map(second), "scheduledDeleteTime": "",
            })
        },
    )
}

fn restore(call: &mut C<'_>) -> Reply {
    let eip = find(call, true)?;
    if let Some(eip) = call.state.eips.change(call.now, &eip.eip.to_string()) {
        eip.recycled = None;
    }
    done()
}

fn delete_recycled(call: &mut C<'_>) -> Reply {
    let eip = find(call, true)?;
    call.state.eips.remove(call.now, &eip.eip.to_string());
    done()
}
