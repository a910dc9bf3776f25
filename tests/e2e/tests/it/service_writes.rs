//! What the service controller writes is what an apiserver makes of it, with the rights of the manifests and no more.

use std::sync::Arc;

use cloud_controller_manager::kube::{
    objects::ServiceObject,
    service_writes::{ServiceWrite, ServiceWriter},
    write_error::WriteError,
};
use controller_core::{
    names::{ANNOTATION_HANDLE, ANNOTATION_PROVIDER, FINALIZER_LB},
    service::record::Report,
    view::{Ingress, IpMode, Service},
};
use k8s_openapi::api::core::v1;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use testkit::{ControlPlane, client_from_kubeconfig, manifests};

const OTHER: &str = "example.com/another";

struct Cluster {
    services: Api<v1::Service>,
    views: Api<ServiceObject>,
    writer: ServiceWriter,
    _plane: ControlPlane,
}

async fn cluster() -> Cluster {
    let plane = ControlPlane::builder().start().await.expect("a control plane");
    let admin = plane.client().await.expect("a client");
    let rbac = testkit::binaries::workspace_root().join("deploy/rbac.yaml");
    manifests::apply(&admin, &std::fs::read_to_string(rbac).expect("the manifest")).await.expect("the rights");
    let account =
        plane.service_account_kubeconfig("kube-system", "cloud-controller-manager").await.expect("an account");
    let controller = client_from_kubeconfig(&account).await.expect("a client");
    Cluster {
        services: Api::default_namespaced(admin.clone()),
        views: Api::default_namespaced(admin),
        writer: ServiceWriter::new(controller),
        _plane: plane,
    }
}

impl Cluster {
    async fn create(&self, name: &str) -> Arc<Service> {
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "finalizers": [OTHER], "annotations": {"example.com/note": "theirs"}},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
        });
        let service = serde_json::from_value(service).expect("a Service");
        self.services.create(&PostParams::default(), &service).await.expect("created");
        self.read(name).await
    }

    async fn read(&self, name: &str) -> Arc<Service> {
        Arc::new(self.views.get(name).await.expect("there").into())
    }

    async fn annotate(&self, name: &str, key: &str, value: &str) {
        let patch = json!({"metadata": {"annotations": {key: value}}});
        self.services.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("annotated");
    }
}

fn report() -> Report {
    let address = Ingress { ip: "192.0.2.7".into(), ip_mode: Some(IpMode::Vip), ..Ingress::default() };
    Report { ingress: vec![address], handle: "lb-1".into() }
}

#[tokio::test]
async fn a_service_is_claimed_reported_and_released_beside_what_others_wrote() {
    let cluster = cluster().await;
    let seen = cluster.create("web").await;

    let claimed =
        cluster.writer.write(&seen, &ServiceWrite::Claim { provider: "mock", tenant: "" }).await.expect("claimed");
    assert_eq!(claimed.finalizers, [OTHER, FINALIZER_LB]);
    assert_eq!(claimed.annotations[ANNOTATION_PROVIDER], "mock");
    assert_eq!(*claimed, *cluster.read("web").await, "the answer is the Service as it is");

    let reported = cluster.writer.write(&claimed, &ServiceWrite::Report(&report())).await.expect("reported");
    assert_eq!(reported.ingress, report().ingress);
    assert_eq!(reported.annotations[ANNOTATION_HANDLE], "lb-1");
    assert_eq!(reported.annotations["example.com/note"], "theirs");

    let released = cluster.writer.write(&reported, &ServiceWrite::Release).await.expect("released");
    assert_eq!(released.finalizers, [OTHER]);
    assert!(released.ingress.is_empty());
    assert_eq!(released.annotations.keys().collect::<Vec<_>>(), ["example.com/note"]);
}

#[tokio::test]
async fn a_service_that_changed_or_was_made_anew_is_not_written() {
    let cluster = cluster().await;
    let seen = cluster.create("web").await;
    cluster.annotate("web", "example.com/note", "changed").await;
    let claim = ServiceWrite::Claim { provider: "mock", tenant: "" };
    let error = cluster.writer.write(&seen, &claim).await.expect_err("it has changed");
    assert!(matches!(error, WriteError::Conflict), "{error}");
    let now = cluster.writer.get(&seen).await.expect("still there");
    assert_eq!(now.annotations["example.com/note"], "changed");

    let bare = json!({"metadata": {"finalizers": null}});
    cluster.services.patch("web", &PatchParams::default(), &Patch::Merge(bare)).await.expect("stripped");
    cluster.services.delete("web", &DeleteParams::default()).await.expect("deleted");
    let error = cluster.writer.write(&now, &claim).await.expect_err("it is gone");
    assert!(matches!(error, WriteError::Gone), "{error}");
    let anew = cluster.create("web").await;
    let error = cluster.writer.write(&now, &claim).await.expect_err("it is another one");
    assert!(matches!(error, WriteError::Gone | WriteError::Conflict), "{error}");
    assert!(matches!(cluster.writer.get(&now).await, Err(WriteError::Gone)));
    assert_eq!(*cluster.read("web").await, *anew, "untouched");
}

#[tokio::test]
async fn releasing_the_last_finalizer_lets_the_service_go() {
    let cluster = cluster().await;
    let seen = cluster.create("web").await;
    let claimed =
        cluster.writer.write(&seen, &ServiceWrite::Claim { provider: "mock", tenant: "" }).await.expect("claimed");
    let reported = cluster.writer.write(&claimed, &ServiceWrite::Report(&report())).await.expect("reported");
    cluster.services.delete("web", &DeleteParams::default()).await.expect("deleting");
    let bare = json!({"metadata": {"finalizers": [FINALIZER_LB]}});
    cluster.services.patch("web", &PatchParams::default(), &Patch::Merge(bare)).await.expect("the other one left");
    let deleting = cluster.read("web").await;
    assert!(deleting.deleting && reported.uid == deleting.uid);
    cluster.writer.write(&deleting, &ServiceWrite::Release).await.expect("released");
    assert!(cluster.services.get_opt("web").await.expect("asked").is_none());
}
