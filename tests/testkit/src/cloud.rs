//! A played cloud with its provider's daemon in front of it, whichever it is: what stories and tests for every cloud need.

pub mod baidu;
pub mod huawei;
mod mock;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use control_plane::process::Exit;

pub use crate::mock::RouteView;
use crate::network::Network;
use crate::program::Program;
use crate::simulator::{CallView, Simulator};
use crate::{
    Binaries,
    cloud::{
        baidu::{Baidu, BaiduSettings},
        huawei::{Huawei, HuaweiSettings},
        mock::Mocked,
    },
    eventually,
};

/// How long a daemon may take to listen.
const START: Duration = Duration::from_secs(30);

/// Which cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The mock: daemon and cloud are one program.
    Mock,
    /// Huawei Cloud, simulated.
    Huawei,
    /// Baidu AI Cloud, simulated.
    Baidu,
}

/// A running one.
#[derive(Debug)]
pub struct Cloud {
    played: Played,
    network: Network,
}

#[derive(Debug)]
enum Played {
    Mock(Box<Mocked>),
    Huawei(Box<Huawei>),
    Baidu(Box<Baidu>),
}

/// Where a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its address, as the cloud has it.
    pub address: IpAddr,
    /// The address on loopback that plays it.
    pub played_by: IpAddr,
}

impl Cloud {
    /// Starts it and waits until its daemon serves. Its files are in this folder.
    pub async fn start(kind: Kind, binaries: &Binaries, folder: &Path) -> Result<Self> {
        Self::start_with(kind, binaries, folder, true, Vec::new()).await
    }

    /// The same for thousands of machines and load balancers, none of which is played: no traffic is carried. The mock always does.
    /// `args`: further flags of the daemon, which the mock is not given.
    pub async fn start_without_traffic(
        kind: Kind,
        binaries: &Binaries,
        folder: &Path,
        args: Vec<String>,
    ) -> Result<Self> {
        Self::start_with(kind, binaries, folder, false, args).await
    }

    async fn start_with(
        kind: Kind,
        binaries: &Binaries,
        folder: &Path,
        traffic: bool,
        args: Vec<String>,
    ) -> Result<Self> {
        let network = Network::reserve()?;
        let carried = traffic.then_some(&network);
        let played = match kind {
            Kind::Mock => Played::Mock(Box::new(Mocked::start(binaries, folder, &network).await?)),
            Kind::Huawei => {
                let settings = HuaweiSettings { args, ..HuaweiSettings::default() };
                Played::Huawei(Box::new(Huawei::start_with(binaries, folder, carried, settings).await?))
            }
            Kind::Baidu => {
                let settings = BaiduSettings { args, ..BaiduSettings::default() };
                Played::Baidu(Box::new(Baidu::start_with(binaries, folder, carried, settings).await?))
            }
        };
        Ok(Self { played, network })
    }

    /// The simulated cloud behind the daemon; the mock has none.
    ///
    /// # Errors
    /// When this is the mock.
    pub fn simulator(&self) -> Result<&Simulator> {
        match &self.played {
            Played::Mock(_) => bail!("the mock is daemon and cloud in one, and has no simulator"),
            Played::Huawei(cloud) => Ok(cloud.simulator()),
            Played::Baidu(cloud) => Ok(cloud.simulator()),
        }
    }

    /// The daemon.
    pub fn daemon(&self) -> &Program {
        match &self.played {
            Played::Mock(cloud) => cloud.program(),
            Played::Huawei(cloud) => cloud.daemon(),
            Played::Baidu(cloud) => cloud.daemon(),
        }
    }

    /// The daemon, to stop and start it.
    pub fn daemon_mut(&mut self) -> &mut Program {
        match &mut self.played {
            Played::Mock(cloud) => cloud.program_mut(),
            Played::Huawei(cloud) => cloud.daemon_mut(),
            Played::Baidu(cloud) => cloud.daemon_mut(),
        }
    }

    /// Starts the daemon again after [`daemon_mut`](Self::daemon_mut) was stopped or killed, and waits until it listens.
    pub async fn restart_daemon(&mut self) -> Result<()> {
        self.daemon_mut().restart()?;
        let socket = self.endpoint().trim_start_matches("unix://").to_owned();
        eventually("the daemon listens", START, async || {
            self.daemon().ensure_running()?;
            tokio::net::UnixStream::connect(&socket).await.map(drop).context("nobody listens yet")
        })
        .await
    }

    /// For `--provider`.
    pub fn endpoint(&self) -> &str {
        match &self.played {
            Played::Mock(cloud) => cloud.endpoint(),
            Played::Huawei(cloud) => cloud.endpoint(),
            Played::Baidu(cloud) => cloud.endpoint(),
        }
    }

    /// What a Service has to say to get a load balancer that the internet reaches.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        match &self.played {
            // A public load balancer is what Baidu's provider makes unless told otherwise.
            Played::Mock(_) | Played::Baidu(_) => BTreeMap::new(),
            Played::Huawei(_) => huawei::annotations(),
        }
    }

    /// Machine `number`, which is made if the cloud does not make it when it is asked about it.
    pub async fn add_machine(&mut self, number: u8, name: &str) -> Result<Place> {
        match &mut self.played {
            Played::Mock(_) => {
                let address = self.network.machine(number).into();
                Ok(Place { address, played_by: address })
            }
            Played::Huawei(cloud) => cloud.add_machine(number, name).await,
            Played::Baidu(cloud) => cloud.add_machine(number, name).await,
        }
    }

    /// Switches a machine on or off.
    pub async fn power(&self, name: &str, on: bool) -> Result<()> {
        match &self.played {
            Played::Mock(cloud) => cloud.power(name, on).await,
            Played::Huawei(cloud) => cloud.power(name, on).await,
            Played::Baidu(cloud) => cloud.power(name, on).await,
        }
    }

    /// Ends a machine for good.
    pub async fn terminate(&self, name: &str) -> Result<()> {
        match &self.played {
            Played::Mock(cloud) => cloud.terminate(name).await,
            Played::Huawei(cloud) => cloud.terminate(name).await,
            Played::Baidu(cloud) => cloud.terminate(name).await,
        }
    }

    /// The routes in the cloud's table, and the machines they lead to.
    pub async fn routes(&self) -> Result<Vec<RouteView>> {
        match &self.played {
            Played::Mock(cloud) => cloud.routes().await,
            Played::Huawei(cloud) => cloud.routes().await,
            Played::Baidu(cloud) => cloud.routes().await,
        }
    }

    /// How many load balancers and public addresses there are.
    pub async fn leftovers(&self) -> Result<usize> {
        match &self.played {
            Played::Mock(cloud) => cloud.load_balancers().await,
            Played::Huawei(cloud) => cloud.leftovers().await,
            Played::Baidu(cloud) => cloud.leftovers().await,
        }
    }

    /// Where connections to a load balancer's address really go.
    pub async fn entrance(&self, address: IpAddr, port: u16) -> Result<SocketAddr> {
        match &self.played {
            Played::Mock(_) => Ok(SocketAddr::new(address, port)),
            Played::Huawei(cloud) => cloud.reach(address, port).await,
            Played::Baidu(cloud) => cloud.reach(address, port).await,
        }
    }

    /// The REST calls made of the cloud, with numbers above this; the mock has none.
    pub async fn calls(&self, after: u64) -> Result<Vec<CallView>> {
        match &self.played {
            Played::Mock(_) => Ok(Vec::new()),
            Played::Huawei(cloud) => cloud.calls(after).await,
            Played::Baidu(cloud) => cloud.calls(after).await,
        }
    }

    /// The programs by name, those that use others first.
    pub fn programs(&self) -> Vec<(&'static str, &Program)> {
        match &self.played {
            Played::Mock(cloud) => cloud.programs(),
            Played::Huawei(cloud) => cloud.programs(),
            Played::Baidu(cloud) => cloud.programs(),
        }
    }

    /// Fails if one of the programs has ended by itself.
    pub fn ensure_running(&self) -> Result<()> {
        self.programs().into_iter().try_for_each(|(_, program)| program.ensure_running())
    }

    /// Ends the programs by SIGTERM, the user before the used, and fails if one does not end well.
    pub async fn stop(&mut self) -> Result<()> {
        let programs = match &mut self.played {
            Played::Mock(cloud) => cloud.programs_mut(),
            Played::Huawei(cloud) => cloud.programs_mut(),
            Played::Baidu(cloud) => cloud.programs_mut(),
        };
        for (name, program) in programs {
            let exit = program.stop().await?;
            ensure!(exit == Exit::Code(0), "{name} ended with {exit}");
        }
        Ok(())
    }
}
