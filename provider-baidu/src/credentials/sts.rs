//! Temporary keys of an assumed role, from the security token service.

use cloud_rest::{Call, Client, Credentials, Effect, Error, Kind, Secret, Source, SourceError, Url};
use futures::future::BoxFuture;
use http::Method;
use jiff::Timestamp;
use serde::Deserialize;

use crate::config::Role;

/// A role assumed with other keys.
#[derive(Debug)]
pub struct AssumedRole {
    client: Client,
    base: Url,
    role: Role,
}

/// A key pair for a while, as STS and the metadata service give it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TemporaryKey {
    #[serde(default)]
    access_key_id: String,
    #[serde(default)]
    secret_access_key: Secret,
    #[serde(default)]
    session_token: Secret,
    #[serde(default)]
    expiration: String,
}

impl TemporaryKey {
    /// The key pair, or what is wrong with it. A key without an end would never be renewed.
    pub(super) fn credentials(self) -> Result<Credentials, String> {
        for (name, missing) in [
            ("accessKeyId", self.access_key_id.is_empty()),
            ("secretAccessKey", self.secret_access_key.is_empty()),
            ("sessionToken", self.session_token.is_empty()),
        ] {
            if missing {
                return Err(format!("the temporary key has no {name}"));
            }
        }
        let expires_at: Timestamp = self
            .expiration
            .parse()
            .map_err(|_| format!("the temporary key's expiration is no time: {:?}", self.expiration))?;
        Ok(Credentials {
            id: self.access_key_id,
            secret: self.secret_access_key,
            token: Some(self.session_token),
            expires_at: Some(expires_at),
        })
    }
}

impl AssumedRole {
    /// The client has the keys that the role trusts; `base` is where STS is.
    pub fn new(client: Client, base: Url, role: Role) -> Self {
        Self { client, base, role }
    }

    fn call(&self) -> Call {
        let Role { name, account_id, user_id, duration } = &self.role;
        let mut query = vec![
            ("assumeRole".to_owned(), String::new()),
            ("durationSeconds".to_owned(), duration.as_secs().to_string()),
            ("accountId".to_owned(), account_id.clone()),
            ("roleName".to_owned(), name.clone()),
        ];
        query.extend(user_id.clone().map(|user| ("userId".to_owned(), user)));
        let call = Call::new("AssumeRole", "sts", Method::POST, self.base.clone(), &["v1", "credential"]);
        // Another key does no harm, and ends by itself.
        Call { query, effect: Effect::Read, ..call }
    }
}

impl Source for AssumedRole {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SourceError>> {
        Box::pin(async {
            // The keys below may have changed in their file or ended; they are few calls, and made only for a new key.
            self.client.reload_credentials().await;
            let answer = self.client.send::<TemporaryKey>(self.call()).await.map_err(|error| self.explain(&error))?;
            answer.value.credentials().map_err(SourceError::Refused)
        })
    }

    fn describe(&self) -> String {
        format!("role {} of account {}", self.role.name, self.role.account_id)
    }
}

impl AssumedRole {
    fn explain(&self, error: &Error) -> SourceError {
        let message = format!("{}: {error}", self.describe());
        match error.kind {
            Kind::NotFound | Kind::PermissionDenied | Kind::Unauthenticated | Kind::Invalid => {
                SourceError::Refused(message)
            }
            _ => SourceError::Unavailable(message),
        }
    }
}
