//! The client: one for each account profile.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, header};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::{
    actor::Actor,
    call::{Answer, Call},
    credentials::{Credentials, Source, SourceError},
    dialect::Dialect,
    error::{Error, Executed, Kind},
    sign::{Family, Sign},
    transport::{Broken, Response, Transport},
};

/// What a client is made of.
pub struct Settings {
    /// The account profile's name, for logs and metrics.
    pub account: String,
    /// Connections.
    pub transport: Transport,
    /// How requests are signed.
    pub sign: Arc<dyn Sign>,
    /// How answers are read.
    pub dialect: Arc<dyn Dialect>,
    /// Where credentials come from.
    pub credentials: Arc<dyn Source>,
}

/// Makes calls with one account's credentials. Clones share everything.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    actor: Arc<Actor>,
}

struct Shared {
    account: String,
    transport: Transport,
    sign: Arc<dyn Sign>,
    dialect: Arc<dyn Dialect>,
    credentials: Arc<dyn Source>,
}

impl Client {
    /// Makes one; nothing is called yet.
    pub fn new(settings: Settings) -> Self {
        let Settings { account, transport, sign, dialect, credentials } = settings;
        let shared = Shared { account, transport, sign, dialect, credentials };
        Self { shared: Arc::new(shared), actor: Arc::new(Actor::daemon()) }
    }

    /// The same client, working for someone.
    #[must_use]
    pub fn on_behalf_of(&self, actor: Actor) -> Self {
        Self { shared: self.shared.clone(), actor: Arc::new(actor) }
    }

    /// For whom it works.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The account profile's name.
    pub fn account(&self) -> &str {
        &self.shared.account
    }

    /// Makes a call whose answer is JSON. An empty body reads as `null`.
    pub async fn send<T: DeserializeOwned>(&self, call: Call) -> Result<Answer<T>, Error> {
        let name = call.name;
        let answer = self.run(call).await?;
        let body: &[u8] = if answer.value.is_empty() { b"null" } else { &answer.value };
        match serde_json::from_slice(body) {
            Ok(value) => Ok(answer.map(|_| value)),
            // serde's message may quote the answer, which may hold anything: only the place is told.
            Err(error) => Err(Error {
                executed: Executed::Yes,
                attempts: 1,
                request_id: answer.request_id,
                ..Error::unsent(
                    name,
                    Kind::Garbled,
                    format!("the answer is not what it should be, at line {} column {}", error.line(), error.column()),
                )
            }),
        }
    }

    /// Makes a call and answers with the body as it is.
    pub async fn run(&self, call: Call) -> Result<Answer<Bytes>, Error> {
        let credentials = self.shared.credentials.fetch().await.map_err(|error| no_credentials(call.name, &error))?;
        self.attempt(&call, &credentials).await
    }

    async fn attempt(&self, call: &Call, credentials: &Credentials) -> Result<Answer<Bytes>, Error> {
        let now = Timestamp::now();
        let request = self.request(call, credentials, now)?;
        let within = self.actor.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match self.shared.transport.send(request, within).await {
            Ok(response) => self.read(call, credentials, response),
            Err(Broken { kind, executed, message }) => {
                Err(Error { executed, attempts: 1, ..Error::unsent(call.name, kind, message) })
            }
        }
    }

    fn request(&self, call: &Call, credentials: &Credentials, now: Timestamp) -> Result<http::Request<Bytes>, Error> {
        let invalid = |message: String| Error::unsent(call.name, Kind::Invalid, message);
        let url = call.url().map_err(|fault| invalid(fault.to_owned()))?;
        let mut request = http::Request::builder()
            .method(call.method.clone())
            .uri(url.as_str())
            .body(call.body.clone().unwrap_or_default())
            .map_err(|error| invalid(error.to_string()))?;
        *request.headers_mut() = call.headers.clone();
        request.extensions_mut().insert(Family(call.family));
        if call.body.is_some() {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().entry(header::CONTENT_TYPE).or_insert(json);
        }
        self.shared
            .sign
            .sign(&mut request, credentials, now)
            .map_err(|error| Error::unsent(call.name, Kind::Unauthenticated, error.to_string()))?;
        Ok(request)
    }

    fn read(&self, call: &Call, credentials: &Credentials, response: Response) -> Result<Answer<Bytes>, Error> {
        let Response { status, headers, body } = response;
        let request_id = self.shared.dialect.request_id(&headers);
        if status.is_success() {
            return Ok(Answer { value: body, headers, request_id });
        }
        let failure = self.shared.dialect.failure(status, &headers, &body);
        let executed = if status.is_server_error() { Executed::Unknown } else { Executed::No };
        Err(Error {
            call: call.name,
            kind: failure.kind,
            status: Some(status),
            code: failure.code,
            message: credentials.remove_from(&failure.message),
            request_id: request_id.or(failure.request_id),
            retry_after: failure.retry_after,
            executed,
            attempts: 1,
        })
    }
}

fn no_credentials(call: &'static str, error: &SourceError) -> Error {
    let kind = match error {
        SourceError::Unavailable(_) => Kind::Connect,
        SourceError::Refused(_) => Kind::Unauthenticated,
    };
    Error::unsent(call, kind, format!("no credentials: {error}"))
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("account", &self.shared.account).finish_non_exhaustive()
    }
}
