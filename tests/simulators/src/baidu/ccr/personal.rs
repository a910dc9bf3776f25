//! The personal registry, on CCE's host: one login an account, whose name is for ever.

use serde::Deserialize;
use serde_json::json;

use super::{PersonalUser, check_password};
use crate::{
    baidu::{
        State,
        calls::{C, body, done, second},
        errors::{self, bad, no_such},
    },
    engine::{Answer, Problem, Reply, Route, Service},
};

pub(in crate::baidu) fn service() -> Service<State> {
    Service::new("cce", errors::common)
        .route(Route::get("/v1/image/user", "GetImageUser", show))
        .route(Route::post("/v1/image/user", "CreateImageUser", create))
        .route(Route::put("/v1/image/user", "UpdateImageUser", update))
}

fn show(call: &mut C<'_>) -> Reply {
    let user = call.state.personal_users.get(call.account()).ok_or_else(|| no_such("image user of", call.account()))?;
    Ok(Answer::ok(&json!({
        "username": user.username, "createTime": second(user.create_time), "updateTime": second(user.update_time),
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Login {
    username: String,
    password: String,
    password_confirmation: String,
}

fn said(call: &C<'_>) -> Result<Login, Problem> {
    let login: Login = body(call)?;
    check_password("password", &login.password)?;
    if login.password != login.password_confirmation {
        return Err(bad("passwordConfirmation", "it is not the password"));
    }
    Ok(login)
}

fn create(call: &mut C<'_>) -> Reply {
    let Login { username, password, .. } = said(call)?;
    let account = call.account().to_owned();
    if call.state.personal_users.contains_key(&account) {
        return Err(Problem::refused(409, "UserAlreadyExists", "The account has a login already."));
    }
    if call.state.personal_users.values().any(|user| user.username == username) {
        return Err(Problem::refused(409, "UsernameAlreadyExists", format!("{username} is somebody's already.")));
    }
    let user = PersonalUser { username, password, create_time: call.now, update_time: call.now };
    call.state.personal_users.insert(account, user);
    done()
}

fn update(call: &mut C<'_>) -> Reply {
    let Login { username, password, .. } = said(call)?;
    let (account, now) = (call.account().to_owned(), call.now);
    let user = call.state.personal_users.get_mut(&account).ok_or_else(|| no_such("image user of", &account))?;
    if user.username != username {
        return Err(bad("username", format!("it is {} for ever", user.username)));
    }
    (user.password, user.update_time) = (password, now);
    done()
}
