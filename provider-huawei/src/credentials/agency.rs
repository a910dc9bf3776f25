//! Keys of an agency that is assumed.

use cloud_rest::{Call, Client, Credentials, Effect, Kind, Source, SourceError, Url};
use futures::future::BoxFuture;
use http::Method;
use serde_json::json;

use super::Answer;
use crate::{config::Agency, endpoints::Service};

/// Exchanges one account's keys for temporary ones of an agency.
#[derive(Debug)]
pub struct Assumed {
    /// Makes calls with the keys of the account that may assume it.
    client: Client,
    iam: Url,
    agency: Agency,
}

impl Assumed {
    /// `client` makes calls with the keys of the account that may assume the agency.
    pub fn new(client: Client, iam: Url, agency: Agency) -> Self {
        Self { client, iam, agency }
    }

    fn call(&self) -> Call {
        let Agency { name, domain_id, domain_name, duration } = &self.agency;
        let mut role = json!({ "agency_name": name, "duration_seconds": duration.as_secs() });
        match (domain_id, domain_name) {
            (Some(id), _) => role["domain_id"] = json!(id),
            (None, name) => role["domain_name"] = json!(name),
        }
        let body = json!({ "auth": { "identity": { "methods": ["assume_role"], "assume_role": role } } });
        let (family, path) = (Service::Iam.name(), ["v3.0", "OS-CREDENTIAL", "securitytokens"]);
        let call = Call::new("CreateTemporaryAccessKeyByAgency", family, Method::POST, self.iam.clone(), &path);
        // Keys that were given and lost end by themselves.
        Call { body: Some(body.to_string().into()), effect: Effect::Read, ..call }
    }
}

impl Source for Assumed {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SourceError>> {
        Box::pin(async {
            match self.client.send::<Answer>(self.call()).await {
                Ok(answer) => Ok(answer.value.into()),
                Err(error) if error.kind.is_transient() => Err(SourceError::Unavailable(error.to_string())),
                Err(error) if matches!(error.kind, Kind::Unauthenticated) => {
                    Err(SourceError::Refused(error.to_string()))
                }
                Err(error) => {
                    Err(SourceError::Refused(format!("agency-name `{}` cannot be assumed: {error}", self.agency.name)))
                }
            }
        })
    }

    fn describe(&self) -> String {
        format!("agency {}", self.agency.name)
    }
}
