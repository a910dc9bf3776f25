//! What proves who is calling, and where it comes from.

mod cache;

use futures::future::BoxFuture;
use jiff::Timestamp;

pub use self::cache::CredentialStatus;
pub(crate) use self::cache::{Cache, Held, Verdict};
use crate::secret::Secret;

/// A key pair, perhaps for a while only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The access key's id, which is no secret.
    pub id: String,
    /// The access key's secret.
    pub secret: Secret,
    /// What temporary keys are accompanied by.
    pub token: Option<Secret>,
    /// When they end. `None`: not by themselves.
    pub expires_at: Option<Timestamp>,
}

impl Credentials {
    /// A key pair that does not end by itself.
    pub fn lasting(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), secret: Secret::new(secret), token: None, expires_at: None }
    }

    /// The text without any secret of these.
    pub fn remove_from(&self, text: &str) -> String {
        let text = self.secret.remove_from(text);
        self.token.as_ref().map_or(text.clone(), |token| token.remove_from(&text))
    }
}

/// Somewhere credentials come from: a file, the environment, the machine's metadata service, a security token service.
pub trait Source: Send + Sync {
    /// Fetches them anew. The caller keeps them and decides when to ask again.
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SourceError>>;

    /// Where they come from, for people: `file /etc/config/cloud-config`.
    fn describe(&self) -> String;
}

/// Why there are no credentials. Holds no secret.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SourceError {
    /// Asking again later may help: the service is away.
    #[error("{0}")]
    Unavailable(String),
    /// A person has to do something: the file is wrong, the machine has no role.
    #[error("{0}")]
    Refused(String),
}

/// Credentials that are what they are.
impl Source for Credentials {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SourceError>> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }

    fn describe(&self) -> String {
        "given".to_owned()
    }
}
