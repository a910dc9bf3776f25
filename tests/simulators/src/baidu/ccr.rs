//! Image registries: CCR's instances with their robots and passwords, and the personal one.

mod docker;
mod personal;
mod robots;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::robots::Robot;
pub(super) use self::{docker::service as docker, personal::service as personal};
use super::{
    State,
    calls::{C, body, done, numbered, second},
    errors::{self, bad, no_such},
    state::ACCOUNT,
};
use crate::engine::{Answer, Problem, Reply, Route, Service, later};

/// An instance of the enterprise registry.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    /// Its id.
    pub id: String,
    /// Its account.
    pub account: String,
    /// Its name.
    pub name: String,
    /// `running` and others.
    pub status: String,
    /// Its host.
    pub public_url: String,
    /// Its host inside VPCs that are linked to it.
    pub private_domain: Option<String>,
    /// The permanent password of the account's login, once it is set.
    #[serde(skip)]
    pub password: Option<String>,
    /// Passwords for a while, and until when.
    #[serde(skip)]
    pub temporary: Vec<(String, Timestamp)>,
    /// Accounts for programs.
    pub robots: Vec<Robot>,
    robots_made: i64,
    /// What Docker was given to show instead of a login, and until when.
    #[serde(skip)]
    tokens: Vec<(String, Timestamp)>,
}

/// An instance to add.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewRegistry {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its account; absent: the one that is there from the start.
    pub account: Option<String>,
    /// Its status; absent: `running`.
    pub status: Option<String>,
    /// Its host; absent: made of its id and the region.
    pub public_url: Option<String>,
    /// Its host inside VPCs that are linked to it; absent: none is.
    pub private_domain: Option<String>,
}

/// The login of the personal registry.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonalUser {
    /// Its name, which is for ever.
    pub username: String,
    /// Its password.
    #[serde(skip)]
    pub password: String,
    /// When it was made.
    pub create_time: Timestamp,
    /// When its password was last changed.
    pub update_time: Timestamp,
}

/// Logins of the personal registry, by account.
pub type PersonalUsers = BTreeMap<String, PersonalUser>;

impl State {
    /// Adds an instance of the enterprise registry.
    pub fn add_registry(&mut self, new: NewRegistry) {
        let registry = Registry {
            public_url: new.public_url.unwrap_or_else(|| format!("{}-pub.cnc.{}.{}", new.id, self.region, self.domain)),
            account: new.account.unwrap_or_else(|| ACCOUNT.to_owned()),
            name: new.name,
            status: new.status.unwrap_or_else(|| "running".to_owned()),
            private_domain: new.private_domain,
            password: None,
            temporary: Vec::new(),
            robots: Vec::new(),
            robots_made: 0,
            tokens: Vec::new(),
            id: new.id,
        };
        self.registries.insert(Timestamp::MIN, &registry.id.clone(), registry);
    }

    /// Whether a login is let in by a registry, now: an instance's id, or `personal`.
    pub fn admits_login(&self, registry: &str, username: &str, password: &str, now: Timestamp) -> bool {
        if registry == "personal" {
            return self.personal_users.values().any(|user| user.username == username && user.password == password);
        }
        let Some(registry) = self.registries.get(registry) else { return false };
        let robot = registry.robots.iter().any(|robot| robot.admits(username, password, now));
        let own = login_of(&registry.account) == username;
        let permanent = registry.password.as_deref() == Some(password);
        let temporary = registry.temporary.iter().any(|(known, until)| known == password && *until > now);
        robot || (own && (permanent || temporary))
    }
}

/// The name an account logs in with.
fn login_of(account: &str) -> String {
    format!("user-{}", account.get(..8).unwrap_or(account))
}

pub(super) fn service() -> Service<State> {
    let service = Service::new("ccr", errors::common)
        .route(Route::get("/v1/users/profile", "GetUserProfile", profile).query(&["userId"]))
        .route(Route::get("/v1/instances", "ListRegistries", list).query(&[
            "pageNo",
            "pageSize",
            "keywordType",
            "keyword",
            "acrossregion",
        ]))
        .route(Route::get("/v1/instances/{id}", "GetRegistry", show))
        .route(Route::get("/v1/instances/{id}/privatelinks", "ListPrivateLinks", private_links))
        .route(Route::put("/v1/instances/{id}/credential", "ResetPassword", reset_password))
        .route(Route::post("/v1/instances/{id}/credential", "CreateTemporaryToken", temporary_password));
    robots::routes(service)
}

fn profile(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&json!({ "name": login_of(call.query("userId").unwrap_or(call.account())) })))
}

impl Registry {
    fn view(&self, region: &str) -> Value {
        json!({
            "id": self.id, "name": self.name, "status": self.status, "region": region, "publicURL": self.public_url,
            "instanceType": "STANDARD", "createTime": "1970-01-01T00:00:00Z", "expireTime": "2099-01-01T00:00:00Z", "tags": [],
        })
    }
}

fn list(call: &mut C<'_>) -> Reply {
    let state = &*call.state;
    let rows = call.list(&state.registries, |registry| {
        let of = match call.query("keywordType") {
            Some("clusterId" | "instanceId" | "id") => &registry.id,
            _ => &registry.name,
        };
        registry.account == call.account() && call.query("keyword").is_none_or(|word| of.contains(word))
    });
    let page = numbered(call, rows, |registry| registry.view(&state.region))?;
    Ok(Answer::ok(&json!({
        "total": page.total, "pageNo": page.number, "pageSize": page.size, "instances": page.rows,
    })))
}

/// The instance that the path names.
fn named<'c>(call: &'c C<'_>) -> Result<&'c Registry, Problem> {
    let id = call.parameter("id");
    let own = |registry: &&Registry| registry.account == call.account();
    call.state.registries.get(id).filter(own).ok_or_else(|| no_such("instance", id))
}

/// The same, to be changed; it has to be running.
fn named_mut<'c>(call: &'c mut C<'_>) -> Result<&'c mut Registry, Problem> {
    let registry = named(call)?;
    let id = registry.id.clone();
    if registry.status != "running" {
        let message = format!("The instance {id} is {}, not running.", registry.status);
        return Err(Problem::refused(409, "OperationNotAvailable", message));
    }
    let now = call.now;
    call.state.registries.change(now, &id).ok_or_else(|| no_such("instance", &id))
}

fn show(call: &mut C<'_>) -> Reply {
    let registry = named(call)?;
    Ok(Answer::ok(&json!({
        "info": registry.view(&call.state.region), "statistic": { "repo": 0, "chart": 0, "namespace": 0, "storage": 0 },
        "quota": { "repo": 100, "chart": 100, "namespace": 100 }, "bucket": "", "region": call.state.region,
    })))
}

fn private_links(call: &mut C<'_>) -> Reply {
    let domain = named(call)?.private_domain.as_deref().unwrap_or_default();
    Ok(Answer::ok(&json!({ "domain": domain, "items": [] })))
}

/// That a password is one the registry takes.
fn check_password(field: &str, password: &str) -> Result<(), Problem> {
    let has = |is: fn(&u8) -> bool| password.bytes().any(|byte| is(&byte));
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || b"!@#$%^*()".contains(&byte);
    let good = (8..=20).contains(&password.len())
        && password.bytes().all(fit)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit);
    if good { Ok(()) } else { Err(bad(field, "8 to 20 characters with an upper, a lower and a digit among them")) }
}

/// A password that the registry makes up.
fn made_up(state: &mut State) -> String {
    format!("Pw1{}", &state.new_hex_id()[..16])
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Password {
    password: String,
}

fn reset_password(call: &mut C<'_>) -> Reply {
    let Password { password } = body(call)?;
    check_password("password", &password)?;
    named_mut(call)?.password = Some(password);
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hours {
    duration: u64,
}

fn temporary_password(call: &mut C<'_>) -> Reply {
    let Hours { duration } = body(call)?;
    if !(1..=24).contains(&duration) {
        return Err(bad("duration", format!("{duration} is not from 1 to 24 hours")));
    }
    let until = later(call.now, std::time::Duration::from_secs(3600 * duration));
    let password = made_up(call.state);
    named_mut(call)?.temporary.push((password.clone(), until));
    Ok(Answer::ok(&json!({ "password": password, "expiresAt": second(until) })))
}
