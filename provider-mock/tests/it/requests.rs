//! Well-formed requests, and short ways to make them.

use std::collections::HashMap;

use cloud_provider_api::v1::{
    self, delete_load_balancer_response::Outcome, instance_result::Answer, instances_server::Instances as _,
    load_balancer_state::Phase, load_balancers_server::LoadBalancers as _,
};
use futures::{StreamExt as _, TryStreamExt as _};
use provider_mock::{MockProvider, scenario::Scenario};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

pub(crate) fn provider(scenario: &str) -> MockProvider {
    MockProvider::new(Scenario::parse(scenario).unwrap())
}

pub(crate) fn cluster() -> v1::Cluster {
    v1::Cluster { id: "cluster-1".to_owned(), name: "test".to_owned() }
}

pub(crate) fn node(name: &str, provider_id: &str) -> v1::NodeReference {
    v1::NodeReference {
        node_name: name.to_owned(),
        node_uid: format!("uid-of-{name}"),
        provider_id: provider_id.to_owned(),
        addresses: Vec::new(),
        annotations: HashMap::new(),
    }
}

pub(crate) async fn batch(
    provider: &MockProvider,
    nodes: Vec<v1::NodeReference>,
) -> Result<Vec<v1::InstanceResult>, Status> {
    let request = v1::BatchGetInstancesRequest { cluster: Some(cluster()), nodes, max_age: None };
    Ok(provider.batch_get_instances(Request::new(request)).await?.into_inner().results)
}

pub(crate) async fn look_up(provider: &MockProvider, name: &str, provider_id: &str) -> Answer {
    batch(provider, vec![node(name, provider_id)]).await.unwrap().pop().unwrap().answer.unwrap()
}

pub(crate) async fn found(provider: &MockProvider, name: &str, provider_id: &str) -> v1::Instance {
    match look_up(provider, name, provider_id).await {
        Answer::Found(instance) => instance,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn key(service: &str) -> v1::LoadBalancerKey {
    v1::LoadBalancerKey {
        cluster: Some(cluster()),
        service_namespace: "default".to_owned(),
        service_name: service.to_owned(),
        service_uid: format!("uid-of-{service}"),
        ..v1::LoadBalancerKey::default()
    }
}

pub(crate) fn port(number: u32) -> v1::ServicePort {
    v1::ServicePort {
        name: format!("port-{number}"),
        protocol: v1::Protocol::Tcp.into(),
        port: number,
        node_port: Some(30_000 + number % 1000),
        ..v1::ServicePort::default()
    }
}

pub(crate) fn members(nodes: &[(&str, &str)]) -> v1::Members {
    let member = |(name, ip): &(&str, &str)| v1::NodeMember {
        node_name: (*name).to_owned(),
        addresses: vec![v1::NodeAddress { r#type: v1::AddressType::InternalIp.into(), address: (*ip).to_owned() }],
        ..v1::NodeMember::default()
    };
    v1::Members { nodes: nodes.iter().map(member).collect(), endpoints: Vec::new() }
}

pub(crate) fn ensure_request(service: &str) -> v1::EnsureLoadBalancerRequest {
    v1::EnsureLoadBalancerRequest {
        key: Some(key(service)),
        spec: Some(v1::LoadBalancerSpec { ports: vec![port(80)], ..v1::LoadBalancerSpec::default() }),
        members: Some(members(&[("a", "127.2.0.1")])),
        spec_hash: "hash-1".to_owned(),
    }
}

pub(crate) async fn ensure_with(
    provider: &MockProvider,
    request: v1::EnsureLoadBalancerRequest,
) -> Result<v1::LoadBalancerState, Status> {
    Ok(provider.ensure_load_balancer(Request::new(request)).await?.into_inner().state.unwrap())
}

pub(crate) async fn ensure(provider: &MockProvider, service: &str) -> Result<v1::LoadBalancerState, Status> {
    ensure_with(provider, ensure_request(service)).await
}

pub(crate) async fn get(provider: &MockProvider, service: &str) -> Result<v1::LoadBalancerState, Status> {
    let request = v1::GetLoadBalancerRequest { key: Some(key(service)), annotations: HashMap::new() };
    Ok(provider.get_load_balancer(Request::new(request)).await?.into_inner().state.unwrap())
}

pub(crate) async fn delete(provider: &MockProvider, service: &str) -> Result<Outcome, Status> {
    let request = v1::DeleteLoadBalancerRequest { key: Some(key(service)), annotations: HashMap::new() };
    Ok(provider.delete_load_balancer(Request::new(request)).await?.into_inner().outcome.unwrap())
}

pub(crate) async fn list(provider: &MockProvider, tenant: &str) -> Vec<v1::ListLoadBalancersResponse> {
    let request = v1::ListLoadBalancersRequest { cluster: Some(cluster()), tenant: tenant.to_owned() };
    let stream = provider.list_load_balancers(Request::new(request)).await.unwrap().into_inner();
    stream.map(|message| message).try_collect().await.unwrap()
}

pub(crate) fn ready(state: v1::LoadBalancerState) -> v1::Ready {
    match state.phase {
        Some(Phase::Ready(ready)) => ready,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn in_progress(state: v1::LoadBalancerState) -> v1::InProgress {
    match state.phase {
        Some(Phase::InProgress(in_progress)) => in_progress,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// The fields a refused request names.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}
