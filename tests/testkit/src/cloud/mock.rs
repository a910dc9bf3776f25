//! The mock.

use std::path::Path;

use anyhow::Result;

use crate::Binaries;
use crate::mock::{Mock, MockSettings, RouteView};
use crate::network::Network;
use crate::program::Program;

const NAME: &str = "provider-mock";

#[derive(Debug)]
pub(super) struct Mocked(Mock);

impl Mocked {
    pub(super) async fn start(binaries: &Binaries, folder: &Path, network: &Network) -> Result<Self> {
        Ok(Self(Mock::start(binaries, folder, network, &MockSettings::default()).await?))
    }

    pub(super) fn endpoint(&self) -> &str {
        self.0.endpoint()
    }

    pub(super) async fn power(&self, name: &str, on: bool) -> Result<()> {
        self.0.control().set_machine_state(name, if on { "running" } else { "stopped" }).await
    }

    pub(super) async fn terminate(&self, name: &str) -> Result<()> {
        self.0.control().set_machine_state(name, "terminated").await
    }

    pub(super) async fn routes(&self) -> Result<Vec<RouteView>> {
        self.0.control().routes().await
    }

    pub(super) async fn load_balancers(&self) -> Result<usize> {
        Ok(self.0.control().load_balancers().await?.len())
    }

    pub(super) fn program(&self) -> &Program {
        self.0.program()
    }

    pub(super) fn program_mut(&mut self) -> &mut Program {
        self.0.program_mut()
    }

    pub(super) fn programs(&self) -> Vec<(&'static str, &Program)> {
        vec![(NAME, self.program())]
    }

    pub(super) fn programs_mut(&mut self) -> Vec<(&'static str, &mut Program)> {
        vec![(NAME, self.program_mut())]
    }
}
