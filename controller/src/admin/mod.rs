//! The HTTPS server on 10258: health, metrics, and what the process was told.
//!
//! Anyone may ask for health; everything else is open to whom the apiserver says it is: the caller is known by client
//! certificate, token or front proxy, and the apiserver reviews both the token and the right to the path.

mod authenticate;
mod authorize;
mod certificates;
mod endpoints;
mod health;
mod pages;
mod remember;
mod serve;
mod text;
pub(crate) mod tls;
mod trust;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use kube::Client;
use tokio_rustls::TlsAcceptor;

use self::{
    authenticate::Authenticator, authorize::Authorizer, certificates::Certificates, endpoints::Endpoints, serve::Site,
    trust::Trust,
};
pub use self::{
    endpoints::Served,
    health::{Health, Scope},
};
use crate::{
    config::{AdminConfig, KubeConfig},
    kube::client,
    metrics::Metrics,
};

/// Starts the server and the tasks that keep its certificates and CAs up to date; they run until the process ends. Its
/// address.
pub async fn start(settings: &AdminConfig, served: Served, kube: &KubeConfig) -> anyhow::Result<SocketAddr> {
    let (authentication, authorization) = (&settings.authentication.kubeconfig, &settings.authorization.kubeconfig);
    let tokens = delegate(authentication.as_ref(), kube, &served.metrics).await?;
    let access = if authorization == authentication {
        tokens.client.clone()
    } else {
        delegate(authorization.as_ref(), kube, &served.metrics).await?.client
    };
    open(settings, served, tokens, access).await
}

async fn open(settings: &AdminConfig, served: Served, tokens: Delegate, access: Client) -> anyhow::Result<SocketAddr> {
    let metrics = Arc::clone(&served.metrics);
    let tolerant = settings.authentication.tolerate_lookup_failure || tokens.borrowed;
    let trust = Trust::load(&settings.authentication, tokens.client.clone(), tolerant).await?;
    let certificates = Certificates::load(settings)?;
    let tls = tls::server_config(settings, Arc::clone(&certificates) as _)?;
    let ttl = settings.authentication.cache_ttl;
    let site = Site {
        authenticator: Authenticator::new(Arc::clone(&trust), tokens.client, ttl, Arc::clone(&metrics)),
        authorizer: Authorizer::new(settings.authorization.clone(), access, Arc::clone(&metrics)),
        endpoints: Endpoints::new(served, settings.profiling),
        metrics,
    };
    let listener = serve::bind(settings)?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "serving HTTPS");
    tokio::spawn(trust.follow());
    tokio::spawn(certificates.follow());
    tokio::spawn(serve::serve(listener, TlsAcceptor::from(Arc::new(tls)), settings.http2_max_streams, Arc::new(site)));
    Ok(address)
}

/// Whom to ask about callers.
struct Delegate {
    client: Client,
    /// It is the control loops' own apiserver, outside a pod, which was not named for this: not being allowed to ask it is
    /// no error.
    borrowed: bool,
}

async fn delegate(named: Option<&PathBuf>, kube: &KubeConfig, metrics: &Arc<Metrics>) -> anyhow::Result<Delegate> {
    let (config, borrowed) = match named {
        Some(path) => {
            let named = KubeConfig { kubeconfig: Some(path.clone()), ..KubeConfig::default() };
            (client::load(&named).await?, false)
        }
        None => match kube::Config::incluster() {
            Ok(_) => (client::load(&KubeConfig::default()).await?, false),
            Err(_) => (client::load(kube).await?, true),
        },
    };
    Ok(Delegate { client: client::unlimited(config, metrics)?, borrowed })
}

#[cfg(test)]
mod tests;
