//! A simulated cloud and its daemon, as far as tests that are the same for all of them use it.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;
use testkit::{
    Binaries,
    cloud::{
        Place, RouteView,
        baidu::{Baidu, BaiduSettings},
        huawei::{Huawei, HuaweiSettings},
    },
    network::Network,
    program::Program,
    simulator::Simulator,
};

/// Which one.
#[allow(async_fn_in_trait, reason = "a test is one task")]
pub trait Site: Sized {
    /// What the daemon is started with.
    type Settings: Clone + Default;

    /// Where the simulator shows load balancers, as a JSON pointer, and which field is their id.
    const BALANCERS: (&'static str, &'static str);

    /// The same for public addresses.
    const ADDRESSES: (&'static str, &'static str);

    /// Starts both, with these flags of the daemon besides the settings'.
    async fn start(
        binaries: &Binaries,
        folder: &Path,
        network: &Network,
        settings: Self::Settings,
        args: &[String],
    ) -> Result<Self>;

    /// Writes another configuration; flags stay as they are.
    fn configure(&self, settings: &Self::Settings) -> Result<()>;

    /// For `--provider`.
    fn endpoint(&self) -> &str;

    /// The cloud.
    fn simulator(&self) -> &Simulator;

    /// The daemon.
    fn daemon(&self) -> &Program;

    /// The daemon, to stop and start it.
    fn daemon_mut(&mut self) -> &mut Program;

    /// Waits until the daemon listens.
    async fn wait_until_ready(&self) -> Result<()>;

    /// The daemon's metrics.
    async fn metrics(&self) -> Result<String>;

    /// Makes machine `number`.
    async fn add_machine(&mut self, number: u8, name: &str) -> Result<Place>;

    /// Switches a machine on or off.
    async fn power(&self, name: &str, on: bool) -> Result<()>;

    /// Ends a machine for good.
    async fn terminate(&self, name: &str) -> Result<()>;

    /// The routes in the cloud's tables, and the machines they lead to.
    async fn routes(&self) -> Result<Vec<RouteView>>;

    /// How many load balancers and public addresses there are.
    async fn leftovers(&self) -> Result<usize>;
}

/// What both have by themselves.
macro_rules! site {
    ($cloud:ident, $settings:ident, $balancers:expr, $addresses:expr) => {
        impl Site for $cloud {
            type Settings = $settings;

            const BALANCERS: (&'static str, &'static str) = $balancers;
            const ADDRESSES: (&'static str, &'static str) = $addresses;

            async fn start(
                binaries: &Binaries,
                folder: &Path,
                network: &Network,
                mut settings: $settings,
                args: &[String],
            ) -> Result<Self> {
                settings.args.extend_from_slice(args);
                $cloud::start_with(binaries, folder, Some(network), settings).await
            }

            fn configure(&self, settings: &$settings) -> Result<()> {
                $cloud::configure(self, settings)
            }

            fn endpoint(&self) -> &str {
                $cloud::endpoint(self)
            }

            fn simulator(&self) -> &Simulator {
                $cloud::simulator(self)
            }

            fn daemon(&self) -> &Program {
                $cloud::daemon(self)
            }

            fn daemon_mut(&mut self) -> &mut Program {
                $cloud::daemon_mut(self)
            }

            async fn wait_until_ready(&self) -> Result<()> {
                $cloud::wait_until_ready(self).await
            }

            async fn metrics(&self) -> Result<String> {
                $cloud::metrics(self).await
            }

            async fn add_machine(&mut self, number: u8, name: &str) -> Result<Place> {
                $cloud::add_machine(self, number, name).await
            }

            async fn power(&self, name: &str, on: bool) -> Result<()> {
                $cloud::power(self, name, on).await
            }

            async fn terminate(&self, name: &str) -> Result<()> {
                $cloud::terminate(self, name).await
            }

            async fn routes(&self) -> Result<Vec<RouteView>> {
                $cloud::routes(self).await
            }

            async fn leftovers(&self) -> Result<usize> {
                $cloud::leftovers(self).await
            }
        }
    };
}

site!(Huawei, HuaweiSettings, ("/elb/load_balancers", "id"), ("/publicips", "id"));
site!(Baidu, BaiduSettings, ("/blbs", "blbId"), ("/eips", "eip"));

/// The ids of all load balancers a cloud has, in order.
pub(crate) async fn balancer_ids<C: Site>(cloud: &C) -> Result<Vec<String>> {
    ids(cloud, C::BALANCERS).await
}

/// Those of all public addresses.
pub(crate) async fn addresses<C: Site>(cloud: &C) -> Result<Vec<String>> {
    ids(cloud, C::ADDRESSES).await
}

async fn ids<C: Site>(cloud: &C, (kind, id): (&str, &str)) -> Result<Vec<String>> {
    let all: Vec<Value> = cloud.simulator().objects(kind).await?;
    let mut ids: Vec<_> = all.iter().filter_map(|one| one[id].as_str().map(str::to_owned)).collect();
    ids.sort();
    Ok(ids)
}
