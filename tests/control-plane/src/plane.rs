//! Starting, stopping and talking to one control plane.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, ObjectMeta, PostParams};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::assets::{Assets, Binary};
use crate::kubeconfig::{self, Credential, client_from_kubeconfig};
use crate::pki::{self, Ca, SigningKey};
use crate::ports::ReservedPort;
use crate::process::{Launch, Process, Signal};
use crate::scratch::scratch_folder;

/// How long etcd and the apiserver may take; seconds on a free machine.
const START_DEADLINE: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(50);
/// How long the apiserver may take to end its watches.
const STOP_GRACE: Duration = Duration::from_secs(20);
const TOKEN_SECONDS: i64 = 24 * 60 * 60;
const ADMIN: &str = "admin";
const SERVER_NAMES: [&str; 4] = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc"];

/// What a control plane shall be like.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    controller_manager: bool,
    apiserver_args: Vec<String>,
    controller_manager_args: Vec<String>,
}

impl Builder {
    /// Runs kube-controller-manager too. Without it nothing makes `EndpointSlice`s, marks silent nodes, collects garbage,
    /// empties namespaces or makes service accounts; Pods are accepted without one.
    #[must_use]
    pub fn with_controller_manager(mut self, run: bool) -> Self {
        self.controller_manager = run;
        self
    }

    /// Adds a flag of kube-apiserver.
    #[must_use]
    pub fn apiserver_arg(mut self, arg: impl Into<String>) -> Self {
        self.apiserver_args.push(arg.into());
        self
    }

    /// Adds a flag of kube-controller-manager.
    #[must_use]
    pub fn controller_manager_arg(mut self, arg: impl Into<String>) -> Self {
        self.controller_manager_args.push(arg.into());
        self
    }

    /// Starts it and waits until it is ready.
    pub async fn start(self) -> Result<ControlPlane> {
        let mut wanted = vec![Binary::Etcd, Binary::Apiserver];
        wanted.extend(self.controller_manager.then_some(Binary::ControllerManager));
        let assets = Assets::find_or_build(&wanted).await?;
        let layout = Layout::new()?;
        let etcd = layout.etcd(&assets).spawn()?;
        let plane = ControlPlane {
            controller_manager: Mutex::new(None),
            apiserver: Mutex::new(None),
            etcd,
            builder: self,
            assets,
            layout,
        };
        plane.start_apiserver().await?;
        plane.wait_for_system_namespaces().await?;
        if plane.builder.controller_manager {
            let process = plane.layout.controller_manager(&plane.assets, &plane.builder).spawn()?;
            *plane.controller_manager.lock().await = Some(process);
        }
        Ok(plane)
    }
}

/// A running control plane; it ends, with all its processes and data, when this is dropped.
#[derive(Debug)]
pub struct ControlPlane {
    // Dropped in this order: what depends on another ends first, the data folder last.
    controller_manager: Mutex<Option<Process>>,
    apiserver: Mutex<Option<Process>>,
    etcd: Process,
    builder: Builder,
    assets: Assets,
    layout: Layout,
}

impl ControlPlane {
    /// The plain control plane: etcd and kube-apiserver with RBAC.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The apiserver's address, `https://127.0.0.1:PORT`. It stays the same over restarts.
    pub fn url(&self) -> String {
        self.layout.url()
    }

    /// The certificate of the authority that signed the apiserver's certificate.
    pub fn ca_pem(&self) -> String {
        self.layout.ca.pem()
    }

    /// A kubeconfig of a member of `system:masters`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.layout.path(&format!("{ADMIN}.kubeconfig"))
    }

    /// A private folder that lives as long as the control plane.
    pub fn folder(&self) -> &Path {
        self.layout.folder.path()
    }

    /// A client with the rights of [`kubeconfig`](Self::kubeconfig).
    pub async fn client(&self) -> Result<kube::Client> {
        client_from_kubeconfig(&self.kubeconfig()).await
    }

    /// A kubeconfig with a client certificate of this user in these groups.
    pub fn user_kubeconfig(&self, user: &str, groups: &[&str]) -> Result<PathBuf> {
        self.layout.user_kubeconfig(user, groups)
    }

    /// A kubeconfig with a token, good for a day, of a service account, which is made, with its namespace, if it is not there.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let client = self.client().await?;
        let metadata = |name: &str| ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let parameters = PostParams::default();
        let folder = Namespace { metadata: metadata(namespace), ..Namespace::default() };
        exists(Api::all(client.clone()).create(&parameters, &folder).await)?;
        let accounts = Api::<ServiceAccount>::namespaced(client, namespace);
        let account = ServiceAccount { metadata: metadata(name), ..ServiceAccount::default() };
        exists(accounts.create(&parameters, &account).await)?;
        let request = TokenRequest {
            spec: Some(TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() }),
            ..TokenRequest::default()
        };
        let answer = accounts.create_token_request(name, &parameters, &request).await?;
        let token =
            answer.status.and_then(|status| status.token).context("a token request was answered without a token")?;
        let kubeconfig = kubeconfig::render(&self.url(), &self.ca_pem(), &Credential::Token(&token));
        pki::write(self.folder(), &format!("{namespace}-{name}.kubeconfig"), &kubeconfig)
    }

    /// Starts the apiserver, if it does not run, and waits until it is ready.
    pub async fn start_apiserver(&self) -> Result<()> {
        let mut running = self.apiserver.lock().await;
        if running.as_ref().is_some_and(|process| process.exited().is_none()) {
            return Ok(());
        }
        // An ended one is reaped before its successor binds the port.
        *running = None;
        let process = running.insert(self.layout.apiserver(&self.assets, &self.builder).spawn()?);
        let client = self.client().await?;
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            self.etcd.ensure_running()?;
            process.ensure_running()?;
            let ready = client.request_text(http::Request::get("/readyz").body(Vec::new())?).await;
            match ready {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(error).with_context(|| {
                        format!(
                            "kube-apiserver is not ready after {START_DEADLINE:?}; its log ends with:\n{}",
                            process.log_tail(20)
                        )
                    });
                }
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Asks the apiserver to end and waits until it has; it is killed if it takes long. The data stays.
    pub async fn stop_apiserver(&self) {
        let stopped = self.apiserver.lock().await.take();
        if let Some(process) = stopped {
            // A kill is no fault here: the caller wants it gone, and its data is in etcd.
            let _ = process.stop(STOP_GRACE).await;
        }
    }

    /// Kills the apiserver, as a crash would.
    pub async fn kill_apiserver(&self) {
        if let Some(process) = self.apiserver.lock().await.take() {
            process.kill().await;
        }
    }

    /// Stops and starts the apiserver: same port, same data.
    pub async fn restart_apiserver(&self) -> Result<()> {
        self.stop_apiserver().await;
        self.start_apiserver().await
    }

    /// Freezes the apiserver: connections are accepted by the kernel and answered by nobody.
    pub async fn pause_apiserver(&self) {
        if let Some(process) = self.apiserver.lock().await.as_ref() {
            process.signal(Signal::Stop);
        }
    }

    /// Ends a [`pause`](Self::pause_apiserver).
    pub async fn resume_apiserver(&self) {
        if let Some(process) = self.apiserver.lock().await.as_ref() {
            process.signal(Signal::Continue);
        }
    }

    /// The process ids of everything that runs.
    pub async fn pids(&self) -> Vec<u32> {
        let mut pids = vec![self.etcd.pid()];
        for process in [&self.apiserver, &self.controller_manager] {
            pids.extend(process.lock().await.as_ref().map(Process::pid));
        }
        pids
    }

    /// The apiserver reports ready a moment before it has made these, and leases live in one of them.
    async fn wait_for_system_namespaces(&self) -> Result<()> {
        let namespaces = Api::<Namespace>::all(self.client().await?);
        let deadline = Instant::now() + START_DEADLINE;
        for name in ["default", "kube-system"] {
            while namespaces.get_opt(name).await?.is_none() {
                anyhow::ensure!(Instant::now() < deadline, "there is no namespace {name} after {START_DEADLINE:?}");
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }
}

/// Something that was there already was not made, and that is fine.
fn exists<T>(made: kube::Result<T>) -> Result<()> {
    match made {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        made => Ok(made.map(drop)?),
    }
}

/// The files and ports of one control plane, and the command lines made from them.
#[derive(Debug)]
struct Layout {
    etcd_port: ReservedPort,
    etcd_peer_port: ReservedPort,
    apiserver_port: ReservedPort,
    controller_manager_port: ReservedPort,
    ca: Ca,
    folder: TempDir,
}

impl Layout {
    fn new() -> Result<Self> {
        let layout = Self {
            etcd_port: ReservedPort::new()?,
            etcd_peer_port: ReservedPort::new()?,
            apiserver_port: ReservedPort::new()?,
            controller_manager_port: ReservedPort::new()?,
            ca: Ca::new("control-plane")?,
            folder: scratch_folder("control-plane-")?,
        };
        layout.write_certificates()?;
        Ok(layout)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.apiserver_port.number())
    }

    fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.etcd_port.number())
    }

    fn write_certificates(&self) -> Result<()> {
        let folder = self.folder.path();
        pki::write(folder, "ca.crt", &self.ca.pem())?;
        self.ca.server(&SERVER_NAMES)?.write(folder, "apiserver")?;
        // A separate authority, or else every client certificate could pose as the front proxy.
        let front_proxy = Ca::new("front-proxy")?;
        pki::write(folder, "front-proxy-ca.crt", &front_proxy.pem())?;
        front_proxy.client("front-proxy-client", &[], &[])?.write(folder, "front-proxy-client")?;
        let accounts = SigningKey::new()?;
        pki::write(folder, "service-account.key", &accounts.private_pem)?;
        pki::write(folder, "service-account.pub", &accounts.public_pem)?;
        self.user_kubeconfig(ADMIN, &["system:masters"])?;
        self.user_kubeconfig("system:kube-controller-manager", &[])?;
        Ok(())
    }

    fn user_kubeconfig(&self, user: &str, groups: &[&str]) -> Result<PathBuf> {
        let identity = self.ca.client(user, groups, &[])?;
        let kubeconfig = kubeconfig::render(&self.url(), &self.ca.pem(), &Credential::Certificate(&identity));
        pki::write(self.folder.path(), &format!("{}.kubeconfig", file_name(user)), &kubeconfig)
    }

    fn launch(&self, assets: &Assets, binary: Binary) -> Launch {
        Launch::new(assets.path(binary), self.path(&format!("{}.log", binary.file_name())))
            .remove_if_orphaned(self.folder.path())
    }

    fn flag(&self, name: &str, file: &str) -> String {
        format!("--{name}={}", self.path(file).display())
    }

    fn etcd(&self, assets: &Assets) -> Launch {
        let client = self.etcd_url();
        let peer = format!("http://127.0.0.1:{}", self.etcd_peer_port.number());
        self.launch(assets, Binary::Etcd).args([
            "--name=default".to_owned(),
            self.flag("data-dir", "etcd"),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            "--socket-reuse-port".to_owned(),
            // The data does not outlive the processes.
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
        ])
    }

    fn apiserver(&self, assets: &Assets, builder: &Builder) -> Launch {
        let mut args = vec![
            format!("--etcd-servers={}", self.etcd_url()),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.apiserver_port.number()),
            "--permit-port-sharing".to_owned(),
            // Nobody reaches the apiserver through its own Service, and a loopback endpoint is refused.
            "--endpoint-reconciler-type=none".to_owned(),
            self.flag("tls-cert-file", "apiserver.crt"),
            self.flag("tls-private-key-file", "apiserver.key"),
            self.flag("client-ca-file", "ca.crt"),
            self.flag("requestheader-client-ca-file", "front-proxy-ca.crt"),
            "--requestheader-allowed-names=front-proxy-client".to_owned(),
            "--requestheader-username-headers=X-Remote-User".to_owned(),
            "--requestheader-group-headers=X-Remote-Group".to_owned(),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
            self.flag("proxy-client-cert-file", "front-proxy-client.crt"),
            self.flag("proxy-client-key-file", "front-proxy-client.key"),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
            self.flag("service-account-signing-key-file", "service-account.key"),
            self.flag("service-account-key-file", "service-account.pub"),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
            "--profiling=false".to_owned(),
        ];
        if !builder.controller_manager {
            // One waits for the default service account, the other taints new nodes as not ready: both count on a controller.
            args.push("--disable-admission-plugins=ServiceAccount,TaintNodesByCondition".to_owned());
        }
        self.launch(assets, Binary::Apiserver).args(args).args(&builder.apiserver_args)
    }

    fn controller_manager(&self, assets: &Assets, builder: &Builder) -> Launch {
        let kubeconfig = format!("{}.kubeconfig", file_name("system:kube-controller-manager"));
        self.launch(assets, Binary::ControllerManager)
            .args([
                self.flag("kubeconfig", &kubeconfig),
                self.flag("authentication-kubeconfig", &kubeconfig),
                self.flag("authorization-kubeconfig", &kubeconfig),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={}", self.controller_manager_port.number()),
                "--permit-port-sharing".to_owned(),
                "--leader-elect=false".to_owned(),
                "--use-service-account-credentials".to_owned(),
                self.flag("service-account-private-key-file", "service-account.key"),
                self.flag("root-ca-file", "ca.crt"),
            ])
            .args(&builder.controller_manager_args)
    }
}

/// User names have colons in them.
fn file_name(user: &str) -> String {
    user.replace([':', '/'], "-")
}
