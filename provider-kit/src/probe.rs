//! The `health` subcommand of a daemon: asks a running one over its own listener, for exec probes.

use std::time::Duration;

use clap::Args;
use provider_hop::{
    Endpoint,
    connect::{Channel, ConnectOptions},
};
use tonic::Request;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

/// Flags of the `health` subcommand. It runs as the daemon's own user and in its container.
#[derive(Args, Clone, Debug)]
pub struct HealthArgs {
    /// Unix socket of the daemon to ask.
    #[arg(long, value_name = "URI", default_value = "unix:///run/cloud-provider/provider.sock")]
    pub endpoint: String,
    /// Most seconds to wait for the answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    pub timeout: u64,
    /// Ask an http:// endpoint on loopback.
    #[arg(long)]
    pub allow_insecure_loopback: bool,
}

impl HealthArgs {
    /// `Ok` when the daemon says that it serves; else why not.
    pub async fn check(&self) -> Result<(), String> {
        let endpoint: Endpoint = self.endpoint.parse().map_err(|error| format!("--endpoint: {error}"))?;
        let options = ConnectOptions {
            allow_insecure_loopback: self.allow_insecure_loopback,
            user_agent: "provider-kit-health".to_owned(),
            ..ConnectOptions::default()
        };
        let channel = Channel::new(&endpoint, &options).map_err(|error| error.to_string())?;
        let mut request = Request::new(HealthCheckRequest::default());
        request.set_timeout(Duration::from_secs(self.timeout));
        let answer = HealthClient::new(channel).check(request).await.map_err(|status| status.message().to_owned())?;
        match answer.into_inner().status() {
            ServingStatus::Serving => Ok(()),
            other => Err(format!("the daemon says {}", other.as_str_name())),
        }
    }
}
