//! The world of the end-to-end tests: the real binaries on a real control plane, joined by a socket or by mutual TLS.

pub mod admin;
pub mod baidu;
pub mod huawei;
pub mod simulated;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Node, Service};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};
use testkit::{
    Binaries, ControlPlane, FakeKubelet, Profile,
    backend::{Backend, answered_by},
    controller::{ControllerSettings, rights},
    eventually,
    kubelet::NodeSettings,
    look,
    mock::{Mock, MockSettings},
    network::Network,
    pki::Ca,
    program::{self, Program},
    services,
};

/// For one step. Generous, as the machine may be busy; nothing waits longer than it must.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The pods of all nodes.
pub const CLUSTER_CIDR: &str = "10.244.0.0/16";
/// The daemon's name in its certificate.
pub const DAEMON_SAN: &str = "spiffe://test.example/provider";
/// The controller's name in its certificate.
pub const CONTROLLER_SAN: &str = "spiffe://test.example/controller";

/// Waits that protect against a lying cloud, cut down so that a test does not take minutes.
const IMPATIENT: [&str; 6] = [
    "--node-monitor-period=500ms",
    "--node-status-update-frequency=3s",
    "--node-removal-min-node-age=2s",
    "--node-removal-not-ready-grace=2s",
    "--node-removal-confirm-interval=3s",
    "--load-balancer-audit-period=30s",
];

/// How the controller reaches the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A Unix socket; both run as the same user.
    Socket,
    /// TCP with mutual TLS and pinned names.
    MutualTls,
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The controller.
    Controller,
    /// The daemon.
    Daemon,
    /// Both.
    Both,
}

impl Victim {
    /// Whether the controller is among them.
    pub fn is_controller(self) -> bool {
        self != Self::Daemon
    }

    /// Whether the daemon is among them.
    pub fn is_daemon(self) -> bool {
        self != Self::Controller
    }
}

/// What a world is made of.
#[derive(Debug)]
pub struct Settings {
    /// How the controller reaches the daemon.
    pub transport: Transport,
    /// The mock's scenario.
    pub scenario: Value,
    /// Further flags of the mock.
    pub mock_args: Vec<String>,
    /// Further flags of the controller.
    pub controller_args: Vec<String>,
    /// Port of the controller's HTTPS server; 0: none.
    pub secure_port: u16,
    /// The name the daemon lets in over TLS.
    pub admitted: &'static str,
    /// The user and group the controller runs as; `None`: this process's own. Only root can choose another.
    pub controller_user: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            transport: Transport::Socket,
            scenario: json!({"loadBalancers": {"provisioning": "300ms"}}),
            mock_args: Vec::new(),
            controller_args: Vec::new(),
            secure_port: 0,
            admitted: CONTROLLER_SAN,
            controller_user: None,
        }
    }
}

/// Everything that runs. Dropped in the order of the fields: first what uses something, then what is used.
pub struct World {
    /// Nodes' kubelets.
    pub kubelets: BTreeMap<String, FakeKubelet>,
    /// What answers on the nodes.
    pub backends: BTreeMap<String, Backend>,
    /// The controller.
    pub controller: Program,
    /// The daemon, and the cloud behind it.
    pub mock: Mock,
    /// A client with all rights.
    pub client: Client,
    /// The certificates of the hop, when it has any.
    pub certificates: Option<Certificates>,
    /// The control plane.
    pub plane: ControlPlane,
    /// Loopback addresses of machines and load balancers.
    pub network: Network,
}

/// The files both ends of the hop read, and who signed them.
pub struct Certificates {
    ca: Ca,
    folder: PathBuf,
}

impl Certificates {
    fn new(folder: &Path) -> Result<Self> {
        let folder = folder.join("hop");
        std::fs::create_dir_all(&folder)?;
        let certificates = Self { ca: Ca::new("hop")?, folder };
        certificates.rotate()?;
        Ok(certificates)
    }

    /// Replaces both sides' certificates and keys.
    pub fn rotate(&self) -> Result<()> {
        testkit::pki::write(&self.folder, "ca.crt", &self.ca.pem())?;
        self.ca.server(&[DAEMON_SAN, "127.0.0.1"])?.write(&self.folder, "provider")?;
        self.ca.client("controller", &[], &[CONTROLLER_SAN])?.write(&self.folder, "controller")?;
        Ok(())
    }

    /// Where a file of this name is.
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// The daemon's flags.
    pub fn daemon_args(&self, controller_san: &str) -> Vec<String> {
        vec![
            format!("--tls-cert-file={}", self.path("provider.crt")),
            format!("--tls-private-key-file={}", self.path("provider.key")),
            format!("--client-ca-file={}", self.path("ca.crt")),
            format!("--allowed-peer-san={controller_san}"),
        ]
    }

    /// The controller's flags.
    pub fn controller_args(&self, daemon_san: &str) -> Vec<String> {
        vec![
            format!("--provider-cert-file={}", self.path("controller.crt")),
            format!("--provider-key-file={}", self.path("controller.key")),
            format!("--provider-ca-file={}", self.path("ca.crt")),
            format!("--provider-server-name={daemon_san}"),
        ]
    }
}

impl World {
    /// Starts the control plane, the daemon and the controller, which has the rights of `deploy/rbac.yaml` and no others.
    pub async fn start(settings: Settings) -> Result<Self> {
        let plane = ControlPlane::builder().start().await?;
        Self::start_on(plane, settings).await
    }

    async fn start_on(plane: ControlPlane, settings: Settings) -> Result<Self> {
        let binaries = Binaries::build(Profile::Test).await?;
        let client = plane.client().await?;
        let network = Network::reserve()?;
        let (mut mock_args, mut controller_args) = (settings.mock_args, impatient());
        let mut listen = None;
        let certificates = match settings.transport {
            Transport::Socket => None,
            Transport::MutualTls => {
                let certificates = Certificates::new(plane.folder())?;
                mock_args.extend(certificates.daemon_args(settings.admitted));
                controller_args.extend(certificates.controller_args(DAEMON_SAN));
                listen = Some(format!("https://{}", network.provider()));
                Some(certificates)
            }
        };
        controller_args.extend(settings.controller_args);
        let mock_settings =
            MockSettings { scenario: settings.scenario, listen, args: mock_args, ..MockSettings::default() };
        let mock = Mock::start(binaries, plane.folder(), &network, &mock_settings).await?;
        let kubeconfig = rights(&plane).await?;
        let mut controller = ControllerSettings::new(&kubeconfig, mock.endpoint());
        controller.args = controller_args;
        controller.secure_port = settings.secure_port;
        let mut launch = controller.launch(binaries, plane.folder(), "controller");
        if let Some(user) = settings.controller_user {
            std::os::unix::fs::chown(&kubeconfig, Some(user), Some(user))?;
            launch = launch.run_as(user)?;
        }
        let controller = Program::start(launch)?;
        Ok(Self {
            kubelets: BTreeMap::new(),
            backends: BTreeMap::new(),
            controller,
            mock,
            client,
            certificates,
            plane,
            network,
        })
    }

    /// Starts another controller beside the first, with the same rights.
    pub async fn another_controller(&self, name: &str, args: &[&str]) -> Result<Program> {
        let binaries = Binaries::build(Profile::Test).await?;
        let mut settings = ControllerSettings::new(rights(&self.plane).await?, self.mock.endpoint());
        settings.args = impatient();
        settings.args.extend(args.iter().map(|&arg| arg.to_owned()));
        Program::start(settings.launch(binaries, self.plane.folder(), name))
    }

    /// All nodes.
    pub fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    /// The Services of namespace `default`.
    pub fn services(&self) -> Api<Service> {
        Api::default_namespaced(self.client.clone())
    }

    /// Waits for something, and adds what the programs have printed to the error if it does not come.
    pub async fn see<T>(&self, what: &str, probe: impl AsyncFnMut() -> Result<T>) -> Result<T> {
        eventually(what, PATIENCE, probe).await.map_err(|error| self.explain(&error))
    }

    /// An error with the ends of both programs' logs.
    pub fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        program::explain(error, &[("the controller", &self.controller), ("the daemon", self.mock.program())])
    }

    /// Registers nodes `node-1` to `node-N` and waits until the controller has initialised them.
    pub async fn join(&mut self, count: u8) -> Result<()> {
        for number in 1..=count {
            self.register(number).await?;
        }
        for number in 1..=count {
            self.initialised(&name(number)).await?;
        }
        Ok(())
    }

    /// Registers `node-N`, its machine's address and pods derived from the number.
    pub async fn register(&mut self, number: u8) -> Result<()> {
        let settings = NodeSettings {
            node_ip: Some(self.network.machine(number).to_string()),
            pod_cidr: Some(pod_cidr(number)),
            ..NodeSettings::named(name(number))
        };
        let kubelet = FakeKubelet::start(&self.client, &settings).await?;
        self.kubelets.insert(name(number), kubelet);
        Ok(())
    }

    /// Waits until a node is initialised.
    pub async fn initialised(&self, node: &str) -> Result<look::Initialized> {
        self.see(&format!("{node} is initialised"), async || look::initialized(&self.nodes().get(node).await?)).await
    }

    /// Waits until a node is gone.
    pub async fn removed(&self, node: &str) -> Result<()> {
        self.see(&format!("{node} is removed"), async || {
            ensure!(self.nodes().get_opt(node).await?.is_none(), "it is still there");
            Ok(())
        })
        .await
    }

    /// Creates a Service, starts a backend on every node that has a kubelet, and waits for the load balancer's address.
    pub async fn expose(&mut self, service: &str, port: u16) -> Result<SocketAddr> {
        let made = self.services().create(&PostParams::default(), &services::load_balancer(service, port)).await?;
        let node_port = services::node_port(&made).context("the apiserver gave the Service no node port")?;
        for (number, node) in (1_u8..).zip(self.kubelets.keys()) {
            let address = IpAddr::from(self.network.machine(number));
            self.backends.insert(format!("{service}/{node}"), Backend::start(node, address, node_port).await?);
        }
        self.address(service).await.map(|ip| SocketAddr::new(ip, port))
    }

    /// Waits until a Service has the address of its load balancer.
    pub async fn address(&self, service: &str) -> Result<IpAddr> {
        self.see(&format!("Service {service} has an address"), async || {
            look::address(&self.services().get(service).await?)
        })
        .await
    }

    /// Waits until requests are answered by exactly these nodes.
    pub async fn answered_by(&self, entrance: SocketAddr, nodes: &[&str]) -> Result<()> {
        self.see(&format!("{entrance} is answered by {nodes:?}"), async || answered_by(entrance, nodes).await).await
    }

    /// Deletes a Service and waits until it and every load balancer are gone.
    pub async fn unexpose(&self, service: &str) -> Result<()> {
        self.services().delete(service, &DeleteParams::default()).await?;
        self.see(&format!("Service {service} and its load balancer are gone"), async || {
            ensure!(self.services().get_opt(service).await?.is_none(), "the Service is still there");
            let left = self.mock.control().load_balancers().await?;
            let left = left.iter().filter(|balancer| balancer.service == format!("default/{service}")).count();
            ensure!(left == 0, "{left} load balancers are still there");
            Ok(())
        })
        .await
    }
}

/// Name of the nth node.
pub fn name(number: u8) -> String {
    format!("node-{number}")
}

/// The pods of the nth node.
pub fn pod_cidr(number: u8) -> String {
    format!("10.244.{number}.0/24")
}

/// The cut-down waits, and routes.
pub fn impatient() -> Vec<String> {
    let routes = ["--allocate-node-cidrs=true".to_owned(), format!("--cluster-cidr={CLUSTER_CIDR}")];
    IMPATIENT.map(str::to_owned).into_iter().chain(routes).collect()
}
