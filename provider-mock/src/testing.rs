//! A provider on a real socket, for tests of what calls it.

use std::path::Path;

use provider_kit::{Daemon, Running, Settings, StartError, hop::Endpoint};

use crate::{MockProvider, serve};

/// Serves the provider on `provider.sock` in a folder, to this process's own user. It ends with [`Running::stop`], or at
/// once, as by SIGKILL, when dropped; where it listens is [`Running::endpoints`].
///
/// # Errors
/// The socket cannot be had.
pub async fn serve_unix(folder: &Path, provider: &MockProvider) -> Result<Running, StartError> {
    let endpoint = Endpoint::Unix(folder.join("provider.sock"));
    serve(Daemon::new(Settings { listen: vec![endpoint], ..Settings::default() }), provider).start().await
}
