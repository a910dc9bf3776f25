//! Robots: logins for programs, with names of their makers' choice.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Registry, check_password, made_up, named, named_mut};
use crate::{
    baidu::{
        State,
        calls::{C, body, done, numbered, second},
        errors::bad,
    },
    engine::{Answer, Problem, Reply, Route, Service, later},
};

/// A robot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Robot {
    /// Its id.
    pub id: i64,
    /// Its name, which is for ever.
    pub name: String,
    /// For people.
    pub description: String,
    /// For how many days it is good; -1 is for ever.
    pub duration: i64,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// Whether it is switched off.
    pub disable: bool,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// What it logs in with.
    #[serde(skip)]
    pub secret: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// What a robot may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// Such as `project`.
    pub kind: String,
    /// Of which namespace; `*` is all.
    pub namespace: String,
    /// What there.
    pub access: Vec<Access>,
}

/// An action on a kind of resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Such as `pull`.
    pub action: String,
    /// Such as `repository`.
    pub resource: String,
}

impl Robot {
    pub(super) fn admits(&self, username: &str, password: &str, now: Timestamp) -> bool {
        let good = !self.disable && self.expires_at.is_none_or(|until| until > now);
        good && self.name == username && self.secret == password
    }

    fn view(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "level": "system", "disable": self.disable, "description": self.description,
            "duration": self.duration, "expiresAt": self.expires_at.map_or(-1, Timestamp::as_second),
            "creationTime": second(self.created), "updateTime": second(self.updated), "editable": true,
            "permissions": self.permissions,
        })
    }
}

pub(super) fn routes(service: Service<State>) -> Service<State> {
    let (all, one) = ("/v1/instances/{id}/robots", "/v1/instances/{id}/robots/{robot}");
    service
        .route(Route::get(all, "ListRobots", list).query(&["status", "pageNo", "pageSize"]))
        .route(Route::post(all, "CreateRobot", create))
        .route(Route::get(one, "GetRobot", show))
        .route(Route::put(one, "UpdateRobot", update))
        .route(Route::delete(one, "DeleteRobot", delete))
        .route(Route::put("/v1/instances/{id}/robots/{robot}/secret", "RefreshRobotSecret", refresh))
}

fn list(call: &mut C<'_>) -> Reply {
    let now = named(call)?;
    let registry = call.seen(&call.state.registries, &now.id).unwrap_or(now);
    let page = numbered(call, call.shown(registry.robots.iter().collect()), |robot| robot.view())?;
    Ok(Answer::ok(&json!({ "total": page.total, "pageNo": page.number, "pageSize": page.size, "robots": page.rows })))
}

fn expiry(now: Timestamp, days: i64) -> Result<Option<Timestamp>, Problem> {
    match days {
        -1 => Ok(None),
        1..=3650 => Ok(Some(later(now, Duration::from_secs(86_400 * days.unsigned_abs())))),
        _ => Err(bad("duration", format!("{days} is neither -1 nor a number of days"))),
    }
}

fn check_permissions(permissions: &[Permission]) -> Result<(), Problem> {
    let whole = permissions.iter().all(|one| !one.access.is_empty() && !one.namespace.is_empty());
    if permissions.is_empty() || !whole {
        return Err(bad("permissions", "there are none, or one without namespace or access"));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRobot {
    name: String,
    #[serde(default)]
    description: String,
    duration: i64,
    #[serde(default)]
    disable: bool,
    permissions: Vec<Permission>,
    secret: Option<String>,
}

fn create(call: &mut C<'_>) -> Reply {
    let new: NewRobot = body(call)?;
    let fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    if new.name.is_empty() || new.name.len() > 64 || !new.name.chars().all(fit) {
        return Err(bad("name", format!("{}: up to 64 lower-case letters, digits, ., _ and -", new.name)));
    }
    check_permissions(&new.permissions)?;
    let now = call.now;
    let expires_at = expiry(now, new.duration)?;
    let secret = match new.secret {
        Some(secret) => {
            check_password("secret", &secret)?;
            secret
        }
        None => made_up(call.state),
    };
    let registry = named_mut(call)?;
    if registry.robots.iter().any(|robot| robot.name == new.name) {
        return Err(Problem::refused(409, "RobotAlreadyExists", format!("There is a robot {} already.", new.name)));
    }
    registry.robots_made += 1;
    let robot = Robot {
        id: registry.robots_made,
        name: new.name,
        description: new.description,
        duration: new.duration,
        expires_at,
        disable: new.disable,
        permissions: new.permissions,
        secret,
        created: now,
        updated: now,
    };
    let mut view = robot.view();
    view["secret"] = json!(robot.secret);
    registry.robots.push(robot);
    Ok(Answer::ok(&view))
}

/// The robot that the path names.
fn find<'r>(registry: &'r Registry, id: &str) -> Result<&'r Robot, Problem> {
    registry.robots.iter().find(|robot| robot.id.to_string() == id).ok_or_else(|| super::no_such("robot", id))
}

/// Changes the robot that the path names.
fn change<R>(call: &mut C<'_>, alter: impl FnOnce(&mut Robot) -> R) -> Result<R, Problem> {
    let (id, now) = (call.parameter("robot").to_owned(), call.now);
    let registry = named_mut(call)?;
    let robot = registry.robots.iter_mut().find(|robot| robot.id.to_string() == id);
    let robot = robot.ok_or_else(|| super::no_such("robot", &id))?;
    robot.updated = now;
    Ok(alter(robot))
}

fn show(call: &mut C<'_>) -> Reply {
    Ok(Answer::ok(&find(named(call)?, call.parameter("robot"))?.view()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    description: Option<String>,
    duration: Option<i64>,
    disable: Option<bool>,
    permissions: Option<Vec<Permission>>,
}

fn update(call: &mut C<'_>) -> Reply {
    let changed: Changed = body(call)?;
    if let Some(permissions) = &changed.permissions {
        check_permissions(permissions)?;
    }
    let expires_at = changed.duration.map(|days| expiry(call.now, days)).transpose()?;
    let view = change(call, |robot| {
        robot.description = changed.description.unwrap_or_else(|| robot.description.clone());
        robot.duration = changed.duration.unwrap_or(robot.duration);
        robot.expires_at = expires_at.unwrap_or(robot.expires_at);
        robot.disable = changed.disable.unwrap_or(robot.disable);
        robot.permissions = changed.permissions.unwrap_or_else(|| robot.permissions.clone());
        robot.view()
    })?;
    Ok(Answer::ok(&view))
}

fn delete(call: &mut C<'_>) -> Reply {
    let id = find(named(call)?, call.parameter("robot"))?.id;
    named_mut(call)?.robots.retain(|robot| robot.id != id);
    done()
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    secret: Option<String>,
}

fn refresh(call: &mut C<'_>) -> Reply {
    let Secret { secret } = if call.request.body.is_empty() { Secret::default() } else { body(call)? };
    let secret = match secret {
        Some(secret) => {
            check_password("secret", &secret)?;
            secret
        }
        None => made_up(call.state),
    };
    change(call, |robot| robot.secret.clone_from(&secret))?;
    Ok(Answer::ok(&json!({ "secret": secret })))
}
