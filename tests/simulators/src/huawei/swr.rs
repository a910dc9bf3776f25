//! SWR: the short-lived credential of the registry.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{State, errors};
use crate::engine::{Answer, Call, Problem, Reply, Route, Service, later};

/// How long a credential lives.
const LIFETIME: Duration = Duration::from_secs(6 * 3600);

/// How long one of the newer plane lives.
const NEWER: Duration = Duration::from_secs(24 * 3600);

pub(super) fn service() -> Service<State> {
    Service::new("swr", errors::swr)
        .on(&["swr-api"])
        .route(
            Route::post("/v2/manage/utils/secret", "CreateSecret", |call| issue(call, LIFETIME))
                .query(&["projectname"])
                .reads(),
        )
        .route(
            Route::post("/v2/manage/utils/authorizationtoken", "CreateAuthorizationToken", |call| issue(call, NEWER))
                .query(&["projectname"])
                .reads(),
        )
}

fn issue(call: &mut Call<'_, State>, lifetime: Duration) -> Reply {
    let state = &*call.state;
    let wanted = call.query("projectname").unwrap_or(&state.region);
    let own = state.projects.iter().any(|project| project.domain_id == call.account() && project.name == wanted);
    if !own {
        return Err(Problem::refused(
            403,
            "SVCSTG.SWR.4030001",
            format!("Project {wanted} is not one of the caller's."),
        ));
    }
    let key = call.caller.as_ref().map(|caller| caller.key.as_str()).unwrap_or_default();
    let caller = state.keys.get(key);
    let end = caller.and_then(|key| key.expires_at).unwrap_or(jiff::Timestamp::MAX);
    let until = later(call.now, lifetime).min(end);
    let host = format!("swr.{}.{}", state.region, state.domain);
    let user = format!("{wanted}@{key}");
    let password = hex::encode(Sha256::digest(format!("{user} until {until}")));
    let body = json!({ "auths": { host.clone(): { "auth": STANDARD.encode(format!("{user}:{password}")) } } });
    Ok(Answer::ok(&body)
        .with_header("X-Swr-Dockerlogin", &format!("docker login -u {user} -p {password} {host}"))
        .with_header("X-Swr-Expireat", &until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
}
