//! Tags of load balancers, whose paths lack the `elb` of all others, and the search by tags.

use ::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    super::{At, LoadBalancer, Tag, refusals::check_one_of},
    Calling,
    calls::operate,
    done,
};
use crate::{
    engine::{Answer, Problem, Reply, Route, Service},
    huawei::{State, errors},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    action: String,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    action: String,
    #[serde(default)]
    tags: Vec<Wanted>,
    limit: Option<String>,
    offset: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    key: String,
    #[serde(default)]
    values: Vec<String>,
}

/// The calls of both versions.
pub(in crate::huawei) fn services() -> Service<State> {
    Service::new("elb", errors::elb)
        .route(Route::post("/v3/{project_id}/loadbalancers/{id}/tags/action", "BatchCreateLoadBalancerTags", act))
        .route(Route::get("/v3/{project_id}/loadbalancers/{id}/tags", "ShowLoadBalancerTags", tags))
        .route(Route::post("/v2.0/{project_id}/loadbalancers/{id}/tags/action", "BatchCreateLoadbalancerTags", act))
        .route(Route::get("/v2.0/{project_id}/loadbalancers/{id}/tags", "ShowLoadbalancerTags", tags))
        .route(
            Route::post(
                "/v2.0/{project_id}/loadbalancers/resource_instances/action",
                "ListLoadbalancersByTags",
                search,
            )
            .reads(),
        )
}

fn act(call: Calling<'_, '_>) -> Reply {
    let (id, Action { action, tags }) = (call.parameter("id").to_owned(), call.body()?);
    check_one_of("action", &action, &["create", "delete"])?;
    operate(call, |elb, _, at| elb.tag_load_balancer(at, &id, &tags, action == "create"))?;
    Ok(done())
}

fn tags(call: Calling<'_, '_>) -> Reply {
    let at = At::of(call);
    let object = call.state.elb.load_balancer(&at, call.parameter("id"))?;
    Ok(Answer::ok(&json!({ "tags": object.fields.tags })))
}

fn search(call: Calling<'_, '_>) -> Reply {
    let wanted: Search = call.body()?;
    check_one_of("action", &wanted.action, &["filter", "count"])?;
    let at = At::of(call);
    let has = |object: &LoadBalancer| {
        let tags = &object.fields.tags;
        object.project == at.project
            && wanted.tags.iter().all(|Wanted { key, values }| {
                tags.iter().any(|tag| tag.key == *key && (values.is_empty() || values.contains(&tag.value)))
            })
    };
    let found = call.list(&call.state.elb.load_balancers, has);
    let total = found.len();
    if wanted.action == "count" {
        return Ok(Answer::ok(&json!({ "total_count": total })));
    }
    let (limit, offset) = (number("limit", wanted.limit, 1000)?, number("offset", wanted.offset, 0)?);
    let rows: Vec<_> = found
        .into_iter()
        .skip(offset)
        .take(limit)
        .map(|object| {
            json!({
                "resource_id": object.id,
                "resource_name": object.fields.name,
                "resource_detail": "",
                "tags": object.fields.tags,
                "super_resource_id": "",
            })
        })
        .collect();
    Ok(Answer::json(StatusCode::OK, &json!({ "resources": rows, "total_count": total })))
}

/// Numbers are texts here.
fn number(field: &str, text: Option<String>, default: usize) -> Result<usize, Problem> {
    match text {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| Problem::BadBody(format!("`{field}` is no number"))),
    }
}
