//! Image registries, made up from the scenario. Their credentials open nothing.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cloud_provider_api::{
    error::Reason,
    v1::{self, registries_server::Registries},
};
use tonic::{Request, Response, Status};

use super::{
    Call, Refusal, Who,
    check::Checker,
    pages::{Answers, Listing},
};
use crate::{
    MockProvider,
    scenario::{RegistrySettings, Scenario},
};

const DEFAULT_LIFETIME: Duration = Duration::from_hours(1);

/// Users that were made at run time, by registry.
#[derive(Debug, Default)]
pub(crate) struct RegistryUsers(Mutex<BTreeMap<String, Vec<v1::RegistryUser>>>);

impl RegistryUsers {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Vec<v1::RegistryUser>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The users of a registry, with those of the scenario at the first look.
    fn of<T>(&self, registry: &RegistrySettings, act: impl FnOnce(&mut Vec<v1::RegistryUser>) -> T) -> T {
        let mut all = self.all();
        let users = all
            .entry(registry.id.clone())
            .or_insert_with(|| registry.users.iter().map(|name| user(name, false)).collect());
        act(users)
    }
}

#[tonic::async_trait]
impl Registries for MockProvider {
    type ListRegistriesStream = Answers<v1::ListRegistriesResponse>;

    async fn list_registries(
        &self,
        request: Request<v1::ListRegistriesRequest>,
    ) -> Result<Response<Self::ListRegistriesStream>, Status> {
        let (call, request) = Call::of("ListRegistries", request);
        let who = call.who();
        let work = async {
            let scenario = self.cloud().scenario();
            who.tenant(&scenario, &request.tenant)?;
            let region = scenario.account().region;
            let registries = scenario.registries.iter().flatten().map(|registry| v1::Registry {
                id: registry.id.clone(),
                name: registry.name.clone().unwrap_or_else(|| registry.id.clone()),
                hosts: registry.hosts.clone(),
                region: region.clone(),
            });
            Ok(Listing::of(registries.collect(), scenario.page_size, self.cloud().now()))
        };
        Ok(Response::new(self.answer(call, work).await?.into_stream()))
    }

    async fn list_registry_users(
        &self,
        request: Request<v1::ListRegistryUsersRequest>,
    ) -> Result<Response<v1::ListRegistryUsersResponse>, Status> {
        let (call, request) = Call::of("ListRegistryUsers", request);
        let who = call.who();
        let work = async {
            let scenario = self.cloud().scenario();
            let registry = find(&scenario, &who, &request.registry_id, &request.tenant)?;
            let users = self.registry_users().of(registry, |users| users.clone());
            Ok(v1::ListRegistryUsersResponse { users, observed_at: Some(self.cloud().now().into()) })
        };
        self.answer(call, work).await.map(Response::new)
    }

    async fn replace_registry_user(
        &self,
        request: Request<v1::ReplaceRegistryUserRequest>,
    ) -> Result<Response<v1::ReplaceRegistryUserResponse>, Status> {
        let (call, request) = Call::of("ReplaceRegistryUser", request);
        let who = call.who();
        let work = async {
            let scenario = self.cloud().scenario();
            let registry = find(&scenario, &who, &request.registry_id, &request.tenant)?;
            let mut checker = Checker::default();
            checker.text("username", &request.username, 1..=253);
            checker.finish()?;
            let made = self.registry_users().of(registry, |users| replace(users, &request))?;
            let credential = (!request.plan_only).then(|| credential(registry, &request.username));
            Ok(v1::ReplaceRegistryUserResponse { user: Some(made.0), credential, steps: made.1 })
        };
        self.answer(call, work).await.map(Response::new)
    }

    async fn revoke_registry_user(
        &self,
        request: Request<v1::RevokeRegistryUserRequest>,
    ) -> Result<Response<v1::RevokeRegistryUserResponse>, Status> {
        let (call, request) = Call::of("RevokeRegistryUser", request);
        let who = call.who();
        let work = async {
            let scenario = self.cloud().scenario();
            let registry = find(&scenario, &who, &request.registry_id, &request.tenant)?;
            self.registry_users().of(registry, |users| users.retain(|user| user.id != request.user_id));
            Ok(v1::RevokeRegistryUserResponse {})
        };
        self.answer(call, work).await.map(Response::new)
    }

    async fn issue_registry_credential(
        &self,
        request: Request<v1::IssueRegistryCredentialRequest>,
    ) -> Result<Response<v1::IssueRegistryCredentialResponse>, Status> {
        let (call, request) = Call::of("IssueRegistryCredential", request);
        let who = call.who();
        let work = async {
            let scenario = self.cloud().scenario();
            let registry = find(&scenario, &who, &request.registry_id, &request.tenant)?;
            let lifetime = request.lifetime.and_then(|lifetime| lifetime.try_into().ok()).unwrap_or(DEFAULT_LIFETIME);
            let expires_at = Some(self.cloud().now().plus(lifetime).into());
            let credential = v1::RegistryCredential { expires_at, ..credential(registry, "temporary") };
            Ok(v1::IssueRegistryCredentialResponse { credential: Some(credential) })
        };
        self.answer(call, work).await.map(Response::new)
    }
}

/// The user that replaces another, and what was done.
fn replace(
    users: &mut Vec<v1::RegistryUser>,
    request: &v1::ReplaceRegistryUserRequest,
) -> Result<(v1::RegistryUser, Vec<String>), Refusal> {
    let known = users.iter().find(|user| user.username == request.username);
    if let Some(other) = known.filter(|user| !user.ours) {
        let message = format!("user {:?} exists and was not made by this daemon", other.username);
        return Err(Refusal::new(Reason::NotOurs, message));
    }
    let made = known.cloned().unwrap_or_else(|| user(&request.username, true));
    let verb = if known.is_some() { "find" } else { "create" };
    let steps = vec![format!("{verb} user {}", request.username), "set a new password".to_owned()];
    if known.is_none() && !request.plan_only {
        users.push(made.clone());
    }
    Ok((made, steps))
}

fn find<'a>(scenario: &'a Scenario, who: &Who, id: &str, tenant: &str) -> Result<&'a RegistrySettings, Refusal> {
    who.tenant(scenario, tenant)?;
    let registry = scenario.registries.iter().flatten().find(|registry| registry.id == id);
    registry.ok_or_else(|| Refusal::new(Reason::ObjectAbsent, format!("no registry {id:?}")))
}

fn user(name: &str, ours: bool) -> v1::RegistryUser {
    v1::RegistryUser { id: format!("user-{name}"), username: name.to_owned(), enabled: true, expires_at: None, ours }
}

fn credential(registry: &RegistrySettings, username: &str) -> v1::RegistryCredential {
    v1::RegistryCredential {
        hosts: registry.hosts.clone(),
        username: username.to_owned(),
        password: format!("{:032x}", rand::random::<u128>()),
        expires_at: None,
    }
}
