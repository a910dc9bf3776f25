//! A small server that answers by a rule and remembers what it was asked. The simulator is stricter; this one can be odder.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Request, Response},
};
use tokio::net::TcpListener;

/// What the server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Asked {
    /// A header's text, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Whether it was signed with this key.
    pub(crate) fn signed_with(&self, id: &str) -> bool {
        self.header("authorization").contains(&format!("Access={id},"))
    }
}

type Rule = Arc<dyn Fn(&Asked) -> (u16, String) + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    rule: Rule,
}

impl Server {
    pub(crate) async fn start(rule: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), asked: Arc::default(), rule: Arc::new(rule) };
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// A cloud-config file whose endpoints are all this server's.
    pub(crate) fn config(&self, global: &str) -> String {
        let services = ["ecs", "elb", "vpc", "eip", "nat", "iam", "cce", "swr"];
        let endpoints = services.map(|service| format!("{service}={}", self.url())).join("\n");
        format!("[Global]\nregion=test-1\n{global}\n[Endpoints]\n{endpoints}\n")
    }
}

async fn answer(State(server): State<Server>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let (status, body) = (server.rule)(&asked);
    server.asked.lock().unwrap().push(asked);
    Response::builder().status(status).body(Body::from(body)).unwrap()
}
