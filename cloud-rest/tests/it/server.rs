//! A small cloud on a real socket that answers what it is told to, and remembers what it was asked.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Request, Response, StatusCode},
};
use cloud_rest::{
    Call, Client, Credentials, Dialect, Effect, Failure, Kind, Patience, Settings, Sign, SignError, Source, Transport,
    TransportSettings,
};
use jiff::Timestamp;
use tokio::net::TcpListener;

/// What the server does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// An answer with a status, headers and a body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// An answer after a while.
    Late(Duration, u16, String),
    /// Takes the request and closes the connection.
    Drop,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::Answer(status, Vec::new(), body.to_owned())
    }
}

/// What the server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
}

type Answers = Arc<dyn Fn(&Asked) -> Option<Reply> + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    script: Arc<Mutex<VecDeque<Reply>>>,
    rule: Arc<Mutex<Option<Answers>>>,
    connections: Arc<Mutex<u32>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            script: Arc::default(),
            rule: Arc::default(),
            connections: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(server.clone());
        let connections = server.connections.clone();
        let listener = axum::serve::ListenerExt::tap_io(listener, move |_| *connections.lock().unwrap() += 1);
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// Answers in this order; when they are used up, `200 {}`.
    pub(crate) fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.script.lock().unwrap().extend(replies);
    }

    /// Answers by a rule, where it has an answer.
    pub(crate) fn rule(&self, rule: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) {
        *self.rule.lock().unwrap() = Some(Arc::new(rule));
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> u32 {
        *self.connections.lock().unwrap()
    }

    pub(crate) fn call(&self, effect: Effect) -> Call {
        Call {
            name: "TestCall",
            family: "test",
            method: if effect == Effect::Read { http::Method::GET } else { http::Method::POST },
            base: format!("http://{}", self.address).parse().unwrap(),
            path: vec!["v1".to_owned(), "things".to_owned()],
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: (effect != Effect::Read).then(|| Bytes::from_static(b"{}")),
            effect,
        }
    }
}

async fn answer(State(server): State<Server>, request: Request<Body>) -> Result<Response<Body>, StatusCode> {
    let asked = Asked {
        method: request.method().to_string(),
        uri: request.uri().to_string(),
        headers: request.headers().clone(),
    };
    server.asked.lock().unwrap().push(asked.clone());
    let rule = server.rule.lock().unwrap().clone();
    let ruled = rule.and_then(|rule| rule(&asked));
    let reply = ruled.or_else(|| server.script.lock().unwrap().pop_front());
    match reply.unwrap_or_else(|| Reply::json(200, "{}")) {
        Reply::Answer(status, headers, body) => {
            let mut response = Response::builder().status(status).header("x-request-id", "request-1");
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(Body::from(body)).unwrap())
        }
        Reply::Late(wait, status, body) => {
            tokio::time::sleep(wait).await;
            Ok(Response::builder().status(status).body(Body::from(body)).unwrap())
        }
        // A body that fails makes the server close the connection before the answer is whole.
        Reply::Drop => Ok(Response::new(Body::from_stream(futures::stream::iter([
            Ok(Bytes::from_static(b"{")),
            Err(std::io::Error::other("gone")),
        ])))),
    }
}

/// Signs by writing down the key, the token and the time.
pub(crate) struct Plain;

impl Sign for Plain {
    fn sign(
        &self,
        request: &mut http::Request<Bytes>,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<(), SignError> {
        let value = format!("{} {now}", credentials.id).parse().map_err(|_| SignError("unfit"))?;
        request.headers_mut().insert("authorization", value);
        Ok(())
    }
}

/// Takes the status for the kind, and the body for the words.
pub(crate) struct Statuses;

impl Dialect for Statuses {
    fn failure(&self, status: StatusCode, _headers: &HeaderMap, body: &[u8]) -> Failure {
        let kind = match status.as_u16() {
            401 => Kind::Unauthenticated,
            403 => Kind::PermissionDenied,
            404 => Kind::NotFound,
            429 => Kind::Throttled,
            500.. => Kind::Server,
            _ => Kind::Invalid,
        };
        let message = String::from_utf8_lossy(body).into_owned();
        Failure { kind, code: format!("T.{}", status.as_u16()), message, request_id: None, retry_after: None }
    }

    fn request_id(&self, headers: &HeaderMap) -> Option<String> {
        headers.get("x-request-id")?.to_str().ok().map(str::to_owned)
    }
}

pub(crate) fn settings(source: Arc<dyn Source>) -> Settings {
    let transport = TransportSettings {
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(2),
        ..TransportSettings::default()
    };
    let transport = Transport::new(&transport).unwrap();
    Settings {
        patience: Patience { first_pause: Duration::from_millis(5), ..Patience::default() },
        start_rate: |_, _| 500.0,
        ..Settings::new("test", transport, Arc::new(Plain), Arc::new(Statuses), source)
    }
}

pub(crate) fn key(id: &str) -> Arc<dyn Source> {
    Arc::new(Credentials::lasting(id, "marker-secret"))
}

/// A client with this source.
pub(crate) fn client(source: Arc<dyn Source>) -> Client {
    Client::new(settings(source))
}
