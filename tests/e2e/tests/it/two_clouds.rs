//! One controller for two clouds: each gets its own nodes and Services, and nobody else's objects are written.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use e2e::PATIENCE;
use k8s_openapi::api::core::v1::{Node, Service};
use kube::{Api, Client, ResourceExt, api::PostParams};
use serde_json::json;
use testkit::{
    Binaries, ControlPlane, FakeKubelet, Profile,
    controller::{ControllerSettings, rights},
    events, eventually,
    kubelet::NodeSettings,
    look,
    mock::{Mock, MockSettings},
    network::Network,
    program::{self, Program},
    services,
    wait::throughout,
};

/// Managers of fields that are ours.
const OURS: &str = "ccm.cloudprovider.io/";
/// Longer than any node or Service of ours takes.
const OBSERVE: std::time::Duration = std::time::Duration::from_secs(5);

struct Clouds {
    controller: Program,
    alpha: Mock,
    beta: Mock,
    client: Client,
    kubelets: BTreeMap<String, FakeKubelet>,
    plane: ControlPlane,
    _networks: [Network; 2],
}

/// A cloud of this name that has machines for nodes called like it, and for `both`.
async fn cloud(plane: &ControlPlane, network: &Network, name: &str) -> Result<Mock> {
    let names = [format!("{name}-*"), "both".to_owned()];
    let scenario = json!({
        "provider": {"name": name},
        "instances": {"mode": "onDemand", "names": names},
        "loadBalancers": {"provisioning": "300ms"},
    });
    let settings = MockSettings { name: name.to_owned(), scenario, ..MockSettings::default() };
    Mock::start(Binaries::build(Profile::Test).await?, plane.folder(), network, &settings).await
}

impl Clouds {
    async fn start() -> Result<Self> {
        let plane = ControlPlane::builder().start().await?;
        let networks = [Network::reserve()?, Network::reserve()?];
        let (alpha, beta) = (cloud(&plane, &networks[0], "alpha").await?, cloud(&plane, &networks[1], "beta").await?);
        let mut settings = ControllerSettings::new(rights(&plane).await?, alpha.endpoint());
        settings.providers.push(beta.endpoint().to_owned());
        let binaries = Binaries::build(Profile::Test).await?;
        let controller = Program::start(settings.launch(binaries, plane.folder(), "controller"))?;
        let client = plane.client().await?;
        let kubelets = BTreeMap::new();
        Ok(Self { controller, alpha, beta, client, kubelets, plane, _networks: networks })
    }

    fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    fn services(&self) -> Api<Service> {
        Api::default_namespaced(self.client.clone())
    }

    async fn see<T>(&self, what: &str, probe: impl AsyncFnMut() -> Result<T>) -> Result<T> {
        eventually(what, PATIENCE, probe).await.map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        let programs =
            [("the controller", &self.controller), ("alpha", self.alpha.program()), ("beta", self.beta.program())];
        program::explain(error, &programs)
    }

    async fn register(&mut self, settings: NodeSettings) -> Result<()> {
        let kubelet = FakeKubelet::start(&self.client, &settings).await?;
        self.kubelets.insert(settings.name, kubelet);
        Ok(())
    }

    async fn initialised_by(&self, node: &str, cloud: &str) -> Result<()> {
        let seen = self
            .see(&format!("{node} is initialised"), async || look::initialized(&self.nodes().get(node).await?))
            .await?;
        ensure!(seen.provider_id.starts_with(&format!("{cloud}://")), "{node} is {}", seen.provider_id);
        Ok(())
    }

    async fn create(&self, name: &str, class: Option<&str>) -> Result<()> {
        let mut service = services::load_balancer(name, 8080);
        if let Some(spec) = &mut service.spec {
            spec.load_balancer_class = class.map(str::to_owned);
        }
        self.services().create(&PostParams::default(), &service).await?;
        Ok(())
    }

    async fn has_address(&self, service: &str) -> Result<()> {
        self.see(&format!("Service {service} has an address"), async || {
            look::address(&self.services().get(service).await?).map(drop)
        })
        .await
    }

    /// The Services that have a load balancer in this cloud.
    async fn balanced_by(cloud: &Mock) -> Result<Vec<String>> {
        let mut services: Vec<String> =
            cloud.control().load_balancers().await?.into_iter().map(|balancer| balancer.service).collect();
        services.sort();
        Ok(services)
    }

    /// Nodes that are members of this cloud's load balancers.
    async fn members_of(cloud: &Mock) -> Result<Vec<String>> {
        let balancers = cloud.control().load_balancers().await?;
        let names = balancers.iter().flat_map(|balancer| &balancer.members);
        let mut names: Vec<String> = names.filter_map(|member| Some(member["node"].as_str()?.to_owned())).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }
}

fn is_written_by_us(object: &impl ResourceExt) -> bool {
    let mut managers = object.managed_fields().iter().filter_map(|entry| entry.manager.as_deref());
    managers.any(|manager| manager.starts_with(OURS))
}

#[tokio::test]
async fn each_gets_its_own_and_the_rest_is_left_alone() -> Result<()> {
    let mut clouds = Clouds::start().await?;
    for name in ["alpha-1", "beta-1", "both", "nobodys"] {
        clouds.register(NodeSettings::named(name)).await?;
    }
    let foreign = NodeSettings { provider_id: Some("elsewhere://1".to_owned()), ..NodeSettings::named("foreign") };
    clouds.register(foreign).await?;
    clouds.initialised_by("alpha-1", "alpha").await?;
    clouds.initialised_by("beta-1", "beta").await?;

    clouds.create("by-default", None).await?;
    clouds.create("of-beta", Some("ccm.cloudprovider.io/beta")).await?;
    clouds.create("of-others", Some("somebody.else/lb")).await?;
    clouds.has_address("by-default").await?;
    clouds.has_address("of-beta").await?;
    ensure!(Clouds::balanced_by(&clouds.alpha).await? == ["default/by-default"]);
    ensure!(Clouds::balanced_by(&clouds.beta).await? == ["default/of-beta"]);

    clouds
        .see("the node that both have a machine for says so", async || {
            let lines = events::lines(&clouds.client, "Node", "both").await?;
            let said = lines.iter().any(|line| line.contains("SeveralProviders") && line.contains("alpha, beta"));
            ensure!(said, "events: {lines:?}");
            Ok(())
        })
        .await?;
    throughout("what is nobody's is not written", OBSERVE, async || {
        for name in ["both", "nobodys", "foreign"] {
            let node = clouds.nodes().get(name).await?;
            ensure!(!is_written_by_us(&node) && look::has_taint(&node, look::UNINITIALIZED), "{name} was written");
        }
        let service = clouds.services().get("of-others").await?;
        ensure!(!is_written_by_us(&service) && service.finalizers().is_empty(), "another's Service was written");
        Ok(())
    })
    .await
    .map_err(|error| clouds.explain(&error))?;
    for (cloud, foreign) in [(&clouds.alpha, "beta-1"), (&clouds.beta, "alpha-1")] {
        let members = Clouds::members_of(cloud).await?;
        ensure!(!members.iter().any(|name| name == foreign), "{foreign} is among {members:?}");
    }
    ensure!(clouds.plane.folder().exists(), "the control plane runs to the end");
    Ok(())
}

#[tokio::test]
async fn one_that_hangs_leaves_the_other_working() -> Result<()> {
    let mut clouds = Clouds::start().await?;
    clouds.register(NodeSettings::named("beta-1")).await?;
    clouds.initialised_by("beta-1", "beta").await?;
    clouds.beta.control().set_rules(&json!([{"match": {"method": "*"}, "effects": ["hang"]}])).await?;

    clouds.register(NodeSettings::named("alpha-1")).await?;
    clouds.create("by-default", None).await?;
    clouds.create("of-beta", Some("ccm.cloudprovider.io/beta")).await?;
    clouds.initialised_by("alpha-1", "alpha").await?;
    clouds.has_address("by-default").await?;
    ensure!(look::address(&clouds.services().get("of-beta").await?).is_err(), "a cloud that hangs gave an address");

    clouds.beta.control().set_rules(&json!([])).await?;
    clouds.has_address("of-beta").await?;
    clouds.controller.ensure_running().context("the same process all along")
}
