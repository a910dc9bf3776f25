//! Whose certificates are believed: the CAs of client certificates and of the front proxy, from files or from the cluster.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, Error};
use rustls::{
    RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, UnixTime, pem::PemObject as _},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use crate::{
    config::{AuthenticationConfig, RequestHeaderConfig},
    kube::explained,
};

/// Where the apiserver publishes its own CAs.
const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";
/// How often files and configmap are read again.
const RELOAD: Duration = Duration::from_secs(60);

/// Whose certificates are believed now.
#[derive(Debug, Default)]
pub(super) struct Trusted {
    pub(super) clients: Option<Authority>,
    pub(super) proxy: Option<Proxy>,
}

/// CAs, and what they vouch for.
#[derive(Clone, Debug)]
pub(super) struct Authority(Arc<dyn ClientCertVerifier>);

impl Authority {
    fn from_pem(pem: &[u8]) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(|_| anyhow::anyhow!("a certificate is not PEM"))?)?;
        }
        if roots.is_empty() {
            bail!("there is no certificate in it");
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Self(verifier))
    }

    /// Whether the chain (its own certificate first) ends at one of the CAs and is good for a client now.
    pub(super) fn vouches_for(&self, chain: &[CertificateDer<'_>]) -> bool {
        let Some((own, intermediates)) = chain.split_first() else { return false };
        self.0.verify_client_cert(own, intermediates, UnixTime::now()).is_ok()
    }
}

/// A front proxy whose word on the caller is taken.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    pub(super) authority: Authority,
    pub(super) names: RequestHeaderConfig,
}

/// Keeps [`Trusted`] up to date.
pub(super) struct Trust {
    config: AuthenticationConfig,
    /// Reads the configmap; `None`: it is not to be read.
    cluster: Option<Client>,
    current: ArcSwap<Trusted>,
}

impl Trust {
    /// Reads files and configmap once. Files must be readable; the configmap unless `tolerant`.
    pub(super) async fn load(
        config: &AuthenticationConfig,
        cluster: Client,
        tolerant: bool,
    ) -> anyhow::Result<Arc<Self>> {
        let cluster = Some(cluster).filter(|_| !config.skip_lookup);
        let trust = Self { config: config.clone(), cluster, current: ArcSwap::default() };
        let map = match trust.read_map().await {
            Ok(map) => map,
            // An apiserver that is away is asked again; one that refuses would go on refusing.
            Err(error) if tolerant || !is_refusal(&error) => {
                let error = explained(&error);
                tracing::warn!(error, "client certificates of the cluster's CAs are not taken until they can be read");
                None
            }
            Err(error) => {
                return Err(anyhow::Error::from(error).context(format!(
                    "the apiserver's CAs cannot be read from configmap {NAMESPACE}/{NAME}; bind Role \
                     extension-apiserver-authentication-reader (deploy/rbac.yaml does), or give \
                     --authentication-tolerate-lookup-failure"
                )));
            }
        };
        trust.current.store(Arc::new(trust.trusted(map.as_ref())?));
        Ok(Arc::new(trust))
    }

    /// Whose certificates are believed now.
    pub(super) fn now(&self) -> Arc<Trusted> {
        self.current.load_full()
    }

    /// Reads everything again and again; what cannot be read leaves all as it was.
    pub(super) async fn follow(self: Arc<Self>) {
        loop {
            tokio::time::sleep(RELOAD).await;
            let read = async { self.trusted(self.read_map().await?.as_ref()) };
            match read.await {
                Ok(trusted) => self.current.store(Arc::new(trusted)),
                Err(error) => tracing::debug!(error = format!("{error:#}"), "the CAs of callers stay as they were"),
            }
        }
    }

    async fn read_map(&self) -> Result<Option<ConfigMap>, Error> {
        let Some(client) = &self.cluster else { return Ok(None) };
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
        match maps.get(NAME).await {
            Ok(map) => Ok(Some(map)),
            Err(Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A file takes the place of what the cluster says, as upstream.
    fn trusted(&self, map: Option<&ConfigMap>) -> anyhow::Result<Trusted> {
        let clients = match &self.config.client_ca_file {
            Some(path) => Some(from_file("--client-ca-file", path)?),
            None => entry(map, "client-ca-file").map(|pem| Authority::from_pem(pem.as_bytes())).transpose()?,
        };
        let proxy = match &self.config.request_header {
            Some(names) => {
                let authority = from_file("--requestheader-client-ca-file", &names.ca_file)?;
                Some(Proxy { authority, names: names.clone() })
            }
            None => proxy_of(map)?,
        };
        Ok(Trusted { clients, proxy })
    }
}

fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code < 500 && status.code != 429)
}

fn from_file(flag: &str, path: &Path) -> anyhow::Result<Authority> {
    let read = || Authority::from_pem(&fs::read(path)?);
    read().with_context(|| format!("{flag}={}", path.display()))
}

fn entry<'a>(map: Option<&'a ConfigMap>, key: &str) -> Option<&'a String> {
    map?.data.as_ref()?.get(key).filter(|text| !text.is_empty())
}

/// What the apiserver says about its front proxy. Lists are JSON.
fn proxy_of(map: Option<&ConfigMap>) -> anyhow::Result<Option<Proxy>> {
    let Some(pem) = entry(map, "requestheader-client-ca-file") else { return Ok(None) };
    let list = |key: &str| -> anyhow::Result<Vec<String>> {
        let text = entry(map, key).map_or("[]", String::as_str);
        serde_json::from_str(text).with_context(|| format!("configmap {NAMESPACE}/{NAME}, key {key}"))
    };
    let names = RequestHeaderConfig {
        ca_file: std::path::PathBuf::new(),
        allowed_names: list("requestheader-allowed-names")?,
        username_headers: list("requestheader-username-headers")?,
        uid_headers: list("requestheader-uid-headers")?,
        group_headers: list("requestheader-group-headers")?,
        extra_prefixes: list("requestheader-extra-headers-prefix")?,
    };
    Ok(Some(Proxy { authority: Authority::from_pem(pem.as_bytes())?, names }))
}
