//! Account profiles at work: whose keys, VPC and machines a call is made with.

use std::path::PathBuf;

use cloud_rest::Watch;
use provider_kit::{
    Call, Kit, Profiles, Tenant,
    rest::{self, CloudConditions, Traces},
};
use tokio::sync::Mutex;

use crate::{
    Args,
    cloud::Cloud,
    config::{self, Environment, Faults},
    hints::Hints,
    load_balancers::Memory,
    machines::{Fleet, Machines},
};

/// One account profile.
pub(crate) struct Account {
    /// Makes the calls.
    pub(crate) cloud: Cloud,
    /// Its machines.
    pub(crate) fleet: Fleet,
    /// What callers told of their nodes.
    pub(crate) hints: Hints,
    /// What is remembered about its load balancers.
    pub(crate) load_balancers: Memory,
    /// The id of its route table, once it is known.
    pub(crate) table: Mutex<Option<String>>,
    /// Held while the table is changed: a table has no version, so two writers would undo each other.
    pub(crate) table_turn: Mutex<()>,
    /// Ends with the account.
    _watch: Option<Watch>,
}

/// All account profiles, and what people should know about their configurations.
pub(crate) struct Accounts {
    pub(crate) profiles: Profiles<Account>,
    pub(crate) warnings: Vec<String>,
}

impl Account {
    /// Puts it together; nothing is called yet.
    pub(crate) fn new(
        name: &str,
        config: config::Config,
        file: Option<PathBuf>,
        traces: &Traces,
    ) -> Result<Self, String> {
        let cloud = Cloud::new(name, config, file, traces)?;
        let watch = (!cloud.watched().is_empty()).then(|| {
            let client = cloud.client().clone();
            Watch::start(cloud.watched(), move || {
                let client = client.clone();
                async move { client.reload_credentials().await }
            })
        });
        let fleet = Fleet::new(Machines::new(cloud.clone()));
        Ok(Self {
            cloud,
            fleet,
            hints: Hints::default(),
            load_balancers: Memory::default(),
            table: Mutex::default(),
            table_turn: Mutex::default(),
            _watch: watch,
        })
    }

    /// What the daemon says of the account's cloud and keys.
    pub(crate) fn conditions(&self, kit: &Kit) -> CloudConditions {
        CloudConditions::new(kit, self.cloud.account(), self.cloud.client())
    }

    /// The cloud, working for a caller on something.
    pub(crate) fn acting_for(&self, call: &Call, key: &str) -> Cloud {
        self.cloud.on_behalf_of(rest::actor(call, key))
    }

    /// The cloud, working for a tenant of a caller's on something.
    pub(crate) fn acting_for_tenant(&self, call: &Call, tenant: &Tenant, key: &str) -> Cloud {
        self.cloud.on_behalf_of(rest::actor_for(call, tenant, key))
    }
}

impl Accounts {
    /// Reads all files. Every fault of every one is reported; what is merely odd is logged later.
    pub(crate) fn read(args: &Args, environment: Environment<'_>, traces: &Traces) -> Result<Self, Vec<String>> {
        let (mut faults, mut warnings) = (Vec::new(), Vec::new());
        let files = Profiles::of_flags(&args.cloud_config, &args.account, &mut faults);
        let profiles = files.try_map(|name, file| {
            let loaded = config::load(file, environment).map_err(|Faults(found)| faults.extend(found)).ok()?;
            warnings.extend(loaded.warnings.iter().map(|warning| format!("{}: {warning}", file.display())));
            let account = Account::new(name, loaded.config, Some(file.clone()), traces);
            account.map_err(|fault| faults.push(format!("{}: {fault}", file.display()))).ok()
        });
        match profiles {
            Some(profiles) if faults.is_empty() => Ok(Self { profiles, warnings }),
            _ => Err(faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[tokio::test]
    async fn every_fault_of_every_file_comes_at_once_and_none_shows_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let bad = write("bad", r#"{"SecretAccessKey":"marker-secret","DryRun":"perhaps"}"#);
        let good = write("good", r#"{"ClusterId":"c-1","AccessKeyID":"AK","SecretAccessKey":"marker-secret","X":1}"#);
        let ca = write(
            "ca",
            r#"{"ClusterId":"c-1","AccessKeyID":"AK","SecretAccessKey":"marker-secret","CAFile":"/nowhere/ca.pem"}"#,
        );
        let read = |flags: &[String]| {
            let args = ["provider-baidu".to_owned(), "--cloud-config".to_owned()];
            Accounts::read(&Args::parse_from(args.iter().chain(flags)), &|_| None, &Traces::default())
        };
        let account = |name: &str, file: &str| format!("--account={name}={file}");
        let flags = [
            bad,
            account("team-a", "/nowhere/a"),
            account("team-b", &good),
            account("team-b", &good),
            account("c", &ca),
        ];
        let all = read(&flags).err().unwrap().join("\n");
        for part in [
            "ClusterId is missing",
            "AccessKeyID is missing",
            "DryRun",
            "/nowhere/a",
            "\"team-b\" is there twice",
            "/nowhere/ca.pem",
        ] {
            assert!(all.contains(part), "{part} is not in:\n{all}");
        }
        assert!(!all.contains("marker-secret"), "{all}");
        let accounts = read(&[good.clone(), account("team-a", &good)]).ok().unwrap();
        assert_eq!(accounts.profiles.all().count(), 2);
        assert!(accounts.warnings.iter().any(|warning| warning.contains("X is unknown")), "{:?}", accounts.warnings);
    }
}
