//! What becomes of a registry's robots when one of its users is to have another name: the cloud renames nobody, so a robot of the wanted
//! name is made, with the rights of the one it replaces. Decided here, from what the cloud shows.

use cloud_provider_api::error::Reason;
use provider_kit::{Error, Result};
use serde_json::{Value, json};

use crate::{
    PROVIDER,
    api::ccr::{Robot, Wanted},
};

/// Id of the account's own user, which is no robot.
pub(crate) const ACCOUNT: &str = "account";
/// Begins the description of robots made here: by it they are known again.
const MARK: &str = "made by provider-baidu";
/// A robot that never ends.
const FOR_EVER: i64 = -1;

/// Whether a robot was made here.
pub(crate) fn is_ours(robot: &Robot) -> bool {
    robot.description.starts_with(MARK)
}

/// Whether a robot has the wanted name. The cloud may put a prefix of its own in front: `robot$name`, `robot$namespace+name`.
fn is_named(robot: &Robot, name: &str) -> bool {
    robot.name == name || robot.name.rsplit(['$', '+']).next() == Some(name)
}

fn description(replaces: Option<&str>) -> String {
    replaces.map_or_else(|| MARK.to_owned(), |id| format!("{MARK} in place of user {id}"))
}

/// The least that lets images be pulled.
fn pull_only() -> Vec<Value> {
    vec![json!({"kind": "project", "namespace": "*", "access": [{"action": "pull", "resource": "repository"}]})]
}

/// What a robot shall be, without its name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    description: String,
    duration: i64,
    permissions: Vec<Value>,
}

impl Shape {
    /// For the cloud. `name` is said only to make one.
    pub(crate) fn wanted<'a>(&'a self, name: Option<&'a str>) -> Wanted<'a> {
        Wanted {
            name,
            description: &self.description,
            duration: self.duration,
            disable: false,
            permissions: &self.permissions,
        }
    }

    fn is_shape_of(&self, robot: &Robot) -> bool {
        !robot.disable
            && robot.description == self.description
            && robot.duration.unwrap_or(FOR_EVER) == self.duration
            && robot.permissions == self.permissions
    }
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// The calls.
    pub(crate) deed: Deed,
    /// The same for people.
    pub(crate) steps: Vec<String>,
}

/// The calls that have to be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Deed {
    /// There is no robot of the name.
    Create(Shape),
    /// An earlier attempt made one: it gets a new password, and is changed first if it is not what it should be.
    Renew {
        /// It.
        robot: Robot,
        /// What to change it to.
        change: Option<Shape>,
    },
}

/// Decides how a user of a name comes to be, in place of another if `replaces` names one by its id.
pub(crate) fn plan(robots: &[Robot], username: &str, replaces: Option<&str>) -> Result<Plan> {
    let existing = robots.iter().find(|robot| is_named(robot, username));
    if let Some(robot) = existing {
        if replaces == Some(robot.id.as_str()) {
            let message = format!("user {} is the one to be replaced: it has that name already", robot.id);
            return Err(Error::field("replaces_user_id", message));
        }
        if !is_ours(robot) {
            let message = format!(
                "robot {:?} (id {}) exists and was not made by this daemon, so its password is not touched: take another name, or \
                 delete it in the console first",
                robot.name, robot.id
            );
            return Err(Error::cloud(PROVIDER, Reason::NotOurs, message));
        }
    }
    let (rights, mut steps) = rights(robots, existing, replaces)?;
    let deed = match existing {
        None => {
            let (permissions, duration) = rights.unwrap_or_else(|| (pull_only(), FOR_EVER));
            steps.insert(0, format!("create robot {username:?}"));
            Deed::Create(Shape { description: description(replaces), duration, permissions })
        }
        Some(robot) => {
            let (permissions, duration) =
                rights.unwrap_or_else(|| (robot.permissions.clone(), robot.duration.unwrap_or(FOR_EVER)));
            let description = replaces.map_or_else(|| robot.description.clone(), |id| description(Some(id)));
            let shape = Shape { description, duration, permissions };
            let change = (!shape.is_shape_of(robot)).then_some(shape);
            steps.insert(0, format!("find robot {:?} (id {}), made by an earlier attempt", robot.name, robot.id));
            if change.is_some() {
                steps.push("set its rights and enable it".to_owned());
            }
            steps.push("give it a new password; the one before is good no longer".to_owned());
            Deed::Renew { robot: robot.clone(), change }
        }
    };
    Ok(Plan { deed, steps })
}

type Rights = (Vec<Value>, i64);

/// The rights the user shall have, and words about them. `None`: those it has, or the least.
fn rights(robots: &[Robot], existing: Option<&Robot>, replaces: Option<&str>) -> Result<(Option<Rights>, Vec<String>)> {
    let least = "give it the right to pull from every namespace of the registry, and no other";
    let Some(id) = replaces.filter(|id| *id != ACCOUNT) else {
        let say = existing.is_none().then(|| least.to_owned());
        return Ok((None, say.into_iter().collect()));
    };
    if let Some(old) = robots.iter().find(|robot| robot.id == id) {
        let say = format!("give it the rights of robot {:?} (id {id})", old.name);
        return Ok((Some((old.permissions.clone(), old.duration.unwrap_or(FOR_EVER))), vec![say]));
    }
    // Revoked already, by an earlier run that came that far.
    if existing.is_some_and(|robot| robot.description == description(Some(id))) {
        return Ok((None, Vec::new()));
    }
    Err(absent(robots, id))
}

fn absent(robots: &[Robot], id: &str) -> Error {
    let known: Vec<String> = robots.iter().map(|robot| format!("{} ({})", robot.id, robot.name)).collect();
    let known = if known.is_empty() { "there are none".to_owned() } else { format!("there are {}", known.join(", ")) };
    let message = format!("the registry has no robot with id {id:?}; {known}");
    Error::cloud(PROVIDER, Reason::ObjectAbsent, message)
}

/// The robot to be revoked. `None`: it is gone. An id is asked for and nothing else, so that nobody loses a user of like name.
pub(crate) fn to_revoke<'a>(robots: &'a [Robot], id: &str) -> Result<Option<&'a Robot>> {
    if id == ACCOUNT {
        let message = "the account's own login cannot be revoked: have its permanent password changed in the console, which ends the \
                       one in use at once";
        return Err(Error::cloud(PROVIDER, Reason::Unsupported, message));
    }
    let found = robots.iter().find(|robot| robot.id == id);
    if found.is_some_and(|robot| robot.editable == Some(false)) {
        let message = format!("robot {id} is the cloud's own, which does not let it be removed");
        return Err(Error::cloud(PROVIDER, Reason::ObjectLocked, message));
    }
    if found.is_none() && !id.bytes().all(|byte| byte.is_ascii_digit()) {
        let hint = robots.iter().find(|robot| is_named(robot, id));
        let hint = hint.map_or_else(String::new, |robot| format!(": robot {:?} has id {}", robot.name, robot.id));
        return Err(Error::field("user_id", format!("{id:?} is no id of a robot, which are numbers{hint}")));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn robot(id: &str, name: &str, description: &str) -> Robot {
        Robot {
            id: id.to_owned(),
            name: name.to_owned(),
            description: description.to_owned(),
            permissions: vec![json!({"namespace": name})],
            ..Robot::default()
        }
    }

    fn check(robots: &[Robot], username: &str, replaces: Option<&str>, expected: Result<(&str, &[&str]), Reason>) {
        match (plan(robots, username, replaces), expected) {
            (Ok(found), Ok((deed, steps))) => {
                let is = match &found.deed {
                    Deed::Create(_) => "create",
                    Deed::Renew { change: None, .. } => "renew",
                    Deed::Renew { change: Some(_), .. } => "change",
                };
                assert_eq!(is, deed, "{found:?}");
                assert_eq!(found.steps.len(), steps.len(), "{:?}", found.steps);
                for (step, part) in found.steps.iter().zip(steps) {
                    assert!(step.contains(part), "{step} does not say {part}");
                }
            }
            (Err(error), Err(reason)) => assert_eq!(error.reason(), reason, "{error:?}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn a_robot_is_made_or_found_and_never_taken_from_somebody() {
        let old = robot("7", "robot$old", "by hand");
        let ours = Robot { permissions: old.permissions.clone(), ..robot("9", "robot$new", &description(Some("7"))) };
        let bare = robot("9", "robot$new", &description(None));
        let robots = |all: &[&Robot]| all.iter().map(|robot| (*robot).clone()).collect::<Vec<_>>();
        check(
            &robots(&[&old]),
            "new",
            Some("7"),
            Ok(("create", &["create robot \"new\"", "rights of robot \"robot$old\""])),
        );
        check(&robots(&[&old]), "new", None, Ok(("create", &["create", "no other"])));
        check(&robots(&[&old]), "new", Some(ACCOUNT), Ok(("create", &["create", "no other"])));
        check(&robots(&[&old, &ours]), "new", Some("7"), Ok(("renew", &["find robot", "rights", "new password"])));
        check(
            &robots(&[&old, &bare]),
            "new",
            Some("7"),
            Ok(("change", &["find", "rights", "set its rights", "password"])),
        );
        check(&robots(&[&ours]), "new", Some("7"), Ok(("renew", &["find robot", "new password"])));
        check(&robots(&[&bare]), "new", None, Ok(("renew", &["find", "password"])));
        let off = Robot { disable: true, ..bare.clone() };
        check(&robots(&[&off]), "new", None, Ok(("change", &["find", "enable", "password"])));
        check(&robots(&[&old]), "old", None, Err(Reason::NotOurs));
        check(&robots(&[&ours]), "new", Some("9"), Err(Reason::FieldInvalid));
        check(&robots(&[&old]), "new", Some("8"), Err(Reason::ObjectAbsent));
        check(&robots(&[&bare]), "new", Some("8"), Err(Reason::ObjectAbsent));
    }

    #[test]
    fn names_are_known_behind_the_clouds_prefixes_and_no_others() {
        for (name, same) in
            [("ci", true), ("robot$ci", true), ("robot$team+ci", true), ("robot$ci2", false), ("xci", false)]
        {
            assert_eq!(is_named(&robot("1", name, ""), "ci"), same, "{name}");
        }
    }

    #[test]
    fn only_an_id_revokes_and_what_is_gone_is_done() {
        let locked = Robot { editable: Some(false), ..robot("8", "robot$sys", "") };
        let robots = [robot("7", "robot$ci", ""), locked];
        assert_eq!(to_revoke(&robots, "7").unwrap().map(|robot| robot.name.as_str()), Some("robot$ci"));
        assert_eq!(to_revoke(&robots, "99").unwrap(), None);
        for (id, reason) in
            [("ci", Reason::FieldInvalid), ("account", Reason::Unsupported), ("8", Reason::ObjectLocked)]
        {
            assert_eq!(to_revoke(&robots, id).unwrap_err().reason(), reason, "{id}");
        }
        assert!(to_revoke(&robots, "ci").unwrap_err().message().contains("has id 7"));
    }
}
