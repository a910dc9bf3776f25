//! The control endpoint of a played cloud: plain HTTP and JSON.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http;

/// A client of it.
#[derive(Clone, Debug)]
pub struct Console {
    address: SocketAddr,
}

impl Console {
    /// Of the endpoint that listens there.
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// The answer to a GET.
    pub async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.answer("GET", path, None).await
    }

    /// The answer to anything that has a body.
    pub async fn send<T: DeserializeOwned>(&self, method: &str, path: &str, body: &Value) -> Result<T> {
        self.answer(method, path, Some(body)).await
    }

    /// Any change whose answer says nothing more.
    pub async fn change(&self, method: &str, path: &str, body: &Value) -> Result<()> {
        self.request(method, path, Some(body)).await.map(drop)
    }

    async fn answer<T: DeserializeOwned>(&self, method: &str, path: &str, body: Option<&Value>) -> Result<T> {
        let answer = self.request(method, path, body).await?;
        serde_json::from_str(&answer).with_context(|| format!("the answer to {method} {path}: {answer}"))
    }

    async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<String> {
        let body = body.map(Value::to_string);
        let (status, answer) = http::request(self.address, method, path, body.as_deref()).await?;
        ensure!((200..300).contains(&status), "{method} {path} was answered {status}: {}", answer.trim());
        Ok(answer)
    }
}
