//! Image registries: those of CCR, whose robots are their users, and the personal one, whose only user keeps its name for ever.

use std::time::{Duration, SystemTime};

use cloud_provider_api::{
    error::Reason,
    v1::{self, registries_server::Registries},
};
use cloud_rest::Secret;
use provider_kit::{Call, Checker, Error, Listing, Result, whole};
use tonic::{Code, Request, Response, Status};

use super::Provider;
use crate::{
    PROVIDER,
    api::ccr::{Instance, Robot},
    cloud::Cloud,
    fault,
    robots::{self, Deed},
};

/// Id of the personal registry.
const PERSONAL: &str = "personal";
/// Its host, the same in all regions.
const PERSONAL_HOST: &str = "hub.baidubce.com";
/// Lifetimes of passwords, in hours.
const HOURS: std::ops::RangeInclusive<u64> = 1..=24;

#[tonic::async_trait]
impl Registries for Provider {
    type ListRegistriesStream = Listing<v1::ListRegistriesResponse>;

    async fn list_registries(
        &self,
        request: Request<v1::ListRegistriesRequest>,
    ) -> Result<Response<Self::ListRegistriesStream>, Status> {
        let call = Call::of(&request)?.clone();
        let cloud = self.registry_cloud(&call, &request.into_inner().tenant, "")?;
        let observed_at = SystemTime::now();
        let mut items = Vec::new();
        for instance in ask(cloud.ccr_instances().await)? {
            let hosts = hosts(&cloud, &instance).await?;
            // One that is reached from nowhere serves nobody.
            if !hosts.is_empty() {
                items.push(v1::Registry { id: instance.id, name: instance.name, hosts, region: instance.region });
            }
        }
        if ask(cloud.image_user().await)?.is_some() {
            let (id, name) = (PERSONAL.to_owned(), "personal registry".to_owned());
            items.push(v1::Registry { id, name, hosts: vec![PERSONAL_HOST.to_owned()], region: String::new() });
        }
        Ok(whole(items, observed_at))
    }

    async fn list_registry_users(
        &self,
        request: Request<v1::ListRegistryUsersRequest>,
    ) -> Result<Response<v1::ListRegistryUsersResponse>, Status> {
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        let cloud = self.registry_cloud(&call, &request.tenant, &request.registry_id)?;
        let observed_at = Some(SystemTime::now().into());
        let users = match kind(&cloud, &request.registry_id).await? {
            Registry::Personal { username } => vec![own_user(username)],
            Registry::Enterprise(instance) => {
                let own = own_user(ask(cloud.ccr_login_name().await)?);
                let robots = ask(cloud.ccr_robots(&instance.id).await)?;
                std::iter::once(own).chain(robots.iter().map(on_wire)).collect()
            }
        };
        Ok(Response::new(v1::ListRegistryUsersResponse { users, observed_at }))
    }

    async fn replace_registry_user(
        &self,
        request: Request<v1::ReplaceRegistryUserRequest>,
    ) -> Result<Response<v1::ReplaceRegistryUserResponse>, Status> {
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        let mut checker = Checker::default();
        checker.text("username", &request.username, 1..=253);
        checker.text("replaces_user_id", &request.replaces_user_id, 0..=512);
        checker.finish()?;
        let cloud = self.registry_cloud(&call, &request.tenant, &request.registry_id)?;
        let instance = match kind(&cloud, &request.registry_id).await? {
            Registry::Enterprise(instance) => instance,
            Registry::Personal { username } => return Err(no_rename(&username).into()),
        };
        let replaces = Some(request.replaces_user_id.clone()).filter(|id| !id.is_empty());
        if request.plan_only {
            let robots = ask(cloud.ccr_robots(&instance.id).await)?;
            let steps = robots::plan(&robots, &request.username, replaces.as_deref())?.steps;
            return Ok(Response::new(v1::ReplaceRegistryUserResponse { user: None, credential: None, steps }));
        }
        // Two that change one registry's robots at once would take the password from each other.
        let key = format!("registry/{}/{}", cloud.account(), instance.id);
        let username = request.username.clone();
        let work = async move { replace(&cloud, &instance, &username, replaces.as_deref()).await };
        Ok(Response::new(self.0.kit.writes().run(&key, request, work).await?))
    }

    async fn revoke_registry_user(
        &self,
        request: Request<v1::RevokeRegistryUserRequest>,
    ) -> Result<Response<v1::RevokeRegistryUserResponse>, Status> {
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        let mut checker = Checker::default();
        checker.text("user_id", &request.user_id, 1..=512);
        checker.finish()?;
        let cloud = self.registry_cloud(&call, &request.tenant, &request.registry_id)?;
        let instance = match kind(&cloud, &request.registry_id).await? {
            Registry::Enterprise(instance) => instance,
            Registry::Personal { username } => return Err(no_rename(&username).into()),
        };
        let key = format!("registry/{}/{}", cloud.account(), instance.id);
        let user_id = request.user_id.clone();
        let work = async move {
            let robots = ask(cloud.ccr_robots(&instance.id).await)?;
            if let Some(robot) = robots::to_revoke(&robots, &user_id)? {
                ask(cloud.delete_ccr_robot(&instance.id, &robot.id).await)?;
            }
            Ok(v1::RevokeRegistryUserResponse {})
        };
        Ok(Response::new(self.0.kit.writes().run(&key, request, work).await?))
    }

    async fn issue_registry_credential(
        &self,
        request: Request<v1::IssueRegistryCredentialRequest>,
    ) -> Result<Response<v1::IssueRegistryCredentialResponse>, Status> {
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        let hours = hours(request.lifetime)?;
        let cloud = self.registry_cloud(&call, &request.tenant, &request.registry_id)?;
        let instance = match kind(&cloud, &request.registry_id).await? {
            Registry::Enterprise(instance) => instance,
            Registry::Personal { .. } => {
                let message = "the personal registry has no passwords that end by themselves: move its images to an instance of CCR, \
                               which has";
                return Err(Error::cloud(PROVIDER, Reason::Unsupported, message)
                    .with_code(Code::FailedPrecondition)
                    .into());
            }
        };
        let expires_at = SystemTime::now() + Duration::from_hours(hours);
        let username = ask(cloud.ccr_login_name().await)?;
        let password = ask(cloud.ccr_temporary_password(&instance.id, hours).await)?;
        let mut credential = credential(&cloud, &instance, &username, &password).await?;
        credential.expires_at = Some(expires_at.into());
        Ok(Response::new(v1::IssueRegistryCredentialResponse { credential: Some(credential) }))
    }
}

impl Provider {
    /// The cloud a registry is in, working for the caller.
    fn registry_cloud(&self, call: &Call, tenant: &str, id: &str) -> Result<Cloud> {
        let account = self.account(call, tenant)?;
        if !account.cloud.config().profile.features.registries {
            let message = "this profile's installation has no registries: CAPABILITY_REGISTRIES was not announced";
            return Err(Error::new(Reason::CapabilityAbsent, message));
        }
        Ok(account.acting_for(call, id))
    }
}

fn ask<T>(outcome: Result<T, cloud_rest::Error>) -> Result<T> {
    outcome.map_err(|error| fault::of(&error))
}

/// A registry by its id.
enum Registry {
    Enterprise(Instance),
    Personal { username: String },
}

async fn kind(cloud: &Cloud, id: &str) -> Result<Registry> {
    let absent = |message: String| Error::cloud(PROVIDER, Reason::ObjectAbsent, message);
    if id == PERSONAL {
        let username = ask(cloud.image_user().await)?;
        let username = username.ok_or_else(|| absent("the account has no personal registry".to_owned()))?;
        return Ok(Registry::Personal { username });
    }
    let instances = ask(cloud.ccr_instances().await)?;
    let known: Vec<&str> = instances.iter().map(|instance| instance.id.as_str()).collect();
    let missing = format!("there is no registry {id:?} in region {}; there are {known:?}", cloud.region());
    instances.into_iter().find(|instance| instance.id == id).map(Registry::Enterprise).ok_or_else(|| absent(missing))
}

/// The ticket as it is often put. What the cloud cannot do is said with what can be done instead.
fn no_rename(username: &str) -> Error {
    let message = format!(
        "the personal registry has one user, {username:?}, which the cloud neither renames nor removes; only its password can be changed, \
         in the console, and every pull secret fails from that moment on. To have users with names of your choice, move the images \
         to an instance of CCR and give its id as the registry: its robots are made, replaced and revoked here"
    );
    Error::cloud(PROVIDER, Reason::Unsupported, message).with_code(Code::FailedPrecondition)
}

/// Makes a user, or finds the one of an earlier attempt, and answers its password.
async fn replace(
    cloud: &Cloud,
    instance: &Instance,
    username: &str,
    replaces: Option<&str>,
) -> Result<v1::ReplaceRegistryUserResponse> {
    let robots = ask(cloud.ccr_robots(&instance.id).await)?;
    let plan = robots::plan(&robots, username, replaces)?;
    let (robot, password) = match plan.deed {
        Deed::Create(shape) => {
            let made = ask(cloud.create_ccr_robot(&instance.id, &shape.wanted(Some(username))).await)?;
            (made.robot, made.secret)
        }
        Deed::Renew { robot, change } => {
            if let Some(shape) = change {
                ask(cloud.update_ccr_robot(&instance.id, &robot.id, &shape.wanted(None)).await)?;
            }
            let password = ask(cloud.rotate_ccr_robot(&instance.id, &robot.id).await)?;
            (Robot { disable: false, ..robot }, password)
        }
    };
    let credential = credential(cloud, instance, &robot.name, &password).await?;
    // What is answered when one is made may leave the description out: it is ours all the same.
    let user = v1::RegistryUser { ours: true, ..on_wire(&robot) };
    Ok(v1::ReplaceRegistryUserResponse { user: Some(user), credential: Some(credential), steps: plan.steps })
}

async fn credential(
    cloud: &Cloud,
    instance: &Instance,
    username: &str,
    password: &Secret,
) -> Result<v1::RegistryCredential> {
    Ok(v1::RegistryCredential {
        hosts: hosts(cloud, instance).await?,
        username: username.to_owned(),
        password: password.expose().to_owned(),
        expires_at: None,
    })
}

/// Where images are pulled from: outside and inside the VPC.
async fn hosts(cloud: &Cloud, instance: &Instance) -> Result<Vec<String>> {
    let private = ask(cloud.ccr_private_host(&instance.id).await)?;
    let mut hosts = Vec::new();
    for url in std::iter::once(instance.public_url.as_str()).chain(private.as_deref()) {
        let host = host(url);
        if !host.is_empty() && !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    Ok(hosts)
}

/// The host and port of what may be a URL.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

fn own_user(username: String) -> v1::RegistryUser {
    v1::RegistryUser { id: robots::ACCOUNT.to_owned(), username, enabled: true, expires_at: None, ours: false }
}

fn on_wire(robot: &Robot) -> v1::RegistryUser {
    let ends = robot.expires_at.filter(|seconds| *seconds > 0);
    v1::RegistryUser {
        id: robot.id.clone(),
        username: robot.name.clone(),
        enabled: !robot.disable,
        expires_at: ends.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }),
        ours: robots::is_ours(robot),
    }
}

/// The cloud counts whole hours.
fn hours(lifetime: Option<prost_types::Duration>) -> Result<u64> {
    let Some(lifetime) = lifetime else { return Ok(*HOURS.start()) };
    let lifetime = Duration::try_from(lifetime).map_err(|_| Error::field("lifetime", "is negative"))?;
    if lifetime.is_zero() {
        return Err(Error::field("lifetime", "must be more than zero"));
    }
    let hours = lifetime.as_secs().div_ceil(3_600).max(1);
    if HOURS.contains(&hours) {
        return Ok(hours);
    }
    let message = format!("lifetime: passwords of CCR last from 1 to 24 hours, not {hours}");
    Err(Error::cloud(PROVIDER, Reason::OutOfRange, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_what_images_are_named_by() {
        for (url, expected) in [
            ("https://ccr-1abc-pub.cnc.bj.baidubce.com/", "ccr-1abc-pub.cnc.bj.baidubce.com"),
            ("ccr-1abc-pub.cnc.bj.baidubce.com", "ccr-1abc-pub.cnc.bj.baidubce.com"),
            ("http://127.0.0.1:5000/v2/", "127.0.0.1:5000"),
            ("", ""),
        ] {
            assert_eq!(host(url), expected, "{url}");
        }
    }

    #[test]
    fn lifetimes_are_whole_hours_up_to_a_day() {
        let asked = |seconds| hours(Some(prost_types::Duration { seconds, nanos: 0 }));
        assert_eq!(hours(None).unwrap(), 1);
        for (seconds, expected) in [(1, 1), (3_600, 1), (3_601, 2), (86_400, 24)] {
            assert_eq!(asked(seconds).unwrap(), expected, "{seconds}");
        }
        for (seconds, reason) in [(0, Reason::FieldInvalid), (-1, Reason::FieldInvalid), (86_401, Reason::OutOfRange)] {
            assert_eq!(asked(seconds).unwrap_err().reason(), reason, "{seconds}");
        }
    }

    #[test]
    fn a_robot_that_never_ends_has_no_end() {
        for (expires_at, expected) in
            [(None, None), (Some(-1), None), (Some(0), None), (Some(1_800_000_000), Some(1_800_000_000))]
        {
            let user = on_wire(&Robot { expires_at, ..Robot::default() });
            assert_eq!(user.expires_at.map(|at| at.seconds), expected, "{expires_at:?}");
        }
    }
}
