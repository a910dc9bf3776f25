//! One call, put together from what is its own; the rest is the cloud's.

use bytes::Bytes;
use cloud_rest::{
    Answer, Call, Effect, Error, Kind,
    paging::{Complete, Page, Style},
};
use http::{HeaderName, HeaderValue, Method};
use serde::{Serialize, de::DeserializeOwned};

use super::Cloud;
use crate::endpoints::Service;

/// The segment of a path that stands for the project's id.
pub const PROJECT: &str = "{project_id}";

/// One call to be made.
#[derive(Debug)]
#[must_use = "nothing is sent before `send`, `run` or `list`"]
pub struct Request<'a> {
    cloud: &'a Cloud,
    call: Call,
    scoped: bool,
    unfit: Option<String>,
}

impl<'a> Request<'a> {
    pub(super) fn new(cloud: &'a Cloud, service: Service, name: &'static str, method: Method, path: &[&str]) -> Self {
        let base = cloud.config().endpoints.of(service).clone();
        let call = Call::new(name, service.name(), method, base, path);
        // IAM's calls are the account's, not the project's.
        Self { cloud, call, scoped: service != Service::Iam, unfit: None }
    }

    /// Adds a pair to the query; keys may repeat.
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

    /// Adds a pair for each value: filters of the cloud's lists repeat their key.
    pub fn query_each(self, key: &str, values: impl IntoIterator<Item = impl ToString>) -> Self {
        values.into_iter().fold(self, |request, value| request.query(key, value))
    }

    /// Sets the body.
    pub fn body(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(json) => self.call.body = Some(Bytes::from(json)),
            Err(error) => self.unfit = Some(format!("the body cannot be written as JSON: {error}")),
        }
        self
    }

    /// Sets a header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => drop(self.call.headers.insert(HeaderName::from_static(name), value)),
            Err(_) => self.unfit = Some(format!("the header {name} cannot hold such a value")),
        }
        self
    }

    /// Says what it does, where the method does not tell: a POST that only reads, or may be repeated.
    pub fn effect(mut self, effect: Effect) -> Self {
        self.call.effect = effect;
        self
    }

    /// Sends it without a project: calls of the account.
    pub fn unscoped(mut self) -> Self {
        self.scoped = false;
        self
    }

    /// Makes the call; the answer is JSON.
    pub async fn send<T: DeserializeOwned>(self) -> Result<Answer<T>, Error> {
        let client = &self.cloud.client;
        client.send(self.finish().await?).await
    }

    /// Makes the call; the answer is its body as it is, which is nothing for most writes.
    pub async fn run(self) -> Result<Answer<Bytes>, Error> {
        let client = &self.cloud.client;
        client.run(self.finish().await?).await
    }

    /// Lists everything, page by page.
    pub async fn list<P: Page>(self, style: Style) -> Result<Complete<Vec<P::Item>>, Error> {
        let client = &self.cloud.client;
        client.list::<P>(self.finish().await?, style).await
    }

    async fn finish(self) -> Result<Call, Error> {
        let Self { cloud, mut call, scoped, unfit } = self;
        if let Some(unfit) = unfit {
            return Err(Error::unsent(call.name, Kind::Invalid, unfit));
        }
        let in_path = call.path.iter().any(|segment| segment == PROJECT);
        if scoped || in_path {
            let project = cloud.project_id().await?;
            for segment in call.path.iter_mut().filter(|segment| *segment == PROJECT) {
                *segment = project.to_string();
            }
            if scoped {
                let value = HeaderValue::from_str(&project)
                    .map_err(|_| Error::unsent(call.name, Kind::Invalid, "the project's id is not fit for a header"))?;
                call.headers.insert(HeaderName::from_static("x-project-id"), value);
            }
        }
        Ok(call)
    }
}
