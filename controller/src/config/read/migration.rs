//! `--leader-migration-config`: upstream's `LeaderMigrationConfiguration`.

use controller_core::leader_migration::Assignment;
use serde::Deserialize;

const KIND: &str = "LeaderMigrationConfiguration";
const VERSIONS: [&str; 3] = [
    "controllermanager.config.k8s.io/v1",
    "controllermanager.config.k8s.io/v1beta1",
    "controllermanager.config.k8s.io/v1alpha1",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    api_version: String,
    kind: String,
    #[serde(default)]
    leader_name: String,
    /// In the two old versions only.
    #[serde(default)]
    resource_lock: Option<String>,
    #[serde(default)]
    controller_leaders: Vec<Leader>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leader {
    #[serde(default)]
    name: String,
    #[serde(default)]
    component: String,
}

/// Name of the second lease and who runs what under it; or everything that is wrong with the file.
pub(super) fn read(bytes: &[u8]) -> Result<(String, Vec<Assignment>), Vec<String>> {
    let file: File = serde_saphyr::from_slice(bytes).map_err(|error| vec![format!("is no {KIND}: {error}")])?;
    let mut faults = Vec::new();
    if file.kind != KIND {
        faults.push(format!("kind is {:?}, must be {KIND}", file.kind));
    }
    if !VERSIONS.contains(&file.api_version.as_str()) {
        faults.push(format!("apiVersion is {:?}, must be one of {}", file.api_version, VERSIONS.join(", ")));
    }
    if file.leader_name.is_empty() {
        faults.push("leaderName is missing: the name of the second lease".to_owned());
    }
    if let Some(lock) = file.resource_lock.filter(|lock| lock != "leases") {
        faults.push(format!("resourceLock is {lock:?}; only leases is supported"));
    }
    for (index, leader) in file.controller_leaders.iter().enumerate() {
        if leader.name.is_empty() || leader.component.is_empty() {
            faults.push(format!("controllerLeaders[{index}] needs both a name and a component"));
        }
    }
    let leaders = file.controller_leaders.into_iter();
    let assignments =
        leaders.map(|leader| Assignment { controller: leader.name, component: leader.component }).collect();
    if faults.is_empty() { Ok((file.leader_name, assignments)) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_example_is_read() {
        let text = r"
apiVersion: controllermanager.config.k8s.io/v1
kind: LeaderMigrationConfiguration
leaderName: cloud-provider-extraction-migration
controllerLeaders:
  - {name: route, component: '*'}
  - {name: service, component: kube-controller-manager}
";
        let (lease, assignments) = read(text.as_bytes()).expect("valid");
        assert_eq!((lease.as_str(), assignments.len()), ("cloud-provider-extraction-migration", 2));
        assert_eq!(assignments[1].component, "kube-controller-manager");
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let text = r"{apiVersion: v2, kind: Migration, resourceLock: endpoints, controllerLeaders: [{name: route}]}";
        let faults = read(text.as_bytes()).expect_err("wrong");
        for part in ["kind is", "apiVersion is", "leaderName is missing", "only leases", "controllerLeaders[0]"] {
            assert!(faults.iter().any(|fault| fault.contains(part)), "{part}: {faults:?}");
        }
        let unknown =
            read(b"{apiVersion: controllermanager.config.k8s.io/v1, kind: LeaderMigrationConfiguration, leader: x}");
        assert!(unknown.expect_err("strict")[0].contains("leader"), "strict, as upstream");
    }
}
