//! Somebody with the account's keys who calls the cloud directly.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use sha2::Sha256;

use super::{ACCESS_KEY, SECRET_KEY};
use crate::http;

/// The cloud takes one change of an object at a time.
const BUSY: u16 = 409;
const ATTEMPTS: usize = 100;
const AGAIN: Duration = Duration::from_millis(100);

/// Signs by hand.
#[derive(Clone, Copy, Debug)]
pub struct User {
    cloud: SocketAddr,
}

impl User {
    pub(super) fn new(cloud: SocketAddr) -> Self {
        Self { cloud }
    }

    /// Makes a call, and again while what it is about is busy. The path needs no encoding; its query, if any, is a word.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(Value::to_string);
        let mut answered = (0, String::new());
        for _ in 0..ATTEMPTS {
            let authorization = self.authorization(method, path)?;
            let headers = [("Authorization", authorization.as_str())];
            answered = http::request_with(self.cloud, method, path, &headers, body.as_deref()).await?;
            if answered.0 != BUSY {
                break;
            }
            tokio::time::sleep(AGAIN).await;
        }
        let (status, answer) = answered;
        ensure!((200..300).contains(&status), "{method} {path} was answered {status}: {answer}");
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&answer).with_context(|| format!("the answer to {method} {path}: {answer}"))
    }

    fn authorization(&self, method: &str, path: &str) -> Result<String> {
        let (uri, query) = path.split_once('?').unwrap_or((path, ""));
        let query = if query.is_empty() { String::new() } else { format!("{query}=") };
        let host = self.cloud.to_string().replace(':', "%3A");
        let date = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        let prefix = format!("bce-auth-v1/{ACCESS_KEY}/{date}/1800");
        // The digits of the first are the key of the second.
        let key = digest(SECRET_KEY, &prefix)?;
        let signature = digest(&key, &format!("{method}\n{uri}\n{query}\nhost:{host}"))?;
        Ok(format!("{prefix}/host/{signature}"))
    }
}

fn digest(key: &str, text: &str) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())?;
    mac.update(text.as_bytes());
    Ok(hex::encode(mac.finalize().into_bytes()))
}
