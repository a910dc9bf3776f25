//! The daemon, as this program talks to it.

use std::{collections::BTreeSet, time::Duration};

use cloud_provider_api::{
    API_MINORS,
    v1::{
        self, Capability, clusters_client::ClustersClient, identity_client::IdentityClient, list_clusters_response,
        list_load_balancers_response, list_registries_response, load_balancers_client::LoadBalancersClient,
        registries_client::RegistriesClient,
    },
};
use provider_hop::{
    Endpoint,
    connect::{Channel, ConnectOptions},
    tls::{Tls, TlsFiles},
};
use tonic::{Request, Response, Status, Streaming};

use crate::{Failure, args::ProviderArgs, names::CPCTL};

/// A daemon that has shaken hands.
pub struct Provider {
    channel: Channel,
    timeout: Duration,
    tenant: String,
    info: v1::HandshakeResponse,
}

impl Provider {
    /// Connects and shakes hands.
    pub async fn connect(args: &ProviderArgs) -> Result<Self, Failure> {
        let Some(endpoint) = &args.provider else {
            return Err(Failure::usage(
                "--provider is missing: unix:PATH or https://HOST:PORT, or the variable CPCTL_PROVIDER",
            ));
        };
        let endpoint: Endpoint = endpoint.parse().map_err(|error| Failure::usage(format!("--provider: {error}")))?;
        let channel = Channel::new(&endpoint, &options(args, &endpoint)?);
        let channel = channel.map_err(|error| Failure::usage(error.to_string()))?;
        let mut provider = Self {
            channel,
            timeout: args.timeout,
            tenant: args.tenant.clone(),
            info: v1::HandshakeResponse::default(),
        };
        provider.info = provider.handshake().await?;
        Ok(provider)
    }

    async fn handshake(&self) -> Result<v1::HandshakeResponse, Failure> {
        let request = v1::HandshakeRequest {
            controller_name: CPCTL.to_owned(),
            controller_version: env!("CARGO_PKG_VERSION").to_owned(),
            api_minors: API_MINORS.to_vec(),
            capabilities: [Capability::Clusters, Capability::Registries, Capability::Tenants].map(Into::into).to_vec(),
            cluster: None,
        };
        let answer = IdentityClient::new(self.channel.clone()).handshake(self.request(request)).await;
        let info = said("shaking hands with the daemon", answer)?;
        if !API_MINORS.contains(&info.api_minor) {
            let message = format!("the daemon speaks minor {} of the API, this program {API_MINORS:?}", info.api_minor);
            return Err(Failure::refused(message));
        }
        Ok(info)
    }

    /// What it said of itself.
    pub fn info(&self) -> &v1::HandshakeResponse {
        &self.info
    }

    /// What it says of its state.
    pub async fn status(&self) -> Result<v1::GetStatusResponse, Failure> {
        let answer = IdentityClient::new(self.channel.clone()).get_status(self.request(v1::GetStatusRequest {})).await;
        said("asking for the daemon's state", answer)
    }

    /// The managed clusters.
    pub async fn clusters(&self) -> Result<Vec<v1::ManagedCluster>, Failure> {
        self.needs(Capability::Clusters, "managed clusters")?;
        let request = v1::ListClustersRequest { tenant: self.tenant.clone() };
        let answer = ClustersClient::new(self.channel.clone()).list_clusters(self.request(request)).await;
        pages("listing clusters", answer, |message: v1::ListClustersResponse| match message.page? {
            list_clusters_response::Page::Items(page) => Some(Page::Items(page.clusters)),
            list_clusters_response::Page::Complete(complete) => Some(Page::Complete(complete.total)),
        })
        .await
    }

    /// A kubeconfig.
    pub async fn issue_kubeconfig(
        &self,
        cluster: &str,
        endpoint: v1::ClusterEndpoint,
        lifetime: Option<Duration>,
    ) -> Result<v1::IssueKubeconfigResponse, Failure> {
        self.needs(Capability::Clusters, "managed clusters")?;
        let request = v1::IssueKubeconfigRequest {
            cluster_id: cluster.to_owned(),
            endpoint: endpoint.into(),
            lifetime: wire_duration(lifetime)?,
            tenant: self.tenant.clone(),
        };
        let answer = ClustersClient::new(self.channel.clone()).issue_kubeconfig(self.request(request)).await;
        said(&format!("having a kubeconfig issued for cluster {cluster}"), answer)
    }

    /// The registries.
    pub async fn registries(&self) -> Result<Vec<v1::Registry>, Failure> {
        self.needs(Capability::Registries, "image registries")?;
        let request = v1::ListRegistriesRequest { tenant: self.tenant.clone() };
        let answer = self.registries_client().list_registries(self.request(request)).await;
        pages("listing registries", answer, |message: v1::ListRegistriesResponse| match message.page? {
            list_registries_response::Page::Items(page) => Some(Page::Items(page.registries)),
            list_registries_response::Page::Complete(complete) => Some(Page::Complete(complete.total)),
        })
        .await
    }

    /// One of them.
    pub async fn registry(&self, id: &str) -> Result<v1::Registry, Failure> {
        let all = self.registries().await?;
        let known: Vec<String> = all.iter().map(|registry| format!("{} ({})", registry.id, registry.name)).collect();
        all.into_iter().find(|registry| registry.id == id).ok_or_else(|| {
            let known =
                if known.is_empty() { "there are none".to_owned() } else { format!("there are {}", known.join(", ")) };
            Failure::refused(format!("there is no registry with id {id:?}; {known}"))
        })
    }

    /// The users of a registry.
    pub async fn registry_users(&self, registry: &str) -> Result<Vec<v1::RegistryUser>, Failure> {
        self.needs(Capability::Registries, "image registries")?;
        let request = v1::ListRegistryUsersRequest { registry_id: registry.to_owned(), tenant: self.tenant.clone() };
        let answer = self.registries_client().list_registry_users(self.request(request)).await;
        Ok(said(&format!("listing the users of registry {registry}"), answer)?.users)
    }

    /// Makes a user of a name, or says only what would be done.
    pub async fn replace_registry_user(
        &self,
        registry: &str,
        username: &str,
        replaces: Option<&str>,
        plan_only: bool,
    ) -> Result<v1::ReplaceRegistryUserResponse, Failure> {
        let request = v1::ReplaceRegistryUserRequest {
            registry_id: registry.to_owned(),
            username: username.to_owned(),
            replaces_user_id: replaces.unwrap_or_default().to_owned(),
            tenant: self.tenant.clone(),
            plan_only,
        };
        let answer = self.registries_client().replace_registry_user(self.request(request)).await;
        said(&format!("making user {username:?} of registry {registry}"), answer)
    }

    /// Ends a user.
    pub async fn revoke_registry_user(&self, registry: &str, user: &str) -> Result<(), Failure> {
        self.needs(Capability::Registries, "image registries")?;
        let request = v1::RevokeRegistryUserRequest {
            registry_id: registry.to_owned(),
            user_id: user.to_owned(),
            tenant: self.tenant.clone(),
        };
        let answer = self.registries_client().revoke_registry_user(self.request(request)).await;
        said(&format!("revoking user {user} of registry {registry}"), answer).map(drop)
    }

    /// A login that ends by itself.
    pub async fn issue_registry_credential(
        &self,
        registry: &str,
        lifetime: Option<Duration>,
    ) -> Result<v1::RegistryCredential, Failure> {
        self.needs(Capability::Registries, "image registries")?;
        let request = v1::IssueRegistryCredentialRequest {
            registry_id: registry.to_owned(),
            lifetime: wire_duration(lifetime)?,
            tenant: self.tenant.clone(),
        };
        let answer = self.registries_client().issue_registry_credential(self.request(request)).await;
        let issued = said(&format!("having a login issued for registry {registry}"), answer)?;
        issued.credential.ok_or_else(|| Failure::failed("the daemon answered no login: that is a defect of it"))
    }

    /// The load balancers made for a cluster.
    pub async fn load_balancers(&self, cluster: v1::Cluster) -> Result<Vec<v1::OwnedLoadBalancer>, Failure> {
        self.needs(Capability::LoadBalancerList, "lists of load balancers")?;
        let request = v1::ListLoadBalancersRequest { cluster: Some(cluster), tenant: self.tenant.clone() };
        let answer = LoadBalancersClient::new(self.channel.clone()).list_load_balancers(self.request(request)).await;
        pages("listing load balancers", answer, |message: v1::ListLoadBalancersResponse| match message.page? {
            list_load_balancers_response::Page::Items(page) => Some(Page::Items(page.load_balancers)),
            list_load_balancers_response::Page::Complete(complete) => Some(Page::Complete(complete.total)),
        })
        .await
    }

    fn registries_client(&self) -> RegistriesClient<Channel> {
        RegistriesClient::new(self.channel.clone())
    }

    fn needs(&self, capability: Capability, what: &str) -> Result<(), Failure> {
        if self.info.capabilities().any(|one| one == capability) {
            return Ok(());
        }
        let message = format!(
            "provider {:?} has no {what} ({} is not among its capabilities): `cpctl provider info` shows what it can do",
            self.info.provider_name,
            capability.as_str_name()
        );
        Err(Failure::refused(message))
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }
}

fn options(args: &ProviderArgs, endpoint: &Endpoint) -> Result<ConnectOptions, Failure> {
    let files = (&args.provider_cert_file, &args.provider_key_file, &args.provider_ca_file);
    let tls = match (endpoint, files) {
        (Endpoint::Tls(_), (Some(certificate), Some(private_key), Some(ca))) => {
            let files = TlsFiles { certificate: certificate.clone(), private_key: private_key.clone(), ca: ca.clone() };
            Some(Tls::load(files).map_err(|error| Failure::failed(error.to_string()))?)
        }
        (Endpoint::Tls(_), _) => {
            let message = "--provider https://… needs --provider-ca-file, --provider-cert-file and --provider-key-file: both sides are \
                           verified";
            return Err(Failure::usage(message));
        }
        _ => None,
    };
    let server_san = args.provider_server_name.as_deref().map(str::parse).transpose();
    Ok(ConnectOptions {
        allowed_server_uids: args.provider_socket_uid.iter().copied().collect::<BTreeSet<_>>(),
        tls,
        server_san: server_san.map_err(|error| Failure::usage(format!("--provider-server-name: {error}")))?,
        allow_insecure_loopback: args.allow_insecure_loopback,
        user_agent: concat!("cpctl/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..ConnectOptions::default()
    })
}

fn wire_duration(lifetime: Option<Duration>) -> Result<Option<prost_types::Duration>, Failure> {
    let wire = lifetime.map(prost_types::Duration::try_from).transpose();
    wire.map_err(|_| Failure::usage("--lifetime: is longer than a lifetime can be"))
}

fn said<T>(what: &str, answer: Result<Response<T>, Status>) -> Result<T, Failure> {
    answer.map(Response::into_inner).map_err(|status| Failure::of_call(what, &status))
}

enum Page<T> {
    Items(Vec<T>),
    Complete(u64),
}

/// Reads a listing to its end: one that ends without its last word, or with another count, is no list.
async fn pages<M, T>(
    what: &str,
    answer: Result<Response<Streaming<M>>, Status>,
    page: impl Fn(M) -> Option<Page<T>>,
) -> Result<Vec<T>, Failure> {
    let mut stream = said(what, answer)?;
    let mut all = Vec::new();
    while let Some(message) = stream.message().await.map_err(|status| Failure::of_call(what, &status))? {
        match page(message) {
            Some(Page::Items(items)) => all.extend(items),
            Some(Page::Complete(total)) if total == all.len() as u64 => return Ok(all),
            Some(Page::Complete(_)) | None => break,
        }
    }
    Err(Failure::new(
        crate::Kind::TryAgain,
        format!("{what}: the list was not finished, so it is not shown; try again"),
    ))
}
