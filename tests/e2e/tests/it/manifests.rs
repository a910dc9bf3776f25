//! The manifests in `deploy/` are good: they parse, an apiserver takes them, they keep the two credentials apart, and what
//! they grant is what the controller needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};
use kube::api::{Api, PostParams};
use serde_json::Value;
use testkit::binaries::workspace_root;
use testkit::{ControlPlane, manifests};

const RBAC: &str = "rbac.yaml";
const HUAWEI: &str = "huawei.yaml";
const BAIDU: &str = "baidu.yaml";
pub(crate) const SIDECAR: &str = "sidecar.yaml";
pub(crate) const REMOTE: &str = "remote/controller.yaml";
const ACCOUNT: &str = "system:serviceaccount:kube-system:cloud-controller-manager";

fn deploy() -> PathBuf {
    workspace_root().join("deploy")
}

fn text(name: &str) -> String {
    fs::read_to_string(deploy().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn documents(name: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The pod of the one Deployment in a file.
pub(crate) fn pod(name: &str) -> PodSpec {
    let found = documents(name).into_iter().find(|document| document["kind"] == "Deployment");
    let deployment: Deployment =
        serde_json::from_value(found.expect("there is a Deployment")).expect("it is well formed");
    deployment.spec.template.spec.expect("it has a pod")
}

pub(crate) fn container<'a>(pod: &'a PodSpec, name: &str) -> &'a Container {
    pod.containers.iter().find(|container| container.name == name).unwrap_or_else(|| panic!("no container {name}"))
}

fn mounts(container: &Container) -> BTreeSet<&str> {
    container.volume_mounts.iter().flatten().map(|mount| mount.name.as_str()).collect()
}

fn volumes(pod: &PodSpec, wanted: impl Fn(&Volume) -> bool) -> BTreeSet<&str> {
    pod.volumes.iter().flatten().filter(|volume| wanted(volume)).map(|volume| volume.name.as_str()).collect()
}

fn holds_a_token(volume: &Volume) -> bool {
    let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
    sources.into_iter().any(|source| source.service_account_token.is_some())
}

#[test]
fn every_manifest_is_known_here() {
    let mut found: Vec<String> = Vec::new();
    for folder in [deploy(), deploy().join("remote"), deploy().join("tenants")] {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("it can be read").path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                found.push(path.strip_prefix(deploy()).expect("it is in there").display().to_string());
            }
        }
    }
    found.sort();
    let examples = ["tenants/access.yaml", "tenants/tenants.yaml"];
    let known = [BAIDU, HUAWEI, RBAC, REMOTE, SIDECAR].into_iter().chain(examples);
    assert!(found.iter().eq(known), "a manifest that no test applies: {found:?}");
}

#[test]
fn the_token_is_in_the_controllers_container_only() {
    for name in [SIDECAR, REMOTE, HUAWEI, BAIDU] {
        let pod = pod(name);
        assert_eq!(pod.automount_service_account_token, Some(false), "{name}: every container would get the token");
        let tokens = volumes(&pod, holds_a_token);
        assert_eq!(tokens.len(), 1, "{name}: the controller needs the token");
        for container in &pod.containers {
            let has_it = !mounts(container).is_disjoint(&tokens);
            assert_eq!(has_it, container.name == "controller", "{name}: container {}", container.name);
        }
    }
}

#[test]
fn the_two_containers_share_the_sockets_folder_and_nothing_else() {
    for name in [SIDECAR, HUAWEI, BAIDU] {
        let pod = pod(name);
        let (controller, provider) = (container(&pod, "controller"), container(&pod, "provider"));
        let shared: BTreeSet<&str> = mounts(controller).intersection(&mounts(provider)).copied().collect();
        assert_eq!(shared, ["socket"].into(), "{name}");
        let in_memory = |volume: &Volume| {
            volume.empty_dir.as_ref().is_some_and(|folder| folder.medium.as_deref() == Some("Memory"))
        };
        assert!(volumes(&pod, in_memory).contains("socket"), "{name}: the folder is in memory");
        assert!(
            volumes(&pod, |volume| volume.host_path.is_some()).is_empty(),
            "{name}: nothing of the host is mounted"
        );

        let uid = |container: &Container| container.security_context.as_ref().and_then(|context| context.run_as_user);
        let (controller_uid, provider_uid) = (uid(controller).expect("said"), uid(provider).expect("said"));
        assert_ne!(controller_uid, provider_uid, "{name}");
        let says = |container: &Container, arg: String| container.args.iter().flatten().any(|found| *found == arg);
        assert!(
            says(controller, format!("--provider-socket-uid={provider_uid}")),
            "{name}: the controller lets in that uid"
        );
        assert!(says(provider, format!("--allowed-peer-uid={controller_uid}")), "{name}: the daemon lets in that uid");
    }
}

#[test]
fn the_controller_knows_whose_account_it_serves() {
    for name in [SIDECAR, REMOTE, HUAWEI] {
        let pod = pod(name);
        let args = container(&pod, "controller").args.iter().flatten();
        let accounts: Vec<&str> = args.filter_map(|arg| arg.strip_prefix("--provider-account=")).collect();
        assert!(matches!(accounts[..], [account] if account.split_once('/').is_some()), "{name}: {accounts:?}");
    }
}

#[test]
fn the_clouds_credentials_are_in_the_daemons_container_only() {
    for (name, expected) in [(HUAWEI, &["cloud-config"][..]), (BAIDU, &["cce-plugin-token", "cloud-config"])] {
        let pod = pod(name);
        let secrets = volumes(&pod, |volume| volume.secret.is_some());
        assert_eq!(secrets, expected.iter().copied().collect(), "{name}");
        assert!(mounts(container(&pod, "controller")).is_disjoint(&secrets), "{name}");
        assert!(mounts(container(&pod, "provider")).is_superset(&secrets), "{name}");
    }
}

#[test]
fn every_container_runs_with_as_little_as_it_can() {
    for name in [SIDECAR, REMOTE, HUAWEI, BAIDU] {
        let pod = pod(name);
        let context = pod.security_context.as_ref().expect("the pod has a security context");
        assert_eq!(context.run_as_non_root, Some(true), "{name}");
        assert_eq!(
            context.seccomp_profile.as_ref().map(|profile| profile.type_.as_str()),
            Some("RuntimeDefault"),
            "{name}"
        );
        for container in &pod.containers {
            let place = format!("{name}: container {}", container.name);
            let context = container.security_context.as_ref().unwrap_or_else(|| panic!("{place}"));
            assert_eq!(context.allow_privilege_escalation, Some(false), "{place}");
            assert_eq!(context.read_only_root_filesystem, Some(true), "{place}");
            let dropped = context.capabilities.as_ref().and_then(|capabilities| capabilities.drop.clone());
            assert_eq!(dropped, Some(vec!["ALL".to_owned()]), "{place}");
        }
    }
}

#[test]
fn both_ways_to_run_the_controller_differ_in_the_way_to_the_daemon_only() {
    let (mut sidecar, mut remote) = (pod(SIDECAR), pod(REMOTE));
    for pod in [&mut sidecar, &mut remote] {
        pod.containers.retain(|container| container.name == "controller");
        let controller = &mut pod.containers[0];
        controller.args.iter_mut().flatten().for_each(|arg| {
            if arg.starts_with("--provider") {
                *arg = "--provider…".to_owned();
            }
        });
        controller.args.iter_mut().for_each(Vec::dedup);
        controller.volume_mounts.iter_mut().for_each(|mounts| mounts.retain(|mount| mount.name == "token"));
        pod.volumes.iter_mut().for_each(|volumes| volumes.retain(holds_a_token));
    }
    assert_eq!(sidecar, remote);
}

#[tokio::test]
async fn an_apiserver_takes_every_manifest() {
    let plane = ControlPlane::builder().start().await.expect("started");
    let client = plane.client().await.expect("client");
    // Each is applied over the one before: they are one Deployment, run in another way.
    for name in [RBAC, SIDECAR, REMOTE, HUAWEI, BAIDU] {
        manifests::apply(&client, &text(name)).await.unwrap_or_else(|error| panic!("{name}: {error:#}"));
    }

    let reviews = Api::<SubjectAccessReview>::all(client);
    let check = async |verb: &str, resource: &str, namespace: &str, name: Option<&str>, expected: bool| {
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let attributes = ResourceAttributes {
            verb: Some(verb.to_owned()),
            group: Some(group.to_owned()),
            resource: Some(resource.to_owned()),
            subresource: Some(subresource.to_owned()),
            namespace: Some(namespace.to_owned()),
            name: name.map(str::to_owned),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(ACCOUNT.to_owned()),
            groups: Some(vec!["system:serviceaccounts".to_owned(), "system:authenticated".to_owned()]),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let answer = reviews.create(&PostParams::default(), &review).await.expect("reviewed");
        let allowed = answer.status.is_some_and(|status| status.allowed);
        assert_eq!(allowed, expected, "{verb} {resource}/{subresource} {name:?} in {namespace:?}");
    };

    // Removing nodes is a right that tightened roles have lost before.
    check("delete", "nodes", "", None, true).await;
    check("patch", "nodes", "", None, true).await;
    check("patch", "nodes/status", "", None, true).await;
    check("watch", "services", "", None, true).await;
    check("watch", "endpointslices.discovery.k8s.io", "", None, true).await;
    check("patch", "endpointslices.discovery.k8s.io", "default", None, false).await;
    check("patch", "services/status", "default", None, true).await;
    check("create", "events", "default", None, true).await;
    check("create", "leases.coordination.k8s.io", "kube-system", None, true).await;
    for lease in ["cloud-controller-manager", "cloud-provider-extraction-migration"] {
        check("update", "leases.coordination.k8s.io", "kube-system", Some(lease), true).await;
    }
    check("get", "namespaces", "", Some("kube-system"), true).await;
    check("create", "tokenreviews.authentication.k8s.io", "", None, true).await;
    check("create", "subjectaccessreviews.authorization.k8s.io", "", None, true).await;
    check("get", "configmaps", "kube-system", Some("extension-apiserver-authentication"), true).await;

    check("get", "secrets", "kube-system", None, false).await;
    check("list", "secrets", "", None, false).await;
    check("update", "leases.coordination.k8s.io", "kube-system", Some("kube-controller-manager"), false).await;
    check("create", "leases.coordination.k8s.io", "default", None, false).await;
    check("get", "configmaps", "kube-system", Some("kubeadm-config"), false).await;
    check("list", "pods", "", None, false).await;
    check("update", "services", "default", None, false).await;
    check("create", "nodes", "", None, false).await;
    check("get", "namespaces", "", Some("default"), false).await;
    check("create", "serviceaccounts/token", "kube-system", None, false).await;
}
