//! One cluster of machines of two real clouds, simulated, of a cloud nobody here knows, and of no cloud at all: one controller, two
//! daemons, and each sees to its own.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use e2e::PATIENCE;
use k8s_openapi::api::core::v1::{Node, Service};
use kube::{Api, Client, ResourceExt, api::PostParams};
use testkit::{
    Binaries, ControlPlane, FakeKubelet, Profile,
    backend::{Backend, answered_by},
    cloud::{Cloud, Kind},
    controller::{ControllerSettings, rights},
    eventually,
    kubelet::{NodeSettings, Readiness},
    look,
    program::{self, Program},
    services,
    wait::throughout,
};

/// Managers of fields that are ours.
const OURS: &str = "ccm.cloudprovider.io/";
/// Longer than any node of ours takes.
const OBSERVE: std::time::Duration = std::time::Duration::from_secs(5);
/// Nodes that no daemon has a machine for.
const FOREIGN: [&str; 2] = ["elsewhere-1", "metal-1"];
const PORT: u16 = 8080;
/// Waits that protect against a lying cloud, cut down so that a test does not take minutes.
const IMPATIENT: [&str; 5] = [
    "--node-monitor-period=500ms",
    "--node-status-update-frequency=3s",
    "--node-removal-min-node-age=2s",
    "--node-removal-not-ready-grace=2s",
    "--node-removal-confirm-interval=3s",
];

/// Dropped in the order of the fields: first what uses something, then what is used.
struct Mixed {
    kubelets: BTreeMap<String, FakeKubelet>,
    controller: Program,
    huawei: Cloud,
    baidu: Cloud,
    client: Client,
    _plane: ControlPlane,
}

impl Mixed {
    async fn start() -> Result<Self> {
        let plane = ControlPlane::builder().start().await?;
        let binaries = Binaries::build(Profile::Test).await?;
        let huawei = Cloud::start(Kind::Huawei, binaries, plane.folder()).await?;
        let baidu = Cloud::start(Kind::Baidu, binaries, plane.folder()).await?;
        let mut settings = ControllerSettings::new(rights(&plane).await?, huawei.endpoint());
        settings.providers.push(baidu.endpoint().to_owned());
        settings.args = IMPATIENT.map(str::to_owned).to_vec();
        let controller = Program::start(settings.launch(binaries, plane.folder(), "controller"))?;
        let client = plane.client().await?;
        Ok(Self { kubelets: BTreeMap::new(), controller, huawei, baidu, client, _plane: plane })
    }

    fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    fn services(&self) -> Api<Service> {
        Api::default_namespaced(self.client.clone())
    }

    fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        let own = [("the controller", &self.controller)].into_iter();
        let programs: Vec<_> = own.chain(self.huawei.programs()).chain(self.baidu.programs()).collect();
        program::explain(error, &programs)
    }

    async fn see<T>(&self, what: &str, probe: impl AsyncFnMut() -> Result<T>) -> Result<T> {
        eventually(what, PATIENCE, probe).await.map_err(|error| self.explain(&error))
    }

    async fn register(&mut self, settings: NodeSettings) -> Result<()> {
        let kubelet = FakeKubelet::start(&self.client, &settings).await?;
        self.kubelets.insert(settings.name, kubelet);
        Ok(())
    }

    /// A machine in one of the clouds, with its node and something that answers on it.
    async fn join(&mut self, kind: Kind, number: u8, name: &str) -> Result<std::net::IpAddr> {
        let cloud = if kind == Kind::Huawei { &mut self.huawei } else { &mut self.baidu };
        let place = cloud.add_machine(number, name).await?;
        let node_ip = Some(place.address.to_string());
        self.register(NodeSettings { node_ip, ..NodeSettings::named(name) }).await?;
        Ok(place.played_by)
    }

    /// Waits until a node has a machine of this scheme, and answers the machine's id.
    async fn initialised_as(&self, node: &str, scheme: &str) -> Result<String> {
        let probe = async || look::initialized(&self.nodes().get(node).await?);
        let seen = self.see(&format!("{node} is initialised"), probe).await?;
        let id = seen.provider_id.strip_prefix(scheme);
        id.map(str::to_owned).with_context(|| format!("{node} is {}", seen.provider_id))
    }

    /// A Service of a class, and the port that nodes have for it.
    async fn create(&self, name: &str, class: Option<&str>, annotations: BTreeMap<String, String>) -> Result<u16> {
        let mut service = services::load_balancer(name, PORT);
        service.metadata.annotations = Some(annotations);
        if let Some(spec) = &mut service.spec {
            spec.load_balancer_class = class.map(str::to_owned);
        }
        let made = self.services().create(&PostParams::default(), &service).await?;
        services::node_port(&made).context("the apiserver gave the Service no node port")
    }

    /// Waits until a load balancer's requests are answered, and by these nodes alone.
    async fn answered_by(&self, cloud: &Cloud, service: &str, expected: &[&str]) -> Result<()> {
        let api = self.services();
        let probe = async || {
            let address = look::address(&api.get(service).await?)?;
            answered_by(cloud.entrance(address, PORT).await?, expected).await
        };
        self.see(&format!("Service {service} is answered by {expected:?}"), probe).await
    }

    /// The foreign nodes are as their kubelets made them.
    async fn foreign_are_untouched(&self) -> Result<()> {
        for name in FOREIGN {
            let node = self.nodes().get(name).await?;
            let mut managers = node.managed_fields().iter().filter_map(|entry| entry.manager.as_deref());
            ensure!(!managers.any(|manager| manager.starts_with(OURS)), "{name} was written");
            ensure!(look::has_taint(&node, look::UNINITIALIZED), "{name} lost its taint");
        }
        Ok(())
    }
}

#[tokio::test]
async fn each_daemon_sees_to_its_own_machines_and_the_rest_is_left_alone() -> Result<()> {
    let mut mixed = Mixed::start().await?;
    let on_huawei = [mixed.join(Kind::Huawei, 1, "huawei-1").await?, mixed.join(Kind::Huawei, 2, "huawei-2").await?];
    let on_baidu = [mixed.join(Kind::Baidu, 11, "baidu-1").await?, mixed.join(Kind::Baidu, 12, "baidu-2").await?];
    let elsewhere = NodeSettings { provider_id: Some("elsewhere://1".to_owned()), ..NodeSettings::named(FOREIGN[0]) };
    mixed.register(elsewhere).await?;
    mixed.register(NodeSettings::named(FOREIGN[1])).await?;
    let mut ids = Vec::new();
    for (node, scheme) in
        [("huawei-1", "huaweicloud://"), ("huawei-2", "huaweicloud://"), ("baidu-1", "cce://"), ("baidu-2", "cce://")]
    {
        ids.push(mixed.initialised_as(node, scheme).await?);
    }

    let annotations = mixed.huawei.annotations();
    let by_default = mixed.create("by-default", None, annotations).await?;
    let of_baidu = mixed.create("of-baidu", Some("ccm.cloudprovider.io/baiducloud"), BTreeMap::new()).await?;
    let mut backends = Vec::new();
    for port in [by_default, of_baidu] {
        for (name, address) in ["huawei-1", "huawei-2"].iter().zip(on_huawei) {
            backends.push(Backend::start(name, address, port).await?);
        }
        for (name, address) in ["baidu-1", "baidu-2"].iter().zip(on_baidu) {
            backends.push(Backend::start(name, address, port).await?);
        }
    }
    mixed.answered_by(&mixed.huawei, "by-default", &["huawei-1", "huawei-2"]).await?;
    mixed.answered_by(&mixed.baidu, "of-baidu", &["baidu-1", "baidu-2"]).await?;

    mixed.baidu.terminate("baidu-2").await?;
    mixed.kubelets["baidu-2"].set(Readiness::Unknown).await?;
    let gone = async || {
        ensure!(mixed.nodes().get_opt("baidu-2").await?.is_none(), "it is still there");
        Ok(())
    };
    mixed.see("the node whose machine its cloud says is gone is removed", gone).await?;
    mixed.answered_by(&mixed.baidu, "of-baidu", &["baidu-1"]).await?;

    // The foreign nodes are not ready either, and stay.
    for name in FOREIGN {
        mixed.kubelets[name].set(Readiness::Unknown).await?;
    }
    let untouched = async || {
        for name in ["huawei-1", "huawei-2", "baidu-1"] {
            mixed.nodes().get(name).await?;
        }
        mixed.foreign_are_untouched().await
    };
    throughout("what is nobody's is not written, and what is somebody's stays", OBSERVE, untouched)
        .await
        .map_err(|error| mixed.explain(&error))?;
    for (cloud, foreign) in [(&mixed.huawei, &ids[2..]), (&mixed.baidu, &ids[..2])] {
        for call in cloud.calls(0).await? {
            let said = format!("{} {:?}", call.path, call.query);
            ensure!(!foreign.iter().any(|id| said.contains(id)), "asked about the other cloud's machine: {said}");
        }
    }
    mixed.controller.ensure_running()?;
    mixed.huawei.ensure_running()?;
    mixed.baidu.ensure_running()
}
