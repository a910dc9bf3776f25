//! A client that signs by hand.

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use simulators::{
    engine::{Running, Settings},
    huawei::{Huawei, state},
};

/// A cloud with nothing special about it.
pub(crate) async fn cloud() -> Running<Huawei> {
    Huawei::default().start(Settings::default()).await.unwrap()
}

/// A client with a key.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) access: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
    pub(crate) date: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, when all went well.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        self.body
    }

    /// Status and code of a refusal of any shape.
    #[track_caller]
    pub(crate) fn refusal(&self) -> (u16, String) {
        assert!(!self.status.is_success(), "{self:?}");
        let body = &self.body;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let code = text(&body["error_code"])
            .or_else(|| text(&body["code"]))
            .or_else(|| text(&body["error"]["code"]))
            .or_else(|| text(&body["NeutronError"]["type"]))
            .or_else(|| body.as_object()?.keys().next().cloned());
        (self.status.as_u16(), code.unwrap_or_default())
    }
}

impl Client {
    /// Of the account that is there from the start.
    pub(crate) fn of(cloud: &Running<Huawei>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            base: cloud.http(),
            access: state::ACCESS_KEY.to_owned(),
            secret: state::SECRET_KEY.to_owned(),
            token: None,
            date: cloud.now().strftime("%Y%m%dT%H%M%SZ").to_string(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await.unwrap()
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::Result<Answer> {
        let answer = self.signed(&method, path, body.as_ref()).send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await?;
        Ok(Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }

    /// A signed request. `path` may have a query, with nothing in it that would have to be encoded.
    pub(crate) fn signed(&self, method: &Method, path: &str, body: Option<&Value>) -> RequestBuilder {
        // `P` stands for the project.
        let path = path.replace("/P/", &format!("/{}/", state::PROJECT));
        let body = body.map(Value::to_string).unwrap_or_default();
        let (uri, query) = path.split_once('?').unwrap_or((&path, ""));
        let mut pairs: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).collect();
        pairs.sort_unstable();
        let mut headers = vec![("x-sdk-date", self.date.clone())];
        headers.extend(self.token.clone().map(|token| ("x-security-token", token)));
        headers.sort();
        let lines = headers.iter().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join("\n");
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let slash = if uri.ends_with('/') { "" } else { "/" };
        let hash = hex::encode(Sha256::digest(&body));
        let canonical = format!("{method}\n{uri}{slash}\n{}\n{lines}\n\n{names}\n{hash}", pairs.join("&"));
        let to_sign = format!("SDK-HMAC-SHA256\n{}\n{}", self.date, hex::encode(Sha256::digest(canonical)));
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(to_sign.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let authorization =
            format!("SDK-HMAC-SHA256 Access={}, SignedHeaders={names}, Signature={signature}", self.access);
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.header("authorization", authorization)
    }
}
