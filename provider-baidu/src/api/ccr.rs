//! The enterprise registry (CCR): instances, their robot accounts, and passwords that end by themselves.

use cloud_rest::{
    Effect, Error, Kind, Secret,
    paging::{Page, Parts},
    words,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::text::or_default;
use crate::{
    cloud::{BY_NUMBER, Cloud},
    endpoints::Service,
};

/// A registry of its own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Instance {
    pub(crate) id: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) region: String,
    /// Where images are pulled from outside.
    #[serde(rename = "publicURL", deserialize_with = "or_default")]
    pub(crate) public_url: String,
}

/// A robot account: what logs in to a registry beside the account's own users.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Robot {
    /// A number, kept as the text the API shows.
    #[serde(deserialize_with = "id")]
    pub(crate) id: String,
    /// What is typed at `docker login`: the wanted name, perhaps with a prefix of the cloud's.
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) disable: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) description: String,
    /// In days; -1 is for ever.
    pub(crate) duration: Option<i64>,
    /// Unix seconds; less than 1 is never.
    pub(crate) expires_at: Option<i64>,
    /// Whether the cloud lets it be changed.
    pub(crate) editable: Option<bool>,
    /// What it may do. Copied as it is, so that nothing of it is lost.
    #[serde(deserialize_with = "or_default")]
    pub(crate) permissions: Vec<Value>,
}

/// What a robot shall be.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub(crate) struct Wanted<'a> {
    /// Said when it is made; the cloud changes it never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    pub(crate) description: &'a str,
    /// In days; -1 is for ever.
    pub(crate) duration: i64,
    pub(crate) disable: bool,
    pub(crate) permissions: &'a [Value],
}

/// A robot just made, with its password.
#[derive(Deserialize)]
pub(crate) struct Made {
    #[serde(flatten)]
    pub(crate) robot: Robot,
    pub(crate) secret: Secret,
}

#[derive(Deserialize)]
struct Rotated {
    secret: Secret,
}

#[derive(Deserialize)]
struct Password {
    password: Secret,
}

#[derive(Deserialize)]
struct Profile {
    name: String,
}

#[derive(Deserialize)]
struct Links {
    #[serde(default, deserialize_with = "or_default")]
    domain: String,
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(words::text(&Value::deserialize(deserializer)?).unwrap_or_default())
}

#[derive(Deserialize)]
struct Instances {
    total: u64,
    #[serde(deserialize_with = "or_default")]
    instances: Vec<Instance>,
}

impl Page for Instances {
    type Item = Instance;

    fn split(self) -> Parts<Instance> {
        Parts { items: self.instances, next: None, total: Some(self.total) }
    }

    fn id(item: &Instance) -> &str {
        &item.id
    }
}

#[derive(Deserialize)]
struct Robots {
    total: u64,
    #[serde(deserialize_with = "or_default")]
    robots: Vec<Robot>,
}

impl Page for Robots {
    type Item = Robot;

    fn split(self) -> Parts<Robot> {
        Parts { items: self.robots, next: None, total: Some(self.total) }
    }

    fn id(item: &Robot) -> &str {
        &item.id
    }
}

impl Cloud {
    /// All registries of the account in the region; none where CCR was not ordered.
    pub(crate) async fn ccr_instances(&self) -> Result<Vec<Instance>, Error> {
        let listed = self.get(Service::Ccr, "ListCcrInstances", &["v1", "instances"]).list::<Instances>(BY_NUMBER);
        match listed.await {
            Err(error) if error.code == "OptInRequired" => Ok(Vec::new()),
            outcome => Ok(outcome?.into_inner()),
        }
    }

    /// The host of a registry inside the VPC, if it has one.
    pub(crate) async fn ccr_private_host(&self, instance: &str) -> Result<Option<String>, Error> {
        let path = ["v1", "instances", instance, "privatelinks"];
        match self.get(Service::Ccr, "ListPrivateLinks", &path).send::<Links>().await {
            Ok(answer) => Ok(Some(answer.value.domain).filter(|domain| !domain.is_empty())),
            Err(error) if error.is_not_found() || error.kind == Kind::NoSuchApi => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the account's own user types at `docker login`.
    pub(crate) async fn ccr_login_name(&self) -> Result<String, Error> {
        Ok(self.get(Service::Ccr, "GetUserProfile", &["v1", "users", "profile"]).send::<Profile>().await?.value.name)
    }

    /// A password of the account's own user that ends after so many hours, from 1 to 24. Nobody but the caller holds it, so another
    /// one does no harm.
    pub(crate) async fn ccr_temporary_password(&self, instance: &str, hours: u64) -> Result<Secret, Error> {
        let path = ["v1", "instances", instance, "credential"];
        let request = self.post(Service::Ccr, "CreateTemporaryPassword", &path).effect(Effect::RepeatableWrite);
        let body = serde_json::json!({ "duration": hours });
        Ok(request.body(&body).send::<Password>().await?.value.password)
    }

    /// All robots of a registry.
    pub(crate) async fn ccr_robots(&self, instance: &str) -> Result<Vec<Robot>, Error> {
        let path = ["v1", "instances", instance, "robots"];
        Ok(self.get(Service::Ccr, "ListRobots", &path).list::<Robots>(BY_NUMBER).await?.into_inner())
    }

    /// Makes a robot. There is no token that would tell a repeat: its name does.
    pub(crate) async fn create_ccr_robot(&self, instance: &str, wanted: &Wanted<'_>) -> Result<Made, Error> {
        let path = ["v1", "instances", instance, "robots"];
        Ok(self.post(Service::Ccr, "CreateRobot", &path).body(wanted).send().await?.value)
    }

    /// Changes all of a robot but its name and password.
    pub(crate) async fn update_ccr_robot(&self, instance: &str, robot: &str, wanted: &Wanted<'_>) -> Result<(), Error> {
        let path = ["v1", "instances", instance, "robots", robot];
        self.put(Service::Ccr, "UpdateRobot", &path).body(wanted).run().await.map(drop)
    }

    /// Gives a robot another password, which the cloud makes. The one before is good no longer.
    pub(crate) async fn rotate_ccr_robot(&self, instance: &str, robot: &str) -> Result<Secret, Error> {
        let path = ["v1", "instances", instance, "robots", robot, "secret"];
        let request = self.put(Service::Ccr, "RefreshRobotSecret", &path).body(&serde_json::json!({}));
        Ok(request.send::<Rotated>().await?.value.secret)
    }

    /// Removes a robot. Success if there is none.
    pub(crate) async fn delete_ccr_robot(&self, instance: &str, robot: &str) -> Result<(), Error> {
        let path = ["v1", "instances", instance, "robots", robot];
        match self.delete(Service::Ccr, "DeleteRobot", &path).run().await {
            Err(error) if error.is_not_found() => Ok(()),
            outcome => outcome.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_robot_is_read_with_its_rights_as_they_are() {
        let rights = json!([{"kind": "project", "namespace": "*", "access": [{"action": "pull", "resource": "repository"}], "new": 1}]);
        let wire = json!({"id": 12, "name": "robot$ci", "level": "system", "disable": false, "description": null, "duration": -1,
            "expiresAt": -1, "creationTime": "t", "updateTime": "t", "editable": true, "permissions": rights});
        let robot: Robot = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!((robot.id.as_str(), robot.name.as_str(), robot.description.as_str()), ("12", "robot$ci", ""));
        assert_eq!(Value::Array(robot.permissions), rights);
        let mut made = wire;
        made["secret"] = json!("marker");
        let made: Made = serde_json::from_value(made).unwrap();
        assert_eq!((made.robot.id.as_str(), made.secret.expose()), ("12", "marker"));
    }

    #[test]
    fn the_name_is_said_only_when_a_robot_is_made() {
        let wanted = Wanted { name: None, description: "d", duration: -1, disable: false, permissions: &[] };
        let wire = json!({"description": "d", "duration": -1, "disable": false, "permissions": []});
        assert_eq!(serde_json::to_value(&wanted).unwrap(), wire);
        assert_eq!(serde_json::to_value(Wanted { name: Some("ci"), ..wanted }).unwrap()["name"], "ci");
    }
}
