//! What the process was told to do, checked and in the words of the code that does it.
//!
//! [`Config::default`] is what runs without any flag. Where a default of upstream's is only a brake (one worker, 20
//! requests a second), ours is what the apiserver bears instead; `docs/flags.md` says so flag by flag.

mod read;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    time::Duration,
};

use controller_core::{
    controllers_flag::Controller, lease::Timing, provider::Account, removal::RemovalSettings, selector::Selector,
    tenancy::TenantMap,
};
use ipnet::IpNet;

pub use self::read::from_flags;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Everything the process was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The way to the kube-apiserver.
    pub kube: KubeConfig,
    /// `--cluster-name`: for people and for names in the cloud.
    pub cluster_name: String,
    /// `--cluster-id`; `None`: the UID of namespace `kube-system`.
    pub cluster_id: Option<String>,
    /// The provider daemons.
    pub provider: ProviderConfig,
    /// The loops that are on.
    pub controllers: BTreeSet<Controller>,
    /// `--leader-elect`; `None`: this process runs alone.
    pub leader_election: Option<LeaderElectionConfig>,
    /// cloud-node-controller.
    pub node: NodeConfig,
    /// cloud-node-lifecycle-controller.
    pub lifecycle: LifecycleConfig,
    /// service-lb-controller.
    pub service: ServiceConfig,
    /// node-route-controller.
    pub route: RouteConfig,
    /// `--controller-start-interval`: between the starts of two loops.
    pub controller_start_interval: Duration,
    /// `--drain-timeout`: how long work under way may take to end after SIGTERM.
    pub drain_timeout: Duration,
    /// The HTTPS server; `None`: `--secure-port=0`.
    pub admin: Option<AdminConfig>,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
}

/// The way to the kube-apiserver.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KubeConfig {
    /// `--kubeconfig`; `None` without `master`: the service account of the pod.
    pub kubeconfig: Option<PathBuf>,
    /// `--master`: overrides the address in the kubeconfig.
    pub master: Option<String>,
    /// `--kube-api-qps`; `None`: as much as the apiserver bears.
    pub qps: Option<f64>,
    /// `--kube-api-burst`; only read with `qps`.
    pub burst: u32,
}

/// The provider daemons.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProviderConfig {
    /// `--provider`: where each is to be reached, as written.
    pub endpoints: Vec<String>,
    /// `--provider-ca-file`: who vouches for the daemons.
    pub ca_file: Option<PathBuf>,
    /// `--provider-cert-file`: our certificate.
    pub cert_file: Option<PathBuf>,
    /// `--provider-key-file`: its key.
    pub key_file: Option<PathBuf>,
    /// `--provider-server-name`: the one name the daemon's certificate must carry; `None`: the host of the endpoint.
    pub server_name: Option<String>,
    /// `--provider-socket-uid`: users a daemon on a Unix socket may run as. Empty: our own user.
    pub socket_uids: Vec<u32>,
    /// `--allow-insecure-loopback`: plain `http://` to this machine is let through.
    pub allow_insecure_loopback: bool,
    /// `--default-provider`, or `--cloud-provider`; `None`: the first endpoint.
    pub default_provider: Option<String>,
    /// `--load-balancer-class CLASS=PROVIDER`.
    pub load_balancer_classes: BTreeMap<String, String>,
    /// `--provider-account ACCOUNT/REGION`: what the providers are expected to serve. Empty: not checked.
    pub accounts: Vec<Account>,
    /// `--provider-node-selector NAME=SELECTOR`: which nodes are a provider's.
    pub node_selectors: BTreeMap<String, Selector>,
    /// `--tenant-map`: which tenant a namespace's Services belong to, as the file said at the start.
    pub tenants: TenantMap,
    /// That file.
    pub tenant_map: Option<PathBuf>,
}

/// Leader election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderElectionConfig {
    /// `--leader-elect-lease-duration`, `-renew-deadline` and `-retry-period`.
    pub timing: Timing,
    /// Name of the Lease.
    pub name: String,
    /// Namespace of the Lease.
    pub namespace: String,
    /// `--enable-leader-migration`: loops that run under a second lease.
    pub migration: Option<MigrationConfig>,
}

/// Leader migration. Loops that are another component's are not among [`Config::controllers`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationConfig {
    /// Name of the second Lease, which is in the namespace of the first.
    pub lease: String,
    /// The loops that run under it.
    pub moved: BTreeSet<Controller>,
}

/// cloud-node-controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// `--concurrent-node-syncs`: nodes initialised side by side.
    pub workers: usize,
    /// `--concurrent-node-status-updates`: nodes refreshed side by side.
    pub status_workers: usize,
    /// `--node-status-update-frequency`: how often addresses and labels are compared with the cloud.
    pub status_update_frequency: Duration,
    /// `--node-adopt-untainted`: Nodes registered without the uninitialized taint get a providerID too.
    pub adopt_untainted: bool,
}

/// cloud-node-lifecycle-controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleConfig {
    /// `--concurrent-node-lifecycle-syncs`: nodes examined side by side.
    pub workers: usize,
    /// `--node-monitor-period`: how often nodes that are not ready are examined.
    pub monitor_period: Duration,
    /// `--node-out-of-service-after`: how long a machine must have been stopped until its Node gets the out-of-service
    /// taint; `None`: never.
    pub out_of_service_after: Option<Duration>,
    /// `--node-removal-*`: the removal lock.
    pub removal: RemovalSettings,
}

/// service-lb-controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceConfig {
    /// `--concurrent-service-syncs`: Services worked on side by side.
    pub workers: usize,
    /// `--load-balancer-audit-period`: how often each load balancer is compared with its Service, and the cloud searched
    /// for load balancers that no Service asks for.
    pub audit_period: Duration,
}

/// node-route-controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConfig {
    /// `--allocate-node-cidrs` and `--configure-cloud-routes`: routes are ours to keep.
    pub enabled: bool,
    /// `--route-reconciliation-period`: how often the cloud's table is compared with the Nodes, changes of Nodes aside.
    pub period: Duration,
    /// `--cluster-cidr`: routes outside these are left alone.
    pub cluster_cidrs: Vec<IpNet>,
}

/// The HTTPS server.
#[derive(Clone, Debug, PartialEq)]
pub struct AdminConfig {
    /// `--bind-address`.
    pub address: IpAddr,
    /// `--secure-port`.
    pub port: u16,
    /// Where the server's certificate comes from.
    pub certificate: CertificateSource,
    /// `--tls-sni-cert-key`: further pairs, each for the names it gives.
    pub sni: Vec<SniCertificate>,
    /// `--tls-min-version` is 1.3.
    pub tls13_only: bool,
    /// `--tls-cipher-suites`, in the IANA's spelling; empty: all that are safe.
    pub cipher_suites: Vec<String>,
    /// HTTP/2 is offered (`--disable-http2-serving` turns it off).
    pub http2: bool,
    /// `--http2-max-streams-per-connection`; `None`: the server's own limit.
    pub http2_max_streams: Option<u32>,
    /// `--permit-port-sharing`.
    pub share_port: bool,
    /// Who callers are.
    pub authentication: AuthenticationConfig,
    /// What callers may do.
    pub authorization: AuthorizationConfig,
    /// `--profiling`: `/debug/flags/v` is served.
    pub profiling: bool,
}

/// Where the server's certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// Made at start, signed by itself, never on disk.
    InMemory,
    /// These files, read again when they change.
    Files {
        /// PEM chain, the server's own first.
        certificate: PathBuf,
        /// PEM key.
        key: PathBuf,
    },
    /// `cloud-controller-manager.crt` and `.key` in this folder, made there when they are not there.
    Folder(PathBuf),
}

/// A pair for `--tls-sni-cert-key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SniCertificate {
    /// PEM chain.
    pub certificate: PathBuf,
    /// PEM key.
    pub key: PathBuf,
    /// Names it is shown for; empty: those it carries.
    pub names: Vec<String>,
}

/// Who callers of the HTTPS server are.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthenticationConfig {
    /// `--authentication-kubeconfig`: where tokens are reviewed; `None`: the same apiserver, when in a cluster.
    pub kubeconfig: Option<PathBuf>,
    /// `--authentication-token-webhook-cache-ttl`.
    pub cache_ttl: Duration,
    /// `--authentication-skip-lookup`: the configmap `extension-apiserver-authentication` is not read.
    pub skip_lookup: bool,
    /// `--authentication-tolerate-lookup-failure`: it need not be readable.
    pub tolerate_lookup_failure: bool,
    /// `--client-ca-file`: who vouches for client certificates, in place of the configmap.
    pub client_ca_file: Option<PathBuf>,
    /// `--requestheader-*`: the front proxy, in place of the configmap's.
    pub request_header: Option<RequestHeaderConfig>,
}

/// A front proxy that has authenticated the caller and says so in headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeaderConfig {
    /// PEM bundle that vouches for the proxy's certificate.
    pub ca_file: PathBuf,
    /// Common names the proxy's certificate may have; empty: any.
    pub allowed_names: Vec<String>,
    /// Headers that hold the user's name.
    pub username_headers: Vec<String>,
    /// Headers that hold the user's uid.
    pub uid_headers: Vec<String>,
    /// Headers that hold groups.
    pub group_headers: Vec<String>,
    /// Prefixes of headers that hold anything else.
    pub extra_prefixes: Vec<String>,
}

/// What callers of the HTTPS server may do.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthorizationConfig {
    /// `--authorization-kubeconfig`: where access is reviewed; `None`: the same apiserver, when in a cluster.
    pub kubeconfig: Option<PathBuf>,
    /// `--authorization-webhook-cache-authorized-ttl`.
    pub allowed_ttl: Duration,
    /// `--authorization-webhook-cache-unauthorized-ttl`.
    pub denied_ttl: Duration,
    /// `--authorization-always-allow-paths`: open to anyone.
    pub always_allow_paths: Vec<String>,
}

/// Logs and traces.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryConfig {
    /// `-v`: upstream's number.
    pub verbosity: u8,
    /// `--logging-format=json`.
    pub json: bool,
    /// `--otlp-endpoint`; `None`: no traces are sent.
    pub otlp_endpoint: Option<String>,
    /// `--trace-sampling-ratio`: share of the traces begun here that is sent.
    pub sampling_ratio: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { verbosity: 0, json: false, otlp_endpoint: None, sampling_ratio: 1.0 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kube: KubeConfig { burst: 30, ..KubeConfig::default() },
            cluster_name: "kubernetes".to_owned(),
            cluster_id: None,
            provider: ProviderConfig::default(),
            controllers: Controller::ALL.into(),
            leader_election: Some(LeaderElectionConfig::default()),
            node: NodeConfig::default(),
            lifecycle: LifecycleConfig::default(),
            service: ServiceConfig::default(),
            route: RouteConfig::default(),
            controller_start_interval: Duration::ZERO,
            drain_timeout: secs(25),
            admin: Some(AdminConfig::default()),
            telemetry: TelemetryConfig::default(),
        }
    }
}

impl Default for LeaderElectionConfig {
    fn default() -> Self {
        Self {
            timing: Timing { lease_duration: secs(15), renew_deadline: secs(10), retry_period: secs(2) },
            name: "cloud-controller-manager".to_owned(),
            namespace: "kube-system".to_owned(),
            migration: None,
        }
    }
}

impl Default for NodeConfig {
    fn default() -> Self {
        // A worker mostly waits: for the batch its look-up goes into, and for the client's limiter, which adapts. So there
        // are several batches' worth of them.
        Self { workers: 512, status_workers: 512, status_update_frequency: secs(300), adopt_untainted: false }
    }
}

impl Default for LifecycleConfig {
    fn default() -> Self {
        Self { workers: 512, monitor_period: secs(5), out_of_service_after: None, removal: RemovalSettings::default() }
    }
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self { workers: 128, audit_period: secs(1800) }
    }
}

impl Default for RouteConfig {
    fn default() -> Self {
        Self { enabled: false, period: secs(300), cluster_cidrs: Vec::new() }
    }
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 10258,
            certificate: CertificateSource::InMemory,
            sni: Vec::new(),
            tls13_only: false,
            cipher_suites: Vec::new(),
            http2: true,
            http2_max_streams: None,
            share_port: false,
            authentication: AuthenticationConfig::default(),
            authorization: AuthorizationConfig::default(),
            profiling: true,
        }
    }
}

impl Default for AuthenticationConfig {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            cache_ttl: secs(10),
            skip_lookup: false,
            tolerate_lookup_failure: false,
            client_ca_file: None,
            request_header: None,
        }
    }
}

impl Default for AuthorizationConfig {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            allowed_ttl: secs(10),
            denied_ttl: secs(10),
            always_allow_paths: ["/healthz", "/readyz", "/livez"].map(str::to_owned).to_vec(),
        }
    }
}
