//! One call, put together from what is its own; the rest is the cloud's.

use bytes::Bytes;
use cloud_rest::{
    Answer, Call, Effect, Error, Kind,
    paging::{Complete, Page, Style},
};
use http::Method;
use serde::{Serialize, de::DeserializeOwned};

use super::Cloud;
use crate::{client_token::client_token, endpoints::Service};

/// Lists whose answers name the next marker: most of the cloud's. The largest page it gives.
pub const BY_MARKER: Style = Style::Marker { marker: "marker", size: "maxKeys", limit: 1000 };
/// Lists with numbered pages: CCE v2, CCR and BEC v1. The largest page is not documented.
pub const BY_NUMBER: Style = Style::Number { number: "pageNo", size: "pageSize", limit: 100, first: 1 };

/// One call to be made.
#[derive(Debug)]
#[must_use = "nothing is sent before `send`, `run` or `list`"]
pub struct Request<'a> {
    cloud: &'a Cloud,
    call: Call,
    unfit: Option<String>,
}

impl<'a> Request<'a> {
    pub(super) fn new(cloud: &'a Cloud, service: Service, name: &'static str, method: Method, path: &[&str]) -> Self {
        let base = cloud.config().endpoints.of(service).clone();
        let call = Call::new(name, service.name(), method, base, path);
        Self { cloud, call, unfit: None }
    }

    /// Adds a pair to the query. Keys do not repeat.
    #[allow(clippy::needless_pass_by_value, reason = "numbers and texts are written as they are, without `&`")]
    pub fn query(mut self, key: &str, value: impl ToString) -> Self {
        self.call.query.push((key.to_owned(), value.to_string()));
        self
    }

    /// Adds a pair if there is a value.
    pub fn query_if(self, key: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(key, value),
            None => self,
        }
    }

    /// Says what is done, where the cloud has that in the query: `PUT /v1/eip/{ip}?bind`.
    pub fn action(self, verb: &str) -> Self {
        self.query(verb, "")
    }

    /// Tells the cloud a repeat from another call like it, by what the call is for: see [`client_token`]. From here on it may be
    /// repeated.
    pub fn client_token(self, parts: &[&str]) -> Self {
        let name = self.call.name;
        let parts: Vec<&str> = std::iter::once(name).chain(parts.iter().copied()).collect();
        self.query("clientToken", client_token(&parts)).effect(Effect::RepeatableWrite)
    }

    /// Tells the cloud this call from any other: repeats of it are the same call, and the same said later is another.
    pub fn once(self) -> Self {
        let token = uuid::Uuid::new_v4().to_string();
        self.query("clientToken", token).effect(Effect::RepeatableWrite)
    }

    /// Sets the body.
    pub fn body(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(json) => self.call.body = Some(Bytes::from(json)),
            Err(error) => self.unfit = Some(format!("the body cannot be written as JSON: {error}")),
        }
        self
    }

    /// Says what it does, where the method does not tell: a POST that only reads.
    pub fn effect(mut self, effect: Effect) -> Self {
        self.call.effect = effect;
        self
    }

    /// Makes the call; the answer is JSON.
    pub async fn send<T: DeserializeOwned>(self) -> Result<Answer<T>, Error> {
        let client = &self.cloud.client;
        client.send(self.finish()?).await
    }

    /// Makes the call; the answer is its body as it is, which is nothing for most writes.
    pub async fn run(self) -> Result<Answer<Bytes>, Error> {
        let client = &self.cloud.client;
        client.run(self.finish()?).await
    }

    /// Lists everything, page by page.
    pub async fn list<P: Page>(self, style: Style) -> Result<Complete<Vec<P::Item>>, Error> {
        let client = &self.cloud.client;
        client.list::<P>(self.finish()?, style).await
    }

    fn finish(self) -> Result<Call, Error> {
        let Self { cloud, call, unfit } = self;
        if let Some(unfit) = unfit {
            return Err(Error::unsent(call.name, Kind::Invalid, unfit));
        }
        if cloud.config().dry_run && call.effect.mutates() {
            let message = "not sent, for DryRun is set in the cloud configuration";
            return Err(Error::unsent(call.name, Kind::PermissionDenied, message));
        }
        Ok(call)
    }
}
