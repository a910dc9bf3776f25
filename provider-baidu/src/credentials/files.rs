//! Keys in files.

use std::path::{Path, PathBuf};

use cloud_rest::{Credentials, Secret, Source, SourceError};
use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::config::{self, Keys};

/// The keys in the configuration file itself, read again each time.
#[derive(Clone, Debug)]
pub struct ConfigFile(pub PathBuf);

impl Source for ConfigFile {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SourceError>> {
        Box::pin(async {
            let text = read(&self.0).await?;
            let loaded = config::parse(&text, &|name| std::env::var(name).ok())
                .map_err(|faults| refused(&self.0, &faults.to_string()))?;
            match loaded.config.keys {
                Keys::Given(credentials) => Ok(credentials),
                _ => Err(refused(&self.0, "keys now come from somewhere else: start the daemon anew")),
            }
        })
    }

    fn describe(&self) -> String {
        format!("file {}", self.0.display())
    }
}

/// A folder with a file for each part of the key.
#[derive(Clone, Debug)]
pub struct KeyFolder(pub PathBuf);

impl Source for KeyFolder {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SourceError>> {
        Box::pin(async {
            let id = filled(&self.0.join("access-key-id")).await?;
            let secret = Secret::new(filled(&self.0.join("secret-access-key")).await?);
            let token = self.0.join("session-token");
            let token = if token.exists() { Some(read(&token).await?.trim().to_owned()) } else { None };
            let token = token.filter(|token| !token.is_empty()).map(Secret::new);
            Ok(Credentials { id, secret, token, expires_at: None })
        })
    }

    fn describe(&self) -> String {
        format!("folder {}", self.0.display())
    }
}

/// The token that CCE gives a cluster for its gateway, and when it ends.
#[derive(Clone, Debug)]
pub struct TokenFolder(pub PathBuf);

impl Source for TokenFolder {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SourceError>> {
        Box::pin(async {
            let token = filled(&self.0.join("token")).await?;
            let file = self.0.join("expiredAt");
            let seconds = filled(&file).await?;
            let expires_at = seconds.parse::<i64>().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
            let expires_at = expires_at.ok_or_else(|| refused(&file, "it is no number of seconds since 1970"))?;
            Ok(Credentials {
                id: "cce-gateway".to_owned(),
                secret: Secret::default(),
                token: Some(Secret::new(token)),
                expires_at: Some(expires_at),
            })
        })
    }

    fn describe(&self) -> String {
        format!("the gateway's token in folder {}", self.0.display())
    }
}

async fn read(path: &Path) -> Result<String, SourceError> {
    // A file that is missing may be in the middle of being replaced.
    tokio::fs::read_to_string(path)
        .await
        .map_err(|error| SourceError::Unavailable(format!("{}: {error}", path.display())))
}

async fn filled(path: &Path) -> Result<String, SourceError> {
    let text = read(path).await?.trim().to_owned();
    if text.is_empty() { Err(refused(path, "it is empty")) } else { Ok(text) }
}

fn refused(path: &Path, why: &str) -> SourceError {
    SourceError::Refused(format!("{}: {why}", path.display()))
}
