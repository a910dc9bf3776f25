//! AppBLBs at the edge: made in a place of a carrier, with an address outside that comes with them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    AtEdge, Blb, CREATION, Front as _, Kind,
    front::{self, check_desc, check_name},
};
use crate::{
    baidu::{
        State,
        calls::{C, body, page},
        errors::{bad, over},
    },
    engine::{Answer, Problem, Reply, Route, Service, later},
};

pub(super) fn routes(service: Service<State>) -> Service<State> {
    let one = AtEdge::path("/{id}");
    service
        .route(Route::post(AtEdge::ROOT, "CreateAppBlb", create).query(&["clientToken"]))
        .route(Route::get(AtEdge::ROOT, "ListAppBlbs", list).query(&["marker", "maxKeys"]))
        .route(Route::get(one, "GetAppBlb", show))
        .route(Route::put(one, "UpdateAppBlb", front::update::<AtEdge>).query(&["clientToken"]))
        .route(Route::delete(one, "DeleteAppBlb", front::delete::<AtEdge>).query(&["clientToken"]))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewBlb {
    name: String,
    #[serde(default)]
    desc: String,
    region_id: String,
    #[serde(default)]
    need_public_ip: bool,
    #[serde(default)]
    vpc_id: String,
    #[serde(default)]
    subnet_id: String,
    #[serde(default, rename = "subServiceProviders")]
    _sub_service_providers: Vec<String>,
}

fn create(call: &mut C<'_>) -> Reply {
    let new: NewBlb = body(call)?;
    check_name(&new.name)?;
    check_desc(&new.desc)?;
    if !new.region_id.contains('-') {
        return Err(bad("regionId", format!("{} is no city and carrier such as cn-hangzhou-cm", new.region_id)));
    }
    let account = call.account().to_owned();
    let (quota, used) = (call.quota("blbs"), call.state.blbs.iter().filter(|blb| blb.account == account).count());
    if used >= quota {
        return Err(over("BlbExceedLimit", "BLBs of an account", quota));
    }
    let full = |why| Problem::refused(413, "IpExceedLimit", why);
    let address = call.state.lease_edge(false).map_err(full)?;
    let public_address = if new.need_public_ip { Some(call.state.lease_edge(true).map_err(full)?) } else { None };
    let blb = Blb {
        blb_id: call.state.new_id("applb"),
        account,
        kind: Kind::Edge,
        name: new.name,
        desc: new.desc,
        vpc_id: new.vpc_id,
        subnet_id: new.subnet_id,
        address,
        ipv6: None,
        tags: Vec::new(),
        allow_delete: true,
        performance_level: String::new(),
        payment_timing: "Postpaid".to_owned(),
        ready_at: later(call.now, call.delay(CREATION)),
        busy_until: call.now,
        region_id: Some(new.region_id),
        public_address,
        stuck: None,
        created: call.now,
        listeners: Vec::new(),
        backends: Vec::new(),
        groups: Vec::new(),
        ip_groups: Vec::new(),
        policies: Vec::new(),
    };
    let view = json!({ "blbId": blb.blb_id, "name": blb.name, "desc": blb.desc });
    call.state.blbs.insert(call.now, &blb.blb_id.clone(), blb);
    Ok(Answer::ok(&view))
}

fn view(blb: &Blb, call: &C<'_>) -> Value {
    let mut view = front::detail(blb, call.state, call.now);
    view["regionId"] = json!(blb.region_id);
    view["subnetId"] = json!(blb.subnet_id);
    view
}

fn list(call: &mut C<'_>) -> Reply {
    let rows = call.list(&call.state.blbs, |blb| blb.account == call.account() && blb.kind == Kind::Edge);
    page(call, "blbList", rows, |blb| &blb.blb_id, |blb| view(blb, call))
}

fn show(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&view(super::named::<AtEdge>(call)?, call)))
}
