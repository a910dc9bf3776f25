//! IAM: users with their keys, and roles.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    State,
    accounts::{Acl, Key, Role},
    calls::{C, body, done, second},
    errors::{self, bad, no_such},
};
use crate::engine::{Answer, Problem, Reply, Route, Service};

/// Most keys of a user.
const KEYS: usize = 2;

/// A user of an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct User {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its account.
    pub account: String,
    /// For people.
    #[serde(default)]
    pub description: String,
}

impl User {
    fn view(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "description": self.description, "enabled": true, "createTime": "1970-01-01T00:00:00Z" })
    }
}

pub(super) fn service() -> Service<State> {
    Service::new("iam", errors::common)
        .route(Route::get("/v1/user", "ListUsers", users))
        .route(Route::post("/v1/user", "CreateUser", create_user))
        .route(Route::get("/v1/user/{user}", "GetUser", user))
        .route(Route::get("/v1/user/{user}/accesskey", "ListAccessKeys", keys))
        .route(Route::post("/v1/user/{user}/accesskey", "CreateAccessKey", create_key))
        .route(Route::put("/v1/user/{user}/accesskey/{key}?enable", "EnableAccessKey", enable))
        .route(Route::put("/v1/user/{user}/accesskey/{key}?disable", "DisableAccessKey", disable))
        .route(Route::delete("/v1/user/{user}/accesskey/{key}", "DeleteAccessKey", delete_key))
        .route(Route::get("/v1/role", "ListRoles", roles))
        .route(Route::post("/v1/role", "CreateRole", create_role))
        .route(Route::get("/v1/role/{role}", "GetRole", role))
        .route(Route::delete("/v1/role/{role}", "DeleteRole", delete_role))
}

fn users(call: &mut C<'_>) -> Reply {
    let rows = call.list(&call.state.users, |user| user.account == call.account());
    Ok(Answer::ok(&json!({ "users": rows.into_iter().map(User::view).collect::<Vec<_>>() })))
}

/// The user that the path names.
fn named<'c>(call: &'c C<'_>) -> Result<&'c User, Problem> {
    let name = call.parameter("user");
    let found = call.state.users.iter().find(|user| user.account == call.account() && user.name == name);
    found.ok_or_else(|| no_such("user", name))
}

fn user(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&named(call)?.view()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: String,
    #[serde(default)]
    description: String,
}

fn create_user(call: &mut C<'_>) -> Reply {
    let NewUser { name, description } = body(call)?;
    let account = call.account().to_owned();
    if call.state.users.iter().any(|user| user.account == account && user.name == name) {
        return Err(Problem::refused(409, "UserAlreadyExists", format!("There is a user {name} already.")));
    }
    let user = User { id: call.state.new_hex_id(), name, account, description };
    let view = user.view();
    call.state.users.insert(call.now, &user.id.clone(), user);
    Ok(Answer::ok(&view))
}

fn key_view(key: &Key) -> Value {
    json!({ "id": key.access, "enabled": !key.disabled, "createTime": "1970-01-01T00:00:00Z", "description": "" })
}

fn keys(call: &mut C<'_>) -> Reply {
    let user = named(call)?.id.clone();
    let rows = call.list(&call.state.keys, |key| key.user.as_ref() == Some(&user) && key.session_token.is_none());
    Ok(Answer::ok(&json!({ "accessKeys": rows.into_iter().map(key_view).collect::<Vec<_>>() })))
}

fn create_key(call: &mut C<'_>) -> Reply {
    let User { id, account, .. } = named(call)?.clone();
    let own = |key: &&Key| key.user.as_ref() == Some(&id) && key.session_token.is_none();
    if call.state.keys.iter().filter(own).count() >= KEYS {
        return Err(errors::over("AccessKeyExceedLimit", "access keys of a user", KEYS));
    }
    let access = format!("ALTAK{}", &call.state.new_hex_id()[..19]);
    let key = Key { user: Some(id), ..Key::permanent(&access, &call.state.new_hex_id(), &account) };
    let mut view = key_view(&key);
    view["secret"] = json!(key.secret);
    view["createTime"] = json!(second(call.now));
    call.state.keys.insert(call.now, &access, key);
    Ok(Answer::ok(&view))
}

fn enable(call: &mut C<'_>) -> Reply {
    switch(call, false)
}

fn disable(call: &mut C<'_>) -> Reply {
    switch(call, true)
}

/// Id of the key that the path names.
fn named_key(call: &C<'_>) -> Result<String, Problem> {
    let (user, id) = (named(call)?.id.clone(), call.parameter("key"));
    let key = call.state.keys.get(id).filter(|key| key.user.as_ref() == Some(&user));
    key.map(|key| key.access.clone()).ok_or_else(|| no_such("access key", id))
}

fn switch(call: &mut C<'_>, disabled: bool) -> Reply {
    let id = named_key(call)?;
    let key = call.state.keys.change(call.now, &id).ok_or_else(|| no_such("access key", &id))?;
    key.disabled = disabled;
    Ok(Answer::ok(&key_view(key)))
}

fn delete_key(call: &mut C<'_>) -> Reply {
    let id = named_key(call)?;
    call.state.keys.remove(call.now, &id);
    done()
}

fn role_view(role: &Role) -> Value {
    let trust = serde_json::to_string(&role.trust).unwrap_or_default();
    json!({ "id": role.name, "name": role.name, "description": "", "createTime": "1970-01-01T00:00:00Z", "assumeRolePolicyDocument": trust })
}

fn roles(call: &mut C<'_>) -> Reply {
    let rows = call.list(&call.state.roles, |role| role.account == call.account());
    Ok(Answer::ok(&json!({ "roles": rows.into_iter().map(role_view).collect::<Vec<_>>() })))
}

/// The role that the path names, and what it is kept under.
fn named_role<'c>(call: &'c C<'_>) -> Result<(&'c Role, String), Problem> {
    let id = format!("{}/{}", call.account(), call.parameter("role"));
    call.state.roles.get(&id).map(|role| (role, id)).ok_or_else(|| no_such("role", call.parameter("role")))
}

fn role(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&role_view(named_role(call)?.0)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewRole {
    name: String,
    #[serde(default, rename = "description")]
    _description: String,
    assume_role_policy_document: String,
}

fn create_role(call: &mut C<'_>) -> Reply {
    let new: NewRole = body(call)?;
    let trust: Acl = serde_json::from_str(&new.assume_role_policy_document)
        .map_err(|error| bad("assumeRolePolicyDocument", error.to_string()))?;
    let role = Role { name: new.name, account: call.account().to_owned(), trust, policy: None };
    let id = format!("{}/{}", role.account, role.name);
    if call.state.roles.get(&id).is_some() {
        return Err(Problem::refused(409, "RoleAlreadyExists", format!("There is a role {} already.", role.name)));
    }
    let view = role_view(&role);
    call.state.roles.insert(call.now, &id, role);
    Ok(Answer::ok(&view))
}

fn delete_role(call: &mut C<'_>) -> Reply {
    let id = named_role(call)?.1;
    call.state.roles.remove(call.now, &id);
    done()
}
