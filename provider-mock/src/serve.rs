//! The provider's services on a daemon.

use provider_kit::Daemon;

use crate::MockProvider;

/// Adds all services of the provider to a daemon, whose epoch and writes it takes over.
#[must_use]
pub fn serve(daemon: Daemon, provider: &MockProvider) -> Daemon {
    provider.attach(daemon.kit());
    daemon
        .identity(provider.clone())
        .instances(provider.clone())
        .load_balancers(provider.clone())
        .routes(provider.clone())
        .clusters(provider.clone())
        .registries(provider.clone())
}
