use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::SystemTime,
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response as HttpResponse},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cloud_provider_api::{
    error::Reason,
    v1::{self, registries_server::Registries},
};
use futures::stream;
use provider_kit::{Batch, Error, Listing, listing};
use tonic::{Request, Response, Status};

pub(crate) const REGISTRY: &str = "r-1";
pub(crate) const OLD_ID: &str = "12";
pub(crate) const OLD: &str = "robot$old";

/// A registry with robots: its cloud, the daemon in front of that, and the docker API that nodes pull through.
#[derive(Clone, Default)]
pub(crate) struct Robots(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) host: String,
    pub(crate) robots: Vec<Robot>,
    /// Passwords made so far, of all robots.
    pub(crate) passwords: usize,
    /// The next answer with a password is lost after the fact.
    pub(crate) lose_answer: bool,
    /// Logins tried over the docker API.
    pub(crate) tried: usize,
}

#[derive(Clone)]
pub(crate) struct Robot {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) ours: bool,
}

impl Robots {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// One robot, made by hand, and nothing else.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        let old =
            Robot { id: OLD_ID.to_owned(), name: OLD.to_owned(), password: "old-password".to_owned(), ours: false };
        *state = State { host: state.host.clone(), robots: vec![old], ..State::default() };
    }

    pub(crate) fn accepts(&self, username: &str, password: &str) -> bool {
        self.state().robots.iter().any(|robot| robot.name == username && robot.password == password)
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.state().robots.iter().any(|robot| robot.id == id)
    }

    /// Serves the docker API on loopback.
    pub(crate) async fn serve_docker(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        self.state().host.clone_from(&host);
        let robots = self.clone();
        let app = Router::new().route("/v2/", get(move |headers: HeaderMap| async move { robots.greet(&headers) }));
        tokio::spawn(async { axum::serve(listener, app).await });
        host
    }

    fn greet(&self, headers: &HeaderMap) -> HttpResponse {
        let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
        let plain = basic.and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok());
        if plain.is_some() {
            self.state().tried += 1;
        }
        match plain.as_deref().and_then(|plain| plain.split_once(':')) {
            Some((username, password)) if self.accepts(username, password) => StatusCode::OK.into_response(),
            _ => (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"r\"")]).into_response(),
        }
    }
}

fn on_wire(robot: &Robot) -> v1::RegistryUser {
    v1::RegistryUser {
        id: robot.id.clone(),
        username: robot.name.clone(),
        enabled: true,
        expires_at: None,
        ours: robot.ours,
    }
}

#[tonic::async_trait]
impl Registries for Robots {
    type ListRegistriesStream = Listing<v1::ListRegistriesResponse>;

    async fn list_registries(
        &self,
        _: Request<v1::ListRegistriesRequest>,
    ) -> Result<Response<Self::ListRegistriesStream>, Status> {
        let hosts = vec![self.state().host.clone()];
        let (id, name, region) = (REGISTRY.to_owned(), "images".to_owned(), "bj".to_owned());
        let batch = Batch { items: vec![v1::Registry { id, name, hosts, region }], observed_at: SystemTime::now() };
        Ok(Response::new(listing(stream::iter([Ok(batch)]))))
    }

    async fn list_registry_users(
        &self,
        _: Request<v1::ListRegistryUsersRequest>,
    ) -> Result<Response<v1::ListRegistryUsersResponse>, Status> {
        let users = self.state().robots.iter().map(on_wire).collect();
        Ok(Response::new(v1::ListRegistryUsersResponse { users, observed_at: Some(SystemTime::now().into()) }))
    }

    async fn replace_registry_user(
        &self,
        request: Request<v1::ReplaceRegistryUserRequest>,
    ) -> Result<Response<v1::ReplaceRegistryUserResponse>, Status> {
        let request = request.into_inner();
        let name = format!("robot${}", request.username);
        let mut state = self.state();
        let steps = vec![format!("make robot {name}")];
        if request.plan_only {
            return Ok(Response::new(v1::ReplaceRegistryUserResponse { user: None, credential: None, steps }));
        }
        state.passwords += 1;
        let password = format!("password-{}", state.passwords);
        match state.robots.iter_mut().find(|robot| robot.name == name) {
            Some(robot) if !robot.ours => {
                return Err(Error::cloud("robots", Reason::NotOurs, "made by hand").into());
            }
            Some(robot) => robot.password.clone_from(&password),
            None => {
                let id = (20 + state.passwords).to_string();
                state.robots.push(Robot { id, name: name.clone(), password: password.clone(), ours: true });
            }
        }
        if std::mem::take(&mut state.lose_answer) {
            return Err(Error::cloud("robots", Reason::CloudUnavailable, "the answer was lost").into());
        }
        let user = state.robots.iter().find(|robot| robot.name == name).map(on_wire);
        let hosts = vec![state.host.clone()];
        let credential = Some(v1::RegistryCredential { hosts, username: name, password, expires_at: None });
        Ok(Response::new(v1::ReplaceRegistryUserResponse { user, credential, steps }))
    }

    async fn revoke_registry_user(
        &self,
        request: Request<v1::RevokeRegistryUserRequest>,
    ) -> Result<Response<v1::RevokeRegistryUserResponse>, Status> {
        let id = request.into_inner().user_id;
        self.state().robots.retain(|robot| robot.id != id);
        Ok(Response::new(v1::RevokeRegistryUserResponse {}))
    }

    async fn issue_registry_credential(
        &self,
        _: Request<v1::IssueRegistryCredentialRequest>,
    ) -> Result<Response<v1::IssueRegistryCredentialResponse>, Status> {
        Err(Error::new(Reason::CapabilityAbsent, "not in this test").into())
    }
}
