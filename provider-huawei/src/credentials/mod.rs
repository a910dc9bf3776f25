//! Where keys come from: the configuration file, a mounted Secret, the environment or the machine's agency, and with any of these
//! perhaps an agency that is assumed.

mod agency;
mod folder;
mod metadata;

use std::{path::PathBuf, sync::Mutex};

use cloud_rest::{Credentials, Secret, Source, SourceError, TransportError};
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

pub use self::{agency::Assumed, metadata::Metadata};
use crate::config::{self, Config, Keys};

/// Keys as the configuration says, read anew each time: the file may have changed.
pub struct Configured {
    started_with: Config,
    /// What the file said last, so that a change that needs a restart is told once.
    seen: Mutex<Config>,
    metadata: Metadata,
}

impl Configured {
    /// Nothing is read yet.
    pub fn new(config: &Config) -> Result<Self, TransportError> {
        let (started_with, seen) = (config.clone(), Mutex::new(config.clone()));
        Ok(Self { started_with, seen, metadata: Metadata::new()? })
    }

    /// The files and folders whose change may bring other keys.
    pub fn files(&self) -> Vec<PathBuf> {
        let folder = match &self.started_with.keys {
            Keys::Folder(folder) => Some(folder.clone()),
            _ => None,
        };
        self.started_with.file.clone().into_iter().chain(folder).collect()
    }

    /// Where keys come from at present.
    fn keys(&self) -> Result<Keys, SourceError> {
        let Some(file) = &self.started_with.file else { return Ok(self.started_with.keys.clone()) };
        let loaded = config::load(file, &config::process_environment);
        let config = loaded.map_err(|faults| SourceError::Refused(faults.to_string()))?.config;
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if seen.differs_beyond_keys(&config) && self.started_with.differs_beyond_keys(&config) {
            tracing::warn!(file = %file.display(), "more than keys has changed; that takes effect with a restart");
        }
        seen.clone_from(&config);
        Ok(config.keys)
    }
}

impl Source for Configured {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SourceError>> {
        Box::pin(async {
            match self.keys()? {
                Keys::Given(credentials) | Keys::Environment(credentials) => Ok(credentials),
                Keys::Folder(folder) => folder::read(&folder),
                Keys::Metadata { endpoint, token } => self.metadata.fetch(&endpoint, token).await,
            }
        })
    }

    fn describe(&self) -> String {
        match &self.started_with.keys {
            Keys::Given(_) => match &self.started_with.file {
                Some(file) => format!("file {}", file.display()),
                None => "the configuration".to_owned(),
            },
            Keys::Environment(_) => "the environment".to_owned(),
            Keys::Folder(folder) => format!("folder {}", folder.display()),
            Keys::Metadata { endpoint, .. } => format!("the metadata service at {endpoint}"),
        }
    }
}

/// Temporary keys, as IAM and the metadata service write them.
#[derive(Deserialize)]
struct Answer {
    credential: Temporary,
}

#[derive(Deserialize)]
struct Temporary {
    access: String,
    secret: Secret,
    securitytoken: Secret,
    #[serde(deserialize_with = "timestamp")]
    expires_at: Timestamp,
}

/// `2026-11-20T10:00:00Z`, with or without fractions.
fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

impl From<Answer> for Credentials {
    fn from(Answer { credential }: Answer) -> Self {
        Self {
            id: credential.access,
            secret: credential.secret,
            token: Some(credential.securitytoken),
            expires_at: Some(credential.expires_at),
        }
    }
}
