//! The same on a simulated cloud: control plane, cloud, its daemon and the controller.

pub mod faults;
mod kills;
mod lists;
mod secrets;
mod site;
mod steps;
mod switch;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Node, Service, ServicePort};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use testkit::{
    Binaries, ControlPlane, FakeKubelet, Profile,
    backend::{Backend, answered_by},
    cloud::Place,
    controller::{ControllerSettings, rights},
    events, eventually,
    kubelet::NodeSettings,
    look,
    network::Network,
    pki::Ca,
    program::{self, Program},
    services,
};

pub use self::{kills::Kill, site::Site, switch::Settled};
use crate::{PATIENCE, Victim, admin, impatient, pod_cidr};

/// Both programs log all they can: [`World::ends_well`] reads it.
const EVERYTHING: &str = "--v=10";

/// The kinds of load balancers that Services of a cloud may have, each with a public address.
pub struct Kinds {
    /// A Service of this name, with this port, and a load balancer of this kind.
    pub make: fn(&str, u16, &str) -> Service,
    /// The kinds.
    pub names: [&'static str; 2],
}

/// The same Service with the port after its own, too.
pub fn with_second_port(mut service: Service) -> Service {
    let ports = service.spec.as_mut().and_then(|spec| spec.ports.as_mut());
    if let Some(ports) = ports
        && let Some(first) = ports.first_mut()
    {
        first.name = Some("first".to_owned());
        let second = ServicePort { name: Some("second".to_owned()), port: first.port + 1, ..first.clone() };
        ports.push(second);
    }
    service
}

/// What a world is made of.
#[derive(Clone, Default)]
pub struct Settings<S> {
    /// The daemon's.
    pub daemon: S,
    /// `--cluster-name`; empty: `test`.
    pub cluster_name: String,
    /// Further flags of the controller.
    pub controller_args: Vec<String>,
}

/// Everything that runs. Dropped in the order of the fields: first what uses something, then what is used.
pub struct World<C: Site> {
    /// Nodes' kubelets.
    pub kubelets: BTreeMap<String, FakeKubelet>,
    /// What answers on the nodes, by Service and node.
    pub backends: BTreeMap<String, Backend>,
    /// The controller, once it was started.
    controller: Option<Program>,
    /// Cloud and daemon.
    pub cloud: C,
    /// A client with all rights.
    pub client: Client,
    settings: Settings<C::Settings>,
    places: BTreeMap<String, Place>,
    wrong_secrets: Vec<String>,
    audit: PathBuf,
    admin: Admin,
    kubeconfig: PathBuf,
    /// The control plane.
    pub plane: ControlPlane,
    _network: Network,
}

/// Where the controller serves HTTPS.
struct Admin {
    port: u16,
    ca: PathBuf,
    args: Vec<String>,
}

impl Admin {
    fn new(folder: &Path) -> Result<Self> {
        let ca = Ca::new("serving")?;
        let ca_file = testkit::pki::write(folder, "serving-ca.crt", &ca.pem())?;
        let files = ca.server(&["127.0.0.1"])?.write(folder, "serving")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let args = vec![
            "--bind-address=127.0.0.1".to_owned(),
            format!("--tls-cert-file={}", files.certificate.display()),
            format!("--tls-private-key-file={}", files.key.display()),
            "--authorization-always-allow-paths=/*".to_owned(),
        ];
        Ok(Self { port, ca: ca_file, args })
    }
}

impl<C: Site> World<C> {
    /// Control plane, cloud and daemon; the controller is not started yet.
    pub async fn prepare(settings: Settings<C::Settings>) -> Result<Self> {
        let plane = ControlPlane::builder().start().await?;
        let binaries = Binaries::build(Profile::Test).await?;
        let (client, network) = (plane.client().await?, Network::reserve()?);
        let audit = plane.folder().join("audit.log");
        let args = [EVERYTHING.to_owned(), format!("--audit-log={}", audit.display())];
        let cloud = C::start(binaries, plane.folder(), &network, settings.daemon.clone(), &args).await?;
        Ok(Self {
            kubelets: BTreeMap::new(),
            backends: BTreeMap::new(),
            controller: None,
            cloud,
            client,
            settings,
            places: BTreeMap::new(),
            wrong_secrets: Vec::new(),
            audit,
            admin: Admin::new(plane.folder())?,
            kubeconfig: rights(&plane).await?,
            plane,
            _network: network,
        })
    }

    /// Everything.
    pub async fn start(settings: Settings<C::Settings>) -> Result<Self> {
        let mut world = Self::prepare(settings).await?;
        world.start_controller().await?;
        Ok(world)
    }

    /// Starts the controller, with the rights of `deploy/rbac.yaml` and no others.
    pub async fn start_controller(&mut self) -> Result<()> {
        let mut controller = ControllerSettings::new(&self.kubeconfig, self.cloud.endpoint());
        if !self.settings.cluster_name.is_empty() {
            controller.cluster_name.clone_from(&self.settings.cluster_name);
        }
        controller.secure_port = self.admin.port;
        controller.args = impatient();
        controller.args.push(EVERYTHING.to_owned());
        controller.args.extend(self.admin.args.iter().chain(&self.settings.controller_args).cloned());
        let launch = controller.launch(Binaries::build(Profile::Test).await?, self.plane.folder(), "controller");
        self.controller = Some(Program::start(launch)?);
        Ok(())
    }

    /// The controller.
    pub fn controller(&self) -> Result<&Program> {
        self.controller.as_ref().context("the controller was not started")
    }

    /// The controller, to stop and start it.
    pub fn controller_mut(&mut self) -> Result<&mut Program> {
        self.controller.as_mut().context("the controller was not started")
    }

    /// Names a secret that the cloud does not know and nobody may be told all the same.
    pub fn hide(&mut self, secret: &str) {
        self.wrong_secrets.push(secret.to_owned());
    }

    /// SIGKILL, and a new process; what is to happen in between does.
    pub async fn kill(&mut self, victim: Victim, meanwhile: impl AsyncFnOnce(&Self) -> Result<()>) -> Result<()> {
        if victim.is_controller() {
            self.controller_mut()?.kill().await;
        }
        if victim.is_daemon() {
            self.cloud.daemon_mut().kill().await;
        }
        meanwhile(self).await?;
        if victim.is_daemon() {
            self.cloud.daemon_mut().restart()?;
            self.cloud.wait_until_ready().await?;
        }
        if victim.is_controller() {
            self.controller_mut()?.restart()?;
        }
        Ok(())
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

    /// An error with the ends of the programs' logs.
    pub fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        let controller = self.controller.iter().map(|program| ("the controller", program));
        program::explain(error, &controller.chain([("the daemon", self.cloud.daemon())]).collect::<Vec<_>>())
    }

    /// What the controller's HTTPS server answers.
    pub async fn ask_controller(&self, path: &str) -> Result<String> {
        let client = admin::client(self.admin.port, &self.admin.ca, None).await?;
        let (status, text) = admin::get(&client, path).await?;
        ensure!(status == 200, "{path} answered {status}: {text}");
        Ok(text)
    }

    /// Makes machine `node-N`.
    pub async fn machine(&mut self, number: u8) -> Result<Place> {
        let name = crate::name(number);
        let place = self.cloud.add_machine(number, &name).await?;
        self.places.insert(name, place);
        Ok(place)
    }

    /// What the kubelet of `node-N` is started with.
    pub fn node_settings(&self, number: u8) -> Result<NodeSettings> {
        let name = crate::name(number);
        let place = self.places.get(&name).with_context(|| format!("{name} has no machine"))?;
        Ok(NodeSettings {
            node_ip: Some(place.address.to_string()),
            pod_cidr: Some(pod_cidr(number)),
            ..NodeSettings::named(name)
        })
    }

    /// Registers `node-N`.
    pub async fn register(&mut self, number: u8) -> Result<()> {
        let settings = self.node_settings(number)?;
        let kubelet = FakeKubelet::start(&self.client, &settings).await?;
        self.kubelets.insert(settings.name, kubelet);
        Ok(())
    }

    /// Makes machines `node-1` to `node-N`, registers their nodes and waits until the controller has initialised them.
    pub async fn join(&mut self, count: u8) -> Result<()> {
        for number in 1..=count {
            self.machine(number).await?;
            self.register(number).await?;
        }
        for number in 1..=count {
            self.initialised(&crate::name(number)).await?;
        }
        Ok(())
    }

    /// Waits until a node is initialised.
    pub async fn initialised(&self, node: &str) -> Result<look::Initialized> {
        self.see(&format!("{node} is initialised"), async || look::initialized(&self.nodes().get(node).await?)).await
    }

    /// Creates a Service.
    pub async fn create(&self, service: &Service) -> Result<Service> {
        Ok(self.services().create(&PostParams::default(), service).await?)
    }

    /// Starts what answers for a Service on every node that has a kubelet.
    pub async fn serve(&mut self, service: &Service) -> Result<()> {
        let node_port = services::node_port(service).context("the apiserver gave the Service no node port")?;
        for node in self.kubelets.keys() {
            let place = self.places.get(node).with_context(|| format!("{node} has no machine"))?;
            let backend = Backend::start(node, place.played_by, node_port).await?;
            self.backends.insert(format!("{}/{node}", services::key(service)), backend);
        }
        Ok(())
    }

    /// Waits until a Service has the address of its load balancer.
    pub async fn address(&self, service: &str) -> Result<IpAddr> {
        self.see(&format!("Service {service} has an address"), async || {
            look::address(&self.services().get(service).await?)
        })
        .await
    }

    /// Waits until requests to a load balancer are answered by exactly these nodes.
    pub async fn answered_by(&self, address: IpAddr, port: u16, nodes: &[&str]) -> Result<SocketAddr> {
        self.see(&format!("{address} port {port} is answered by {nodes:?}"), async || {
            let entrance = self.cloud.simulator().reach(address, port).await?;
            answered_by(entrance, nodes).await?;
            Ok(entrance)
        })
        .await
    }

    /// Waits until a Service is gone.
    pub async fn gone(&self, service: &str) -> Result<()> {
        self.see(&format!("Service {service} is gone"), async || {
            if self.services().get_opt(service).await?.is_some() {
                let events = events::lines(&self.client, "Service", service).await?;
                anyhow::bail!("it is still there: {events:?}");
            }
            Ok(())
        })
        .await
    }

    /// Deletes a Service and waits until it is gone.
    pub async fn delete(&self, service: &str) -> Result<()> {
        self.services().delete(service, &DeleteParams::default()).await?;
        self.gone(service).await
    }

    /// Calls that changed something at the cloud since a call, by name.
    pub async fn changes_after(&self, call: u64) -> Result<Vec<String>> {
        let calls = self.cloud.simulator().calls(call).await?;
        Ok(calls.into_iter().filter(|call| call.mutating).map(|call| call.action).collect())
    }

    /// Number of the last call made of the cloud.
    pub async fn last_call(&self) -> Result<u64> {
        Ok(self.cloud.simulator().calls(0).await?.last().map_or(0, |call| call.number))
    }
}
