//! Where keys come from.

use cloud_rest::{Credentials, Source, SourceError};
use futures::future::BoxFuture;

use crate::config::Keys;

/// Keys as the configuration says.
#[derive(Clone, Debug)]
pub struct Configured(pub Keys);

impl Source for Configured {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SourceError>> {
        Box::pin(async {
            match &self.0 {
                Keys::Given(credentials) | Keys::Environment(credentials) => Ok(credentials.clone()),
                Keys::Folder(_) | Keys::Metadata { .. } => Err(SourceError::Refused("not configured".to_owned())),
            }
        })
    }

    fn describe(&self) -> String {
        match &self.0 {
            Keys::Given(_) => "the configuration file".to_owned(),
            Keys::Environment(_) => "the environment".to_owned(),
            Keys::Folder(folder) => format!("folder {}", folder.display()),
            Keys::Metadata { endpoint, .. } => format!("the metadata service at {endpoint}"),
        }
    }
}
