//! v2: shared load balancers only, in older words and with fewer fields.

use serde_json::{Value, json};

use super::{
    super::{At, Fields, refusals::missing},
    calls::{Version, create, delete, list, show, update},
    kinds::{Kind, Listeners, LoadBalancers, Members, Monitors, Pools, Through, Whitelists},
};
use crate::{
    engine::{Answer, Problem, Route, Service, paging},
    huawei::{State, errors},
};

/// How v2 words a kind of object: its fields, where they are called otherwise than in v3 with a colon and v3's name.
struct Words {
    create: &'static [&'static str],
    update: &'static [&'static str],
    view: &'static [&'static str],
}

fn words(kind: &str) -> &'static Words {
    match kind {
        "loadbalancer" => &Words {
            create: &[
                "name",
                "description",
                "vip_subnet_id:vip_subnet_cidr_id",
                "vip_address",
                "provider",
                "admin_state_up",
                "enterprise_project_id",
            ],
            update: &["name", "description", "admin_state_up"],
            view: &[
                "id",
                "tenant_id:project_id",
                "project_id",
                "name",
                "description",
                "admin_state_up",
                "provider",
                "vip_port_id",
                "vip_address",
                "vip_subnet_id:vip_subnet_cidr_id",
                "listeners",
                "pools",
                "operating_status",
                "provisioning_status",
                "publicips",
                "tags",
                "enterprise_project_id",
                "created_at",
                "updated_at",
            ],
        },
        "listener" => &Words {
            create: &[
                "loadbalancer_id",
                "protocol",
                "protocol_port",
                "name",
                "description",
                "admin_state_up",
                "default_pool_id",
                "default_tls_container_ref",
                "client_ca_tls_container_ref",
                "sni_container_refs",
                "tls_ciphers_policy",
                "http2_enable",
                "insert_headers",
            ],
            update: &[
                "name",
                "description",
                "admin_state_up",
                "default_pool_id",
                "default_tls_container_ref",
                "client_ca_tls_container_ref",
                "sni_container_refs",
                "tls_ciphers_policy",
                "http2_enable",
                "insert_headers",
            ],
            view: &[
                "id",
                "tenant_id:project_id",
                "project_id",
                "loadbalancers",
                "protocol",
                "protocol_port",
                "name",
                "description",
                "admin_state_up",
                "default_pool_id",
                "default_tls_container_ref",
                "client_ca_tls_container_ref",
                "sni_container_refs",
                "tls_ciphers_policy",
                "http2_enable",
                "insert_headers",
                "connection_limit",
                "tags",
                "created_at",
                "updated_at",
            ],
        },
        "pool" => &Words {
            create: &[
                "loadbalancer_id",
                "listener_id",
                "protocol",
                "lb_algorithm",
                "name",
                "description",
                "admin_state_up",
                "session_persistence",
            ],
            update: &["name", "description", "admin_state_up", "lb_algorithm", "session_persistence"],
            view: &[
                "id",
                "tenant_id:project_id",
                "project_id",
                "loadbalancers",
                "listeners",
                "members",
                "healthmonitor_id",
                "protocol",
                "lb_algorithm",
                "name",
                "description",
                "admin_state_up",
                "session_persistence",
            ],
        },
        "member" => &Words {
            create: &["address", "protocol_port", "subnet_id:subnet_cidr_id", "weight", "name", "admin_state_up"],
            update: &["weight", "name", "admin_state_up"],
            view: &[
                "id",
                "tenant_id:project_id",
                "project_id",
                "address",
                "protocol_port",
                "subnet_id:subnet_cidr_id",
                "weight",
                "name",
                "admin_state_up",
                "operating_status",
            ],
        },
        "healthmonitor" => &Words {
            create: &[
                "pool_id",
                "type",
                "delay",
                "timeout",
                "max_retries",
                "monitor_port",
                "url_path",
                "domain_name",
                "expected_codes",
                "http_method",
                "name",
                "admin_state_up",
            ],
            update: &[
                "type",
                "delay",
                "timeout",
                "max_retries",
                "monitor_port",
                "url_path",
                "domain_name",
                "expected_codes",
                "http_method",
                "name",
                "admin_state_up",
            ],
            view: &[
                "id",
                "tenant_id:project_id",
                "project_id",
                "pools",
                "type",
                "delay",
                "timeout",
                "max_retries",
                "monitor_port",
                "url_path",
                "domain_name",
                "expected_codes",
                "http_method",
                "name",
                "admin_state_up",
            ],
        },
        "whitelist" => &Words {
            create: &["listener_id", "enable_whitelist", "whitelist", "tenant_id"],
            update: &["enable_whitelist", "whitelist"],
            view: &["id", "tenant_id", "listener_id", "enable_whitelist", "whitelist"],
        },
        other => unreachable!("v2 has no {other}"),
    }
}

/// v2's name and v3's.
fn names(word: &'static str) -> (&'static str, &'static str) {
    word.split_once(':').unwrap_or((word, word))
}

fn inward(words: &[&'static str], body: Fields) -> Result<Fields, Problem> {
    let mut fields = Fields::new();
    for (name, value) in body {
        let word = words.iter().map(|word| names(word)).find(|(old, _)| *old == name);
        let (_, new) = word.ok_or_else(|| Problem::BadBody(format!("unknown field `{name}`")))?;
        fields.insert(new.to_owned(), value);
    }
    Ok(fields)
}

/// Headers that a v2 listener can add.
const HEADERS: [&str; 2] = ["X-Forwarded-ELB-IP", "X-Forwarded-Host"];

fn check_headers(fields: &Fields) -> Result<(), Problem> {
    let headers = fields.get("insert_headers").and_then(Value::as_object).into_iter().flat_map(Fields::keys);
    match headers.into_iter().find(|header| !HEADERS.contains(&header.as_str())) {
        Some(header) => Err(Problem::BadBody(format!("unknown field `insert_headers.{header}`"))),
        None => Ok(()),
    }
}

struct V2;

impl Version for V2 {
    const THROUGH: Through = Through::V2;

    fn new_fields(kind: &str, body: Fields) -> Result<Fields, Problem> {
        check_headers(&body)?;
        if kind == "loadbalancer" && body.get("enterprise_project_id").is_some_and(|id| id == "") {
            return Err(Problem::refused(400, "ELB.1202", "enterprise_project_id can not be empty"));
        }
        let mut fields = inward(words(kind).create, body)?;
        fields.remove("tenant_id");
        Ok(fields)
    }

    fn changed_fields(kind: &str, body: Fields) -> Result<Fields, Problem> {
        check_headers(&body)?;
        inward(words(kind).update, body)
    }

    fn view(kind: &str, view: Fields) -> Fields {
        let mut shown = Fields::new();
        for (old, new) in words(kind).view.iter().map(|word| names(word)) {
            let value = view.get(new).cloned().unwrap_or_default();
            shown.insert(old.to_owned(), older(old, value));
        }
        shown
    }

    fn page_info(_: &paging::Page<Fields>) -> Option<Value> {
        None
    }
}

/// Times have no `Z`, tags are texts.
fn older(name: &str, value: Value) -> Value {
    match (name, value) {
        ("created_at" | "updated_at", Value::String(time)) => json!(time.trim_end_matches('Z')),
        ("tags", Value::Array(tags)) => {
            let text = |tag: &Value, part: &str| tag[part].as_str().unwrap_or_default().to_owned();
            tags.iter().map(|tag| format!("{}={}", text(tag, "key"), text(tag, "value"))).collect()
        }
        (_, value) => value,
    }
}

macro_rules! filters {
    ($($name:literal),* $(,)?) => { &["marker", "limit", "page_reverse", "id", "name", "description", "admin_state_up", $($name),*] };
}

/// The service under `/v2/{project_id}/elb`.
pub(in crate::huawei) fn service() -> Service<State> {
    let service = Service::new("elb", errors::elb_v2);
    let service = crud::<LoadBalancers>(
        service,
        ["/v2/{project_id}/elb/loadbalancers", "/v2/{project_id}/elb/loadbalancers/{id}"],
        ["CreateLoadbalancer", "ListLoadbalancers", "ShowLoadbalancer", "UpdateLoadbalancer", "DeleteLoadbalancer"],
        filters![
            "operating_status",
            "provisioning_status",
            "vip_address",
            "vip_port_id",
            "vip_subnet_id",
            "enterprise_project_id",
        ],
    );
    let service = crud::<Listeners>(
        service,
        ["/v2/{project_id}/elb/listeners", "/v2/{project_id}/elb/listeners/{id}"],
        ["CreateListener", "ListListeners", "ShowListener", "UpdateListener", "DeleteListener"],
        filters!["loadbalancer_id", "protocol", "protocol_port", "default_pool_id", "default_tls_container_ref"],
    );
    let service = crud::<Pools>(
        service,
        ["/v2/{project_id}/elb/pools", "/v2/{project_id}/elb/pools/{id}"],
        ["CreatePool", "ListPools", "ShowPool", "UpdatePool", "DeletePool"],
        filters!["loadbalancer_id", "listener_id", "healthmonitor_id", "protocol", "lb_algorithm"],
    );
    let service = crud::<Members>(
        service,
        ["/v2/{project_id}/elb/pools/{pool_id}/members", "/v2/{project_id}/elb/pools/{pool_id}/members/{id}"],
        ["CreateMember", "ListMembers", "ShowMember", "UpdateMember", "DeleteMember"],
        filters!["address", "protocol_port", "weight", "subnet_id"],
    );
    let service = crud::<Monitors>(
        service,
        ["/v2/{project_id}/elb/healthmonitors", "/v2/{project_id}/elb/healthmonitors/{id}"],
        [
            "CreateHealthmonitor",
            "ListHealthmonitors",
            "ShowHealthmonitors",
            "UpdateHealthmonitor",
            "DeleteHealthmonitor",
        ],
        filters![
            "monitor_port",
            "domain_name",
            "delay",
            "max_retries",
            "timeout",
            "type",
            "expected_codes",
            "url_path"
        ],
    );
    let service = crud::<Whitelists>(
        service,
        ["/v2/{project_id}/elb/whitelists", "/v2/{project_id}/elb/whitelists/{id}"],
        ["CreateWhitelist", "ListWhitelists", "ShowWhitelist", "UpdateWhitelist", "DeleteWhitelist"],
        &["marker", "limit", "page_reverse", "id", "listener_id", "enable_whitelist", "whitelist"],
    );
    service.route(Route::get("/v2/{project_id}/elb/loadbalancers/{id}/statuses", "ShowLoadbalancersStatus", |call| {
        let (at, id) = (At::of(call), call.parameter("id"));
        let elb = &call.state.elb;
        if elb.load_balancer(&at, id)?.guaranteed {
            return Err(missing("loadbalancer", id));
        }
        Ok(Answer::ok(&json!({ "statuses": elb.statuses(&at, id)? })))
    }))
}

fn crud<K: Kind + 'static>(
    service: Service<State>,
    [many, one]: [&'static str; 2],
    [make, all, this, change, drop]: [&'static str; 5],
    filters: &'static [&'static str],
) -> Service<State> {
    service
        .route(Route::post(many, make, create::<K, V2>))
        .route(Route::get(many, all, list::<K, V2>).query(filters))
        .route(Route::get(one, this, show::<K, V2>))
        .route(Route::put(one, change, update::<K, V2>))
        .route(Route::delete(one, drop, delete::<K, V2>))
}
