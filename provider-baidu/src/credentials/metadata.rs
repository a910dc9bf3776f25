//! The keys of the machine's role, from its metadata service.

use bytes::Bytes;
use cloud_rest::{Call, Client, Credentials, Kind, Settings, Sign, SignError, Source, SourceError, Transport, Url};
use futures::future::BoxFuture;
use http::Method;
use jiff::Timestamp;
use std::sync::Arc;

use super::sts::TemporaryKey;
use crate::dialect::Baidu;

/// The metadata service.
#[derive(Debug)]
pub struct Metadata {
    client: Client,
    base: Url,
}

/// The metadata service knows its machine by the network it is asked over.
struct Unsigned;

impl Sign for Unsigned {
    fn sign(&self, _: &mut http::Request<Bytes>, _: &Credentials, _: Timestamp) -> Result<(), SignError> {
        Ok(())
    }
}

impl Metadata {
    /// Asks over a transport without proxy.
    pub fn new(account: &str, transport: Transport, base: Url) -> Self {
        let (sign, dialect) = (Arc::new(Unsigned), Arc::new(Baidu::default()));
        let nobody = Arc::new(Credentials::default());
        let client = Client::new(Settings::new(account, transport, sign, dialect, nobody));
        Self { client, base }
    }

    async fn ask(&self) -> Result<Credentials, SourceError> {
        let path = ["latest", "meta-data", "sts-credential"];
        let call = Call::new("GetStsCredential", "metadata", Method::GET, self.base.clone(), &path);
        let no_role = || {
            SourceError::Refused(format!(
                "{} has no keys for this machine: give it a role, or choose another CredentialSource",
                self.describe()
            ))
        };
        // An empty body means that the machine has no such thing.
        match self.client.send::<Option<TemporaryKey>>(call).await {
            Ok(answer) => answer.value.ok_or_else(no_role)?.credentials().map_err(SourceError::Refused),
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::NoSuchApi) => Err(no_role()),
            Err(error) => Err(SourceError::Unavailable(error.to_string())),
        }
    }
}

impl Source for Metadata {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SourceError>> {
        Box::pin(self.ask())
    }

    fn describe(&self) -> String {
        format!("the metadata service at {}", self.base)
    }
}
