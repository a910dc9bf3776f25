//! The `Identity` service, the same for every daemon: what differs is what a provider says about itself.

use cloud_provider_api::{
    API_MINORS,
    error::Reason,
    v1::{
        Account, Capability, GetStatusRequest, GetStatusResponse, HandshakeRequest, HandshakeResponse, Limits,
        identity_server::Identity,
    },
};
use tonic::{Request, Response, Status, async_trait};

use crate::{
    caller::{Call, Caller},
    error::{Error, Result},
    kit::Kit,
};

/// What a provider says about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProviderInfo {
    /// DNS-like, the same for the provider's whole life.
    pub name: String,
    /// Version of the daemon's build.
    pub version: String,
    /// Schemes of the providerIDs it owns, without "://".
    pub provider_id_schemes: Vec<String>,
    /// Accounts and regions served to the caller.
    pub accounts: Vec<Account>,
    /// What it can do.
    pub capabilities: Vec<Capability>,
    /// What it takes in one call.
    pub limits: Limits,
    /// Prefixes of the annotations it reads.
    pub annotation_prefixes: Vec<String>,
    /// Annotations by which a Service picks its nodes. The caller applies them.
    pub node_selector_annotations: Vec<String>,
}

/// Says what a daemon is to one caller. Makes no call to the cloud.
#[async_trait]
pub trait Describe: Send + Sync + 'static {
    /// For this caller.
    async fn describe(&self, caller: &Caller) -> Result<ProviderInfo>;
}

#[async_trait]
impl Describe for ProviderInfo {
    async fn describe(&self, _: &Caller) -> Result<ProviderInfo> {
        Ok(self.clone())
    }
}

/// Handshake and status. Add it with [`Daemon::identity`](crate::Daemon::identity).
#[derive(Debug)]
pub struct IdentityService<D> {
    kit: Kit,
    describe: D,
}

impl<D: Describe> IdentityService<D> {
    /// For the daemon of this kit.
    pub fn new(kit: Kit, describe: D) -> Self {
        Self { kit, describe }
    }
}

#[async_trait]
impl<D: Describe> Identity for IdentityService<D> {
    async fn handshake(
        &self,
        request: Request<HandshakeRequest>,
    ) -> std::result::Result<Response<HandshakeResponse>, Status> {
        let caller = Call::of(&request)?.caller.clone();
        let request = request.into_inner();
        let api_minor = negotiate(&request.api_minors)?;
        if request.cluster.is_some() {
            caller.cluster(request.cluster.as_ref())?;
        }
        let info = self.describe.describe(&caller).await?;
        tracing::info!(
            %caller,
            controller = request.controller_name,
            version = request.controller_version,
            cluster = request.cluster.as_ref().map(|cluster| cluster.id.as_str()),
            api_minor,
            "handshake"
        );
        Ok(Response::new(HandshakeResponse {
            provider_name: info.name,
            provider_version: info.version,
            api_minor,
            epoch: self.kit.epoch().to_string(),
            provider_id_schemes: info.provider_id_schemes,
            accounts: info.accounts,
            capabilities: info.capabilities.into_iter().map(Into::into).collect(),
            limits: Some(info.limits),
            annotation_prefixes: info.annotation_prefixes,
            tenants: caller.tenants(),
            node_selector_annotations: info.node_selector_annotations,
        }))
    }

    async fn get_status(
        &self,
        _: Request<GetStatusRequest>,
    ) -> std::result::Result<Response<GetStatusResponse>, Status> {
        Ok(Response::new(self.kit.status().response()))
    }
}

/// The highest minor both sides speak.
pub fn negotiate(theirs: &[u32]) -> Result<u32> {
    if theirs.is_empty() {
        return Err(Error::field("api_minors", "must name at least one"));
    }
    theirs.iter().copied().filter(|minor| API_MINORS.contains(minor)).max().ok_or_else(|| {
        let message = format!(
            "no API minor in common: this daemon speaks {API_MINORS:?} of cloudprovider.v1, the caller {theirs:?}; \
             update the older side"
        );
        Error::new(Reason::ApiVersion, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_minor_wins() {
        let ours = *API_MINORS.last().unwrap();
        assert_eq!(negotiate(&[ours, ours + 1, ours + 7]), Ok(ours));
        assert_eq!(negotiate(&[ours + 1]).unwrap_err().reason(), Reason::ApiVersion);
        assert_eq!(negotiate(&[]).unwrap_err().reason(), Reason::FieldInvalid);
    }
}
