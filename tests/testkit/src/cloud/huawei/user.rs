//! Somebody with the account's keys who calls the cloud directly.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{ACCESS_KEY, PROJECT, SECRET_KEY};
use crate::http;

const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// Signs by hand.
#[derive(Clone, Copy, Debug)]
pub struct User {
    cloud: SocketAddr,
}

impl User {
    pub(super) fn new(cloud: SocketAddr) -> Self {
        Self { cloud }
    }

    /// Makes a call. `/P/` in the path stands for the project; the path needs no encoding.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let path = path.replace("/P/", &format!("/{PROJECT}/"));
        let body = body.map(Value::to_string);
        let date = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let authorization = authorization(method, &path, &date, body.as_deref().unwrap_or_default())?;
        let headers = [("X-Sdk-Date", date.as_str()), ("Authorization", &authorization)];
        let (status, answer) = http::request_with(self.cloud, method, &path, &headers, body.as_deref()).await?;
        ensure!((200..300).contains(&status), "{method} {path} was answered {status}: {answer}");
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&answer).with_context(|| format!("the answer to {method} {path}: {answer}"))
    }

    /// Makes something, and answers it; `kind` is its name in request and answer.
    pub async fn create(&self, path: &str, kind: &str, object: Value) -> Result<Value> {
        let mut answer = self.call("POST", path, Some(&serde_json::json!({ kind: object }))).await?;
        Ok(answer[kind].take())
    }
}

fn authorization(method: &str, path: &str, date: &str, body: &str) -> Result<String> {
    let (uri, query) = path.split_once('?').unwrap_or((path, ""));
    let mut pairs: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_unstable();
    let slash = if uri.ends_with('/') { "" } else { "/" };
    let hash = hex::encode(Sha256::digest(body));
    let canonical = format!("{method}\n{uri}{slash}\n{}\nx-sdk-date:{date}\n\nx-sdk-date\n{hash}", pairs.join("&"));
    let to_sign = format!("{ALGORITHM}\n{date}\n{}", hex::encode(Sha256::digest(canonical)));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET_KEY.as_bytes())?;
    mac.update(to_sign.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    Ok(format!("{ALGORITHM} Access={ACCESS_KEY}, SignedHeaders=x-sdk-date, Signature={signature}"))
}
