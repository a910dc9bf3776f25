//! STS: temporary keys, of one's own account or of a role of another.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    State,
    accounts::{Acl, Key},
    calls::{C, second},
    errors::{self, bad},
};
use crate::engine::{Answer, Problem, Reply, Route, Service};

/// Longest life of a role's key, in seconds.
const ROLE: u64 = 7200;
/// Longest life of a key of one's own account, in seconds.
const SESSION: u64 = 129_600;

pub(super) fn service() -> Service<State> {
    // Another key does no harm, and ends by itself.
    Service::new("sts", errors::common)
        .route(
            Route::post("/v1/credential?assumeRole", "AssumeRole", assume_role)
                .query(&["durationSeconds", "accountId", "roleName", "userId"])
                .reads(),
        )
        .route(Route::post("/v1/sessionToken", "GetSessionToken", session_token).query(&["durationSeconds"]).reads())
}

fn lifetime(call: &C<'_>, default: u64, most: u64) -> Result<Duration, Problem> {
    let seconds: u64 = call.parsed("durationSeconds")?.unwrap_or(default);
    if !(1..=most).contains(&seconds) {
        return Err(bad("durationSeconds", format!("{seconds} is not from 1 to {most}")));
    }
    Ok(Duration::from_secs(seconds))
}

/// What the body narrows the key's rights to.
fn narrowed(call: &C<'_>) -> Result<Option<Acl>, Problem> {
    if call.request.body.is_empty() {
        return Ok(None);
    }
    super::calls::body(call).map(Some)
}

/// A key as the services give it out.
pub(super) fn view(key: &Key, now: jiff::Timestamp) -> Value {
    let mut view = json!({
        "accessKeyId": key.access, "secretAccessKey": key.secret, "sessionToken": key.session_token, "createTime": second(now),
        "expiration": key.expires_at.map(second), "userId": key.user.as_deref().unwrap_or(&key.account),
    });
    if let Some(role) = &key.role {
        view["roleId"] = json!(role);
    }
    view
}

fn assume_role(call: &mut C<'_>) -> Reply {
    let lifetime = lifetime(call, ROLE, ROLE)?;
    let needed = |key: &str| call.query(key).map(str::to_owned).ok_or_else(|| bad(key, "it is missing"));
    let (account, name) = (needed("accountId")?, needed("roleName")?);
    let acl = narrowed(call)?;
    let role = call.state.roles.get(&format!("{account}/{name}")).filter(|role| role.trust.trusts(call.account()));
    // Whether it is there is nobody's business whom it does not trust.
    let role = role.cloned().ok_or_else(|| {
        Problem::refused(
            403,
            "AccessDenied",
            format!("The role {name} of account {account} does not trust the caller."),
        )
    })?;
    let key = call.state.new_role_key(&role, lifetime, call.now);
    if let Some(place) = call.state.keys.change(call.now, &key.access) {
        place.acls.extend(acl);
    }
    Ok(Answer::ok(&view(&key, call.now)))
}

fn session_token(call: &mut C<'_>) -> Reply {
    let lifetime = lifetime(call, 43_200, SESSION)?;
    let acl = narrowed(call)?;
    let caller = call.caller.as_ref().and_then(|caller| call.state.keys.get(&caller.key)).cloned();
    let account = call.account().to_owned();
    let mut key = call.state.new_temporary_key(&account, lifetime, call.now);
    if let Some(place) = call.state.keys.change(call.now, &key.access) {
        // It is good for no more than the key it was got with.
        place.acls.extend(caller.iter().flat_map(|caller| caller.acls.clone()).chain(acl));
        place.user = caller.and_then(|caller| caller.user);
        key = place.clone();
    }
    Ok(Answer::ok(&view(&key, call.now)))
}
