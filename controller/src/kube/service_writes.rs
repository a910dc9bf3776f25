//! Writes to Services.
//!
//! All go through the `status` subresource, finalizer and annotations too: then no right to change Services themselves is
//! needed. They are strategic merge patches, in which finalizers of others stay although the patch does not know them, and
//! they are bound to the resource version they were decided on: a Service that was made anew under the same name, or
//! changed its class meanwhile, is never written.

use std::sync::Arc;

use controller_core::{
    names::{ANNOTATION_HANDLE, ANNOTATION_PROVIDER, ANNOTATION_TENANT, FIELD_MANAGER_SERVICE, FINALIZER_LB},
    service::record::Report,
    view::{Ingress, IpMode, Service},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{objects::ServiceObject, write_error::WriteError};

/// Writes Services. Cheap to clone.
#[derive(Clone)]
pub struct ServiceWriter {
    client: Client,
}

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceWrite<'a> {
    /// The finalizer, and the marks of the provider and the tenant that are to have the load balancer.
    Claim {
        /// Name of the provider.
        provider: &'a str,
        /// The tenant; empty: the caller's own, which is not marked.
        tenant: &'a str,
    },
    /// Status and handle.
    Report(&'a Report),
    /// Finalizer, status and our annotations go.
    Release,
    /// Only our annotations go.
    Disclaim,
}

impl ServiceWrite<'_> {
    /// What it is, for people: "failed to ...".
    pub const fn describe(&self) -> &'static str {
        match self {
            Self::Claim { .. } => "add load balancer cleanup finalizer",
            Self::Report(_) => "update load balancer status",
            Self::Release => "remove load balancer cleanup finalizer",
            Self::Disclaim => "remove load balancer annotations",
        }
    }
}

impl ServiceWriter {
    /// Writes by this client.
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Writes, unless the Service has changed; gives the Service as it is then.
    pub async fn write(&self, service: &Service, write: &ServiceWrite<'_>) -> Result<Arc<Service>, WriteError> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER_SERVICE.to_owned()), ..PatchParams::default() };
        let patch = Patch::Strategic(body(service, write));
        let written = self.api(service).patch_status(&service.name, &params, &patch).await?;
        Ok(Arc::new(written.into()))
    }

    /// The Service as it is now.
    pub async fn get(&self, service: &Service) -> Result<Arc<Service>, WriteError> {
        let now: Service = self.api(service).get(&service.name).await?.into();
        if now.uid == service.uid { Ok(Arc::new(now)) } else { Err(WriteError::Gone) }
    }

    fn api(&self, service: &Service) -> Api<ServiceObject> {
        Api::namespaced(self.client.clone(), &service.namespace)
    }
}

fn body(service: &Service, write: &ServiceWrite<'_>) -> Value {
    let mut body = match write {
        ServiceWrite::Claim { provider, tenant } => claim_body(service, provider, tenant),
        ServiceWrite::Report(report) => report_body(report),
        ServiceWrite::Release => json!({
            "metadata": {
                "$deleteFromPrimitiveList/finalizers": [FINALIZER_LB],
                "annotations": no_annotations(service),
            },
            "status": {"loadBalancer": {"ingress": null}},
        }),
        ServiceWrite::Disclaim => json!({"metadata": {"annotations": no_annotations(service)}}),
    };
    body["metadata"]["uid"] = service.uid.as_str().into();
    body["metadata"]["resourceVersion"] = service.resource_version.as_str().into();
    body
}

fn no_annotations(service: &Service) -> Value {
    let mut none = json!({ANNOTATION_HANDLE: null, ANNOTATION_PROVIDER: null});
    if service.annotations.contains_key(ANNOTATION_TENANT) {
        none[ANNOTATION_TENANT] = Value::Null;
    }
    none
}

fn claim_body(service: &Service, provider: &str, tenant: &str) -> Value {
    let mut metadata = json!({"annotations": {ANNOTATION_PROVIDER: provider}});
    let noted = service.annotations.get(ANNOTATION_TENANT).map_or("", String::as_str);
    if noted != tenant {
        metadata["annotations"][ANNOTATION_TENANT] = if tenant.is_empty() { Value::Null } else { tenant.into() };
    }
    if !service.finalizers.iter().any(|finalizer| finalizer == FINALIZER_LB) {
        let order: Vec<&str> = service.finalizers.iter().map(String::as_str).chain([FINALIZER_LB]).collect();
        metadata["$setElementOrder/finalizers"] = order.into();
        metadata["finalizers"] = json!([FINALIZER_LB]);
    }
    // What another provider noted for itself means nothing to this one, nor what is another tenant's to this.
    let before = service.annotations.get(ANNOTATION_PROVIDER);
    if before.is_some_and(|before| before != provider || noted != tenant) {
        metadata["annotations"][ANNOTATION_HANDLE] = Value::Null;
    }
    json!({"metadata": metadata})
}

fn report_body(report: &Report) -> Value {
    let ingress: Vec<Value> = report.ingress.iter().map(ingress_body).collect();
    let mut body = json!({"metadata": {}, "status": {"loadBalancer": {"ingress": ingress}}});
    if !report.handle.is_empty() {
        body["metadata"]["annotations"] = json!({ANNOTATION_HANDLE: report.handle});
    }
    body
}

fn ingress_body(ingress: &Ingress) -> Value {
    let mut body = json!({});
    if !ingress.ip.is_empty() {
        body["ip"] = ingress.ip.as_str().into();
    }
    if !ingress.hostname.is_empty() {
        body["hostname"] = ingress.hostname.as_str().into();
    }
    if let Some(mode) = ingress.ip_mode {
        body["ipMode"] = match mode {
            IpMode::Vip => "VIP",
            IpMode::Proxy => "Proxy",
        }
        .into();
    }
    let ports: Vec<Value> = ingress
        .ports
        .iter()
        .map(|port| {
            let mut body = json!({"port": port.port, "protocol": port.protocol.as_str()});
            if let Some(error) = &port.error {
                body["error"] = error.as_str().into();
            }
            body
        })
        .collect();
    if !ports.is_empty() {
        body["ports"] = ports.into();
    }
    body
}

#[cfg(test)]
mod tests {
    use controller_core::view::{PortStatus, Protocol};

    use super::*;
    use crate::kube::scripted::ScriptedApi;

    fn service(finalizers: &[&str]) -> Service {
        let object = json!({"metadata": {
            "namespace": "ns", "name": "web", "uid": "u1", "resourceVersion": "7", "finalizers": finalizers,
        }});
        serde_json::from_value::<ServiceObject>(object).expect("a Service").into()
    }

    #[test]
    fn a_finalizer_is_added_beside_those_of_others() {
        // Test_getPatchBytes, "adding bar to foo": the finalizer is `bar`, and `foo` somebody else's.
        let patch = body(&service(&["foo"]), &ServiceWrite::Claim { provider: "mock", tenant: "" });
        assert_eq!(
            patch,
            json!({"metadata": {
                "uid": "u1", "resourceVersion": "7",
                "$setElementOrder/finalizers": ["foo", FINALIZER_LB],
                "finalizers": [FINALIZER_LB],
                "annotations": {ANNOTATION_PROVIDER: "mock"},
            }})
        );
    }

    #[test]
    fn a_finalizer_that_is_there_is_only_marked_as_ours() {
        let mut service = service(&[FINALIZER_LB]);
        service.annotations.insert(ANNOTATION_PROVIDER.into(), "other".into());
        let patch = body(&service, &ServiceWrite::Claim { provider: "mock", tenant: "" });
        assert_eq!(
            patch,
            json!({"metadata": {
                "uid": "u1", "resourceVersion": "7",
                "annotations": {ANNOTATION_PROVIDER: "mock", ANNOTATION_HANDLE: null},
            }})
        );
    }

    #[test]
    fn a_tenant_is_noted_and_takes_no_handle_of_anothers() {
        let mut service = service(&[FINALIZER_LB]);
        for (noted, tenant, annotations) in [
            (None, "a", json!({ANNOTATION_PROVIDER: "mock", ANNOTATION_TENANT: "a", ANNOTATION_HANDLE: null})),
            (Some("a"), "a", json!({ANNOTATION_PROVIDER: "mock"})),
            (Some("a"), "", json!({ANNOTATION_PROVIDER: "mock", ANNOTATION_TENANT: null, ANNOTATION_HANDLE: null})),
        ] {
            service.annotations = [(ANNOTATION_PROVIDER.into(), "mock".into())].into();
            service.annotations.extend(noted.map(|noted| (ANNOTATION_TENANT.into(), String::from(noted))));
            let patch = body(&service, &ServiceWrite::Claim { provider: "mock", tenant });
            assert_eq!(patch["metadata"]["annotations"], annotations, "{noted:?} {tenant}");
        }
        service.annotations.insert(ANNOTATION_TENANT.into(), "a".into());
        let patch = body(&service, &ServiceWrite::Release);
        assert!(patch["metadata"]["annotations"].as_object().is_some_and(|gone| gone.contains_key(ANNOTATION_TENANT)));
    }

    #[test]
    fn status_and_handle_are_one_patch_that_touches_nothing_else() {
        // TestPatchService, "attempted clusterIP change ignored": no patch of ours has a spec.
        let address = Ingress {
            ip: "1.2.3.4".into(),
            ip_mode: Some(IpMode::Proxy),
            ports: vec![
                PortStatus { port: 80, protocol: Protocol::Tcp, error: None },
                PortStatus { port: 53, protocol: Protocol::Udp, error: Some("NoListener".into()) },
            ],
            ..Ingress::default()
        };
        let name = Ingress { hostname: "lb.example".into(), ..Ingress::default() };
        let report = Report { ingress: vec![address, name], handle: "lb-1".into() };
        assert_eq!(
            body(&service(&["foo"]), &ServiceWrite::Report(&report)),
            json!({
                "metadata": {"uid": "u1", "resourceVersion": "7", "annotations": {ANNOTATION_HANDLE: "lb-1"}},
                "status": {"loadBalancer": {"ingress": [
                    {"ip": "1.2.3.4", "ipMode": "Proxy", "ports": [
                        {"port": 80, "protocol": "TCP"},
                        {"port": 53, "protocol": "UDP", "error": "NoListener"},
                    ]},
                    {"hostname": "lb.example"},
                ]}},
            })
        );
    }

    #[test]
    fn release_takes_what_is_ours_and_names_nothing_of_others() {
        // TestPatchService, "concurrent annotation change survives": only our own keys are named.
        assert_eq!(
            body(&service(&["foo", FINALIZER_LB]), &ServiceWrite::Release),
            json!({
                "metadata": {
                    "uid": "u1", "resourceVersion": "7",
                    "$deleteFromPrimitiveList/finalizers": [FINALIZER_LB],
                    "annotations": {ANNOTATION_PROVIDER: null, ANNOTATION_HANDLE: null},
                },
                "status": {"loadBalancer": {"ingress": null}},
            })
        );
    }

    async fn outcome_of(code: u16, reason: &str) -> WriteError {
        let (client, mut api) = ScriptedApi::new();
        let write =
            tokio::spawn(async move { ServiceWriter::new(client).write(&service(&[]), &ServiceWrite::Release).await });
        let call = api.next().await;
        assert_eq!((call.method.as_str(), call.path.as_str()), ("PATCH", "/api/v1/namespaces/ns/services/web/status"));
        assert!(call.query.contains("fieldManager=ccm.cloudprovider.io"), "{}", call.query);
        call.refuse(code, reason);
        write.await.expect("no panic").expect_err("refused")
    }

    #[tokio::test]
    async fn a_service_that_is_gone_or_has_changed_is_not_a_failure() {
        // TestProcessServiceCreateOrUpdateK8sError.
        for (case, code, reason, expected) in [
            ("conflict error", 409, "Conflict", "the object was changed in the meantime"),
            ("not found error", 404, "NotFound", "the object is gone"),
        ] {
            assert_eq!(outcome_of(code, reason).await.to_string(), expected, "{case}");
        }
        assert!(matches!(outcome_of(403, "Forbidden").await, WriteError::Failed(_)));
    }

    #[tokio::test]
    async fn a_recreated_service_is_another_one() {
        let (client, mut api) = ScriptedApi::new();
        let get = tokio::spawn(async move { ServiceWriter::new(client).get(&service(&[])).await });
        api.next().await.answer(200, &json!({"metadata": {"namespace": "ns", "name": "web", "uid": "u2"}}));
        assert!(matches!(get.await.expect("no panic"), Err(WriteError::Gone)));
    }
}
