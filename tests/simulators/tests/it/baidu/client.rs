//! A client that signs by hand.

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::Value;
use sha2::Sha256;
use simulators::{
    baidu::{Baidu, state},
    engine::{Change, Running, Settings},
};

/// A cloud in which everything takes no time.
pub(super) async fn cloud() -> Running<Baidu> {
    let cloud = slow_cloud().await;
    cloud.turn(Change { delays_ms: [("*".to_owned(), 0)].into(), ..Change::default() }).unwrap();
    cloud
}

/// A cloud with nothing special about it.
pub(super) async fn slow_cloud() -> Running<Baidu> {
    Baidu::default().start(Settings::default()).await.unwrap()
}

/// A client with a key.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) http: reqwest::Client,
    /// What paths come after; the first segment of a path names the service.
    pub(super) base: String,
    pub(super) access: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
    pub(super) date: String,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Answer {
    /// The body, when all went well.
    #[track_caller]
    pub(super) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        self.body
    }

    /// Status and code of a refusal.
    #[track_caller]
    pub(super) fn refusal(&self) -> (u16, &str) {
        assert!(!self.status.is_success(), "{self:?}");
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or_default())
    }
}

impl Client {
    /// Of the account that is there from the start.
    pub(super) fn of(cloud: &Running<Baidu>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            base: cloud.http(),
            access: state::ACCESS_KEY.to_owned(),
            secret: state::SECRET_KEY.to_owned(),
            token: None,
            date: cloud.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }

    /// With another permanent key.
    pub(super) fn with_key(&self, access: &str, secret: &str) -> Self {
        Self { access: access.to_owned(), secret: secret.to_owned(), token: None, ..self.clone() }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await.unwrap()
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await.unwrap()
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(body)).await.unwrap()
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await.unwrap()
    }

    pub(super) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::Result<Answer> {
        let answer = self.signed(&method, path, body.as_ref()).send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await?;
        Ok(Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }

    /// A signed request. `path` may have a query, with nothing in it that would have to be encoded but slashes.
    pub(super) fn signed(&self, method: &Method, path: &str, body: Option<&Value>) -> RequestBuilder {
        let body = body.map(Value::to_string).unwrap_or_default();
        let (uri, query) = path.split_once('?').unwrap_or((path, ""));
        let encode = |text: &str| text.replace('/', "%2F").replace(':', "%3A").replace(',', "%2C");
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let mut pairs: Vec<_> = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(key, value)| format!("{key}={}", encode(value)))
            .collect();
        pairs.sort_unstable();
        let url = format!("{}{path}", self.base);
        let host = url.split("//").nth(1).unwrap().split('/').next().unwrap().to_owned();
        let mut headers = vec![("host", host), ("x-bce-date", self.date.clone())];
        headers.extend(self.token.clone().map(|token| ("x-bce-security-token", token)));
        let lines = headers.iter().map(|(name, value)| format!("{name}:{}", encode(value)));
        let lines = lines.collect::<Vec<_>>().join("\n");
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let prefix = format!("bce-auth-v1/{}/{}/1800", self.access, self.date);
        let signing_key = hmac(self.secret.as_bytes(), &prefix);
        let canonical = format!("{method}\n{uri}\n{}\n{lines}", pairs.join("&"));
        let signature = hmac(signing_key.as_bytes(), &canonical);
        let mut request = self.http.request(method.clone(), url).body(body);
        for (name, value) in &headers[1..] {
            request = request.header(*name, value);
        }
        request.header("authorization", format!("{prefix}/{names}/{signature}"))
    }
}

fn hmac(key: &[u8], text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
