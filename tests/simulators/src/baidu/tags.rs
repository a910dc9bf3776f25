//! The tag service: tags of what there is, whichever service that is of.

use serde::Deserialize;
use serde_json::json;

use super::{
    State,
    calls::{C, Tag, body, checked_tags, done},
    errors::{self, bad, no_such},
};
use crate::engine::{Answer, Problem, Reply, Route, Service};

pub(super) fn service() -> Service<State> {
    Service::new("tag", errors::common)
        .route(Route::post("/v1/resource", "CreateAssociationsByTag", associate))
        .route(Route::put("/v1/resource", "DeleteAssociationsByTag", dissociate))
        .route(Route::get("/v1/tag/tagResources", "TagsResources", resources).query(&[
            "tagKey",
            "tagValue",
            "region",
            "resourceType",
        ]))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Association {
    tag_key: String,
    tag_value: String,
    #[serde(rename = "serviceType")]
    _service_type: String,
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Resource {
    #[serde(rename = "resourceId")]
    id: String,
    service_type: String,
    #[serde(rename = "region")]
    _region: String,
}

fn associate(call: &mut C<'_>) -> Reply {
    change(call, true)
}

fn dissociate(call: &mut C<'_>) -> Reply {
    change(call, false)
}

fn change(call: &mut C<'_>, add: bool) -> Reply {
    let Association { tag_key, tag_value, resources, .. } = body(call)?;
    if resources.is_empty() {
        return Err(bad("resources", "it is empty"));
    }
    for resource in &resources {
        tags_of(call, resource)?;
    }
    for resource in &resources {
        let mut tags = tags_of(call, resource)?.clone();
        tags.retain(|tag| tag.tag_key != tag_key || (!add && tag.tag_value != tag_value));
        if add {
            tags.push(Tag { tag_key: tag_key.clone(), tag_value: tag_value.clone() });
        }
        *tags_of(call, resource)? = checked_tags(tags)?;
    }
    done()
}

/// The tags of something of the caller's.
fn tags_of<'c>(call: &'c mut C<'_>, resource: &Resource) -> Result<&'c mut Vec<Tag>, Problem> {
    let (id, account, now) = (resource.id.as_str(), call.account().to_owned(), call.now);
    let state = &mut *call.state;
    let missing = || no_such(&resource.service_type, id);
    match resource.service_type.as_str() {
        "BLB" | "APPBLB" => {
            state.blbs.get(id).filter(|blb| blb.account == account).ok_or_else(missing)?;
            state.blbs.change(now, id).map(|blb| &mut blb.tags).ok_or_else(missing)
        }
        "EIP" => {
            let found =
                state.eips.iter().find(|eip| eip.account == account && (eip.eip_id == id || eip.eip.to_string() == id));
            let address = found.map(|eip| eip.eip.to_string()).ok_or_else(missing)?;
            state.eips.change(now, &address).map(|eip| &mut eip.tags).ok_or_else(missing)
        }
        "BCC" | "BBC" => {
            state.machine_of(&account, id).ok_or_else(missing)?;
            state.machines.change(now, id).map(|machine| &mut machine.tags).ok_or_else(missing)
        }
        other => Err(bad("serviceType", format!("{other} is not one of BLB, APPBLB, EIP, BCC, BBC"))),
    }
}

fn resources(call: &mut C<'_>) -> Reply {
    let key = call.query("tagKey").ok_or_else(|| bad("tagKey", "it is missing"))?;
    let (state, account) = (&*call.state, call.account());
    let blbs = call.list(&state.blbs, |blb| blb.account == account).into_iter();
    let mut all: Vec<(String, &str, &Vec<Tag>)> = blbs.map(|blb| (blb.blb_id.clone(), "BLB", &blb.tags)).collect();
    let eips = call.list(&state.eips, |eip| eip.account == account).into_iter();
    all.extend(eips.map(|eip| (eip.eip_id.clone(), "EIP", &eip.tags)));
    let machines = call.list(&state.machines, |machine| machine.account == account).into_iter();
    all.extend(machines.map(|machine| (machine.id.clone(), "BCC", &machine.tags)));
    let tagged = |tag: &Tag| tag.tag_key == key && call.query("tagValue").is_none_or(|value| value == tag.tag_value);
    let mut rows = Vec::new();
    for (id, kind, tags) in all {
        if call.query("resourceType").is_none_or(|wanted| wanted == kind)
            && let Some(tag) = tags.iter().find(|tag| tagged(tag))
        {
            let resource = json!({ "resourceId": id, "resourceType": kind, "region": state.region });
            rows.push(json!({ "tagKey": tag.tag_key, "tagValue": tag.tag_value, "resources": [resource] }));
        }
    }
    Ok(Answer::ok(&json!({ "tagResources": rows })))
}
