//! What the flags and the files they name say, read and checked as a whole before anything starts.

use provider_kit::Profiles;

use crate::{Args, config, config::Config, options::Options};

/// Everything the daemon needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// One for each account profile.
    pub(crate) accounts: Profiles<Config>,
    /// Defaults of load balancers.
    pub(crate) options: Options,
    /// Tags that become labels.
    pub(crate) tag_labels: Vec<String>,
    /// Most routes changed in one request.
    pub(crate) routes_per_request: usize,
}

impl Setup {
    /// Reads all files. Every fault of every one is reported; what is merely odd is logged later.
    pub(crate) fn read(args: &Args, environment: config::Environment<'_>) -> Result<(Self, Vec<String>), Vec<String>> {
        let (mut faults, mut warnings) = (Vec::new(), Vec::new());
        let files = Profiles::of_flags(&args.cloud_config, &args.account, &mut faults);
        let accounts = files.try_map(|_, path| match config::load(path, environment) {
            Ok(loaded) => {
                warnings.extend(loaded.warnings.iter().map(|warning| format!("{}: {warning}", path.display())));
                Some(loaded.config)
            }
            Err(config::Faults(found)) => {
                faults.extend(found);
                None
            }
        });
        let options = args.loadbalancer_config.as_deref().map_or_else(|| Ok(Options::default()), Options::load);
        let options = options.map_err(|error| faults.extend(error.0)).ok();
        for key in args.node_tag_label.iter().filter(|key| !is_label_name(key)) {
            faults.push(format!("--node-tag-label: {key:?} cannot be the name of a label"));
        }
        match (accounts, options) {
            (Some(accounts), Some(options)) if faults.is_empty() => {
                let setup = Self {
                    accounts,
                    options,
                    tag_labels: args.node_tag_label.clone(),
                    routes_per_request: usize::from(args.routes_per_request),
                };
                Ok((setup, warnings))
            }
            _ => Err(faults),
        }
    }
}

fn is_label_name(text: &str) -> bool {
    let inner = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let ends =
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.ends_with(|c: char| c.is_ascii_alphanumeric());
    text.len() <= 63 && inner && ends
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    const GOOD: &str = "[Global]\nregion=ap-southeast-1\naccess-key=AK\nsecret-key=marker-secret\nproject-id=p1\n";

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn write(&self, name: &str, text: &str) -> String {
            let path = self.0.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        }
    }

    fn read(flags: &[&str]) -> Result<(Setup, Vec<String>), Vec<String>> {
        let args = Args::parse_from(["provider-huawei"].iter().chain(flags));
        Setup::read(&args, &|_| None)
    }

    #[test]
    fn every_fault_of_every_file_comes_at_once_and_none_shows_a_secret() {
        let folder = Folder::new();
        let bad = folder.write("bad", "[Global]\nsecret-key=marker-secret\nca-file\nproxy-from-environment=perhaps\n");
        let good = folder.write("good", GOOD);
        let faults = read(&[
            "--cloud-config",
            &bad,
            "--account=team-a=/nowhere/team-a",
            &format!("--account=team-b={good}"),
            &format!("--account=team-b={good}"),
            "--account=Team C=x",
            "--loadbalancer-config=/nowhere/options",
            "--node-tag-label=a b",
        ])
        .unwrap_err();
        let all = faults.join("\n");
        for part in [
            "access-key is missing",
            "region is missing",
            "proxy-from-environment",
            "/nowhere/team-a",
            "\"team-b\" is there twice",
            "\"Team C=x\"",
            "/nowhere/options",
            "--node-tag-label",
        ] {
            assert!(all.contains(part), "{part} is not in:\n{all}");
        }
        assert!(!all.contains("marker-secret"), "{all}");
    }

    #[test]
    fn each_account_has_its_own_configuration() {
        let folder = Folder::new();
        let default = folder.write("default", GOOD);
        let team = folder.write("team", &GOOD.replace("p1", "p2").replace("region", "unknown-key=1\nregion"));
        let (setup, warnings) = read(&["--cloud-config", &default, &format!("--account=team={team}")]).unwrap();
        assert_eq!(setup.accounts.default().project_id.as_deref(), Some("p1"));
        assert_eq!(setup.accounts.named("team").unwrap().project_id.as_deref(), Some("p2"));
        assert_eq!(setup.routes_per_request, 5);
        assert!(warnings.len() == 1 && warnings[0].contains("unknown-key"), "{warnings:?}");
    }
}
