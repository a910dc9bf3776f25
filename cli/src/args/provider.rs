//! How the daemon is reached: named as the controller names it.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::values::lifetime;

/// The daemon.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Daemon")]
pub struct ProviderArgs {
    /// Where the provider daemon is to be reached: `unix:PATH`, `unix:///PATH` or `https://HOST:PORT`.
    #[arg(long, global = true, value_name = "URI", env = "CPCTL_PROVIDER")]
    pub provider: Option<String>,
    /// PEM bundle of the CAs that vouch for a daemon at https://.
    #[arg(long, global = true, value_name = "FILE", env = "CPCTL_PROVIDER_CA_FILE")]
    pub provider_ca_file: Option<PathBuf>,
    /// PEM certificate shown to a daemon at https://. The daemon allows it secrets by its name: --secret-peer-san.
    #[arg(long, global = true, value_name = "FILE", env = "CPCTL_PROVIDER_CERT_FILE")]
    pub provider_cert_file: Option<PathBuf>,
    /// PEM key of --provider-cert-file.
    #[arg(long, global = true, value_name = "FILE", env = "CPCTL_PROVIDER_KEY_FILE")]
    pub provider_key_file: Option<PathBuf>,
    /// The one name (URI, DNS name or IP address) that the daemon's certificate must carry. Default: the host of --provider.
    #[arg(long, global = true, value_name = "NAME", env = "CPCTL_PROVIDER_SERVER_NAME")]
    pub provider_server_name: Option<String>,
    /// Users, by number, that a daemon behind unix: may run as. Default: only this process's own.
    #[arg(long, global = true, value_name = "UID", value_delimiter = ',', env = "CPCTL_PROVIDER_SOCKET_UID")]
    pub provider_socket_uid: Vec<u32>,
    /// Take http:// on this machine, without any protection. For development only.
    #[arg(long, global = true)]
    pub allow_insecure_loopback: bool,
    /// The account profile of the daemon to work with. Default: the one the daemon has for this caller.
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true,
        env = "CPCTL_TENANT"
    )]
    pub tenant: String,
    /// Most time of one call to the daemon.
    #[arg(long, global = true, value_name = "DURATION", default_value = "1m", value_parser = lifetime)]
    pub timeout: Duration,
}

impl ProviderArgs {
    /// The flags again, for a command line that reaches the same daemon. Paths are made absolute: it is run elsewhere.
    pub(crate) fn flags(&self) -> Vec<String> {
        let absolute =
            |file: &PathBuf| std::path::absolute(file).unwrap_or_else(|_| file.clone()).display().to_string();
        let provider = self.provider.clone().map(|endpoint| match endpoint.strip_prefix("unix:") {
            Some(path) if !path.starts_with('/') => format!("unix:{}", absolute(&PathBuf::from(path))),
            _ => endpoint,
        });
        let uids: Vec<String> = self.provider_socket_uid.iter().map(ToString::to_string).collect();
        let uids = (!uids.is_empty()).then(|| uids.join(","));
        let pairs = [
            ("provider", provider),
            ("provider-ca-file", self.provider_ca_file.as_ref().map(absolute)),
            ("provider-cert-file", self.provider_cert_file.as_ref().map(absolute)),
            ("provider-key-file", self.provider_key_file.as_ref().map(absolute)),
            ("provider-server-name", self.provider_server_name.clone()),
            ("provider-socket-uid", uids),
            ("tenant", Some(self.tenant.clone()).filter(|tenant| !tenant.is_empty())),
        ];
        let flags = pairs.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value?)));
        flags.chain(self.allow_insecure_loopback.then(|| "--allow-insecure-loopback".to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_lead_to_the_same_daemon_from_anywhere() {
        let args = ProviderArgs {
            provider: Some("unix:run/p.sock".to_owned()),
            provider_ca_file: Some(PathBuf::from("/etc/ca.pem")),
            provider_socket_uid: vec![0, 7],
            tenant: "team-a".to_owned(),
            ..ProviderArgs::default()
        };
        let flags = args.flags();
        assert!(flags[0].starts_with("--provider=unix:/") && flags[0].ends_with("/run/p.sock"), "{flags:?}");
        assert_eq!(flags[1..], ["--provider-ca-file=/etc/ca.pem", "--provider-socket-uid=0,7", "--tenant=team-a"]);
        let other = ProviderArgs { provider: Some("https://d:7443".to_owned()), ..ProviderArgs::default() };
        assert_eq!(other.flags(), ["--provider=https://d:7443"]);
    }
}
