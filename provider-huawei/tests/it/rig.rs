//! The daemon against the simulated cloud, in one process, called over its socket.

use std::{
    fmt::Write as _,
    io,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use clap::Parser as _;
use cloud_provider_api::v1::{
    self, identity_client::IdentityClient, instance_result::Answer, instances_client::InstancesClient,
    routes_client::RoutesClient,
};
use provider_huawei::{Args, services};
use provider_kit::{
    Access, Audit, Class, Daemon, Identity,
    hop::connect::{Channel, ConnectOptions},
};
use simulators::{
    engine::{self, CallRecord, Running},
    huawei::{Fleet, Huawei, NewServer, Seed, state},
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use tonic::{Request, Status};

/// Longer than anything takes that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What the configuration says besides keys and endpoints, and further flags.
#[derive(Clone, Copy, Default)]
pub(crate) struct Setup<'a> {
    pub(crate) global: &'a str,
    pub(crate) vpc: &'a str,
    pub(crate) flags: &'a [&'a str],
}

/// A cloud and a daemon for it.
pub(crate) struct Rig {
    pub(crate) cloud: Running<Huawei>,
    pub(crate) folder: TempDir,
    pub(crate) audit: Sink,
    daemon: provider_kit::Running,
}

/// Keeps what is written.
#[derive(Clone, Default)]
pub(crate) struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    /// The lines that name an action.
    pub(crate) fn lines(&self, action: &str) -> Vec<serde_json::Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.filter(|line: &serde_json::Value| line["action"] == action).collect()
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A cloud with nothing special about it.
pub(crate) async fn cloud() -> Running<Huawei> {
    Huawei::default().start(engine::Settings::default()).await.unwrap()
}

/// The configuration file for a cloud.
pub(crate) fn config(cloud: &Running<Huawei>, setup: Setup<'_>) -> String {
    keyed_config(cloud, setup, state::ACCESS_KEY, state::SECRET_KEY)
}

/// The same, with other keys.
pub(crate) fn keyed_config(cloud: &Running<Huawei>, setup: Setup<'_>, id: &str, secret: &str) -> String {
    let Setup { global, vpc, .. } = setup;
    let mut text =
        format!("[Global]\nregion=ap-southeast-1\naccess-key={id}\nsecret-key={secret}\n{global}\n[Vpc]\n{vpc}\n");
    text.push_str("[Endpoints]\n");
    for (key, label) in [("ecs", "ecs"), ("vpc", "vpc"), ("iam", "iam"), ("cce", "cce"), ("swr", "swr-api")] {
        writeln!(text, "{key}={}/{label}", cloud.http()).unwrap();
    }
    text
}

impl Rig {
    /// Of a new cloud, whose project is configured.
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// Of a new cloud.
    pub(crate) async fn with(setup: Setup<'_>) -> Self {
        Self::of(cloud().await, setup).await
    }

    /// Of a cloud.
    pub(crate) async fn of(cloud: Running<Huawei>, setup: Setup<'_>) -> Self {
        let project = format!("project-id={}\n{}", state::PROJECT, setup.global);
        let global = if setup.global.contains("project") { setup.global } else { &project };
        let text = config(&cloud, Setup { global, ..setup });
        Self::of_file(cloud, &text, setup.flags).await
    }

    /// Of a cloud and a configuration file's text.
    pub(crate) async fn of_file(cloud: Running<Huawei>, text: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cloud-config");
        std::fs::write(&file, text).unwrap();
        let file = file.display().to_string();
        let args = ["provider-huawei", "--cloud-config", &file].into_iter().chain(flags.iter().copied());
        let args = Args::parse_from(args);
        let uid = Identity::Uid(std::fs::metadata(folder.path()).unwrap().uid());
        let audit = Sink::default();
        let settings = provider_kit::Settings {
            listen: vec![format!("unix:{}/p.sock", folder.path().display()).parse().unwrap()],
            access: Access::own_uid().allow(uid, [Class::Secret], None),
            audit: Audit::to(audit.clone()),
            ..provider_kit::Settings::default()
        };
        let daemon = services(Daemon::new(settings), &args).unwrap().start().await.unwrap();
        Self { cloud, folder, audit, daemon }
    }

    /// A file of the rig's.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn channel(&self) -> Channel {
        Channel::new(&self.daemon.endpoints()[0], &ConnectOptions::default()).unwrap()
    }

    pub(crate) fn identity(&self) -> IdentityClient<Channel> {
        IdentityClient::new(self.channel())
    }

    pub(crate) fn routes(&self) -> RoutesClient<Channel> {
        RoutesClient::new(self.channel())
    }

    /// What the daemon's metrics say.
    pub(crate) fn metrics(&self) -> String {
        self.daemon.kit().metrics().render()
    }

    /// Adds a server and answers its id.
    pub(crate) fn server(&self, server: NewServer) -> String {
        self.cloud.edit(|state, _| state.add_server(server)).unwrap()
    }

    /// Adds servers `node-0`, `node-1`… and answers their ids.
    pub(crate) fn fleet(&self, count: usize) -> Vec<String> {
        let fleets = vec![Fleet { prefix: "node-".to_owned(), count, subnet_id: None }];
        self.cloud.edit(|state, _| state.seed(Seed { fleets, ..Seed::default() })).unwrap().servers
    }

    /// The address of a server's first card.
    pub(crate) fn address(&self, server: &str) -> String {
        let address = self.cloud.look(|state| {
            let server = state.servers.get(server).unwrap();
            state.ports.get(&server.ports[0]).unwrap().ipv4().unwrap()
        });
        address.to_string()
    }

    /// Looks nodes up; answers in the order of the nodes.
    pub(crate) async fn look_up(
        &self,
        nodes: Vec<v1::NodeReference>,
        max_age: Option<Duration>,
    ) -> Result<Vec<Answer>, Status> {
        let max_age = max_age.map(|age| age.try_into().unwrap());
        let message = v1::BatchGetInstancesRequest { cluster: Some(cluster()), nodes: nodes.clone(), max_age };
        let mut client = InstancesClient::new(self.channel());
        let results = client.batch_get_instances(timed(message)).await?.into_inner().results;
        assert_eq!(results.len(), nodes.len());
        let pairs = nodes.iter().zip(results);
        Ok(pairs
            .map(|(node, result)| {
                assert_eq!(node.node_name, result.node_name);
                let answer = result.answer.expect("an answer");
                assert_eq!(result.observed_at.is_none(), matches!(answer, Answer::Unknown(_)), "{answer:?}");
                answer
            })
            .collect())
    }

    /// One node, asked for afresh.
    pub(crate) async fn fresh(&self, name: &str, provider_id: &str) -> Answer {
        self.look_up(vec![node(name, provider_id)], Some(Duration::ZERO)).await.unwrap().remove(0)
    }

    /// The server of one node, asked for afresh.
    pub(crate) async fn found(&self, name: &str, provider_id: &str) -> v1::Instance {
        match self.fresh(name, provider_id).await {
            Answer::Found(instance) => instance,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// Calls of the cloud since the last time.
    pub(crate) fn calls(&self) -> Vec<CallRecord> {
        let calls = self.cloud.calls();
        self.cloud.forget_calls();
        calls
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await {
            assert!(Instant::now() < deadline, "{what} does not come true");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The daemon's condition of a type, if it knows.
    pub(crate) async fn condition(&self, name: &str) -> Option<(Option<bool>, String)> {
        let status = self.identity().get_status(timed(v1::GetStatusRequest {})).await.unwrap().into_inner();
        let condition = status.conditions.into_iter().find(|condition| condition.r#type == name)?;
        Some((condition.status, condition.message))
    }

    /// Ends the daemon where it stands.
    pub(crate) fn kill(self) -> Running<Huawei> {
        self.cloud.clone()
    }

    /// Ends the daemon in order.
    pub(crate) async fn stop(self) -> Running<Huawei> {
        assert!(self.daemon.stop().await);
        self.cloud
    }
}

/// With a deadline.
pub(crate) fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

pub(crate) fn cluster() -> v1::Cluster {
    v1::Cluster { id: "c1".to_owned(), name: "kubernetes".to_owned() }
}

/// A node with nothing known but its name and providerID.
pub(crate) fn node(name: &str, provider_id: &str) -> v1::NodeReference {
    v1::NodeReference {
        node_name: name.to_owned(),
        node_uid: format!("uid-of-{name}"),
        provider_id: provider_id.to_owned(),
        ..v1::NodeReference::default()
    }
}

/// A node whose kubelet reports an address.
pub(crate) fn node_at(name: &str, ip: &str) -> v1::NodeReference {
    let address = v1::NodeAddress { r#type: v1::AddressType::InternalIp.into(), address: ip.to_owned() };
    v1::NodeReference { addresses: vec![address], ..node(name, "") }
}

/// An answer in a word: what was found, `absent`, `not ours`, or the reason why nothing is known.
pub(crate) fn word(answer: &Answer) -> String {
    match answer {
        Answer::Found(instance) => instance.provider_id.clone(),
        Answer::NotFound(_) => "absent".to_owned(),
        Answer::NotOurs(_) => "not ours".to_owned(),
        Answer::Unknown(status) => status.reason.clone(),
    }
}

/// The addresses of a server, with their kind in front.
pub(crate) fn addresses(instance: &v1::Instance) -> Vec<String> {
    let kind = |address: &v1::NodeAddress| match address.r#type() {
        v1::AddressType::InternalIp => "in",
        v1::AddressType::ExternalIp => "out",
        _ => "?",
    };
    instance.addresses.iter().map(|address| format!("{} {}", kind(address), address.address)).collect()
}
