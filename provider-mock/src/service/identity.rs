//! Who the daemon is.

use cloud_provider_api::{
    error::Reason,
    v1::{self, identity_server::Identity},
};
use tonic::{Request, Response, Status};

use super::{Call, Refusal, Who, check::Checker};
use crate::{MockProvider, provider::capabilities, scenario::Scenario};

#[tonic::async_trait]
impl Identity for MockProvider {
    async fn handshake(
        &self,
        request: Request<v1::HandshakeRequest>,
    ) -> Result<Response<v1::HandshakeResponse>, Status> {
        let (call, request) = Call::of("Handshake", request);
        let who = call.who();
        let work = async { shake_hands(&self.cloud().scenario(), &who, &request) };
        let mut answer = self.answer(call, work).await?;
        // Read last: a rule may have renewed it during this very call.
        answer.epoch = self.epoch();
        Ok(Response::new(answer))
    }

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let (call, _) = Call::of("GetStatus", request);
        let now = self.cloud().now();
        let condition = |kind: &str, message: &str| v1::Condition {
            r#type: kind.to_owned(),
            status: Some(true),
            reason: "Simulated".to_owned(),
            message: message.to_owned(),
            last_transition: None,
        };
        let work = async {
            Ok(v1::GetStatusResponse {
                epoch: self.epoch(),
                conditions: vec![
                    condition("CredentialsValid", "the simulated cloud asks for none"),
                    condition("CloudReachable", "the simulated cloud is in this process"),
                ],
                last_cloud_success: Some(now.into()),
                credentials_valid_until: None,
                throttled_for: None,
            })
        };
        self.answer(call, work).await.map(Response::new)
    }
}

fn shake_hands(
    scenario: &Scenario,
    who: &Who,
    request: &v1::HandshakeRequest,
) -> Result<v1::HandshakeResponse, Refusal> {
    let provider = &scenario.provider;
    let mut checker = Checker::default();
    checker.text("controller_name", &request.controller_name, 1..=253);
    if request.cluster.is_some() {
        checker.cluster("cluster", request.cluster.as_ref());
    }
    checker.finish()?;
    if request.cluster.is_some() {
        who.cluster(request.cluster.as_ref())?;
    }
    let tenants = who.tenants(scenario);
    let mut capabilities = capabilities(scenario);
    if !tenants.is_empty() && scenario.provider.capabilities.is_none() && scenario.tenants.is_empty() {
        capabilities.push(v1::Capability::Tenants);
    }
    let api_minor =
        request.api_minors.iter().copied().filter(|minor| provider.api_minors.contains(minor)).max().ok_or_else(
            || {
                let message = format!(
                    "no minor of cloudprovider.v1 in common: caller {:?}, daemon {:?}; update the older side",
                    request.api_minors, provider.api_minors
                );
                Refusal::new(Reason::ApiVersion, message)
            },
        )?;
    let accounts = scenario.accounts();
    Ok(v1::HandshakeResponse {
        provider_name: provider.name.clone(),
        provider_version: env!("CARGO_PKG_VERSION").to_owned(),
        api_minor,
        epoch: String::new(),
        provider_id_schemes: provider.schemes().to_vec(),
        accounts: accounts.into_iter().map(|account| v1::Account { id: account.id, region: account.region }).collect(),
        capabilities: capabilities.into_iter().map(i32::from).collect(),
        limits: Some(v1::Limits {
            max_instances: Some(provider.max_instances),
            max_routes: Some(provider.max_routes),
            max_members: Some(provider.max_members),
            load_balancer_concurrency: Some(provider.load_balancer_concurrency),
        }),
        annotation_prefixes: provider.annotation_prefixes.clone(),
        tenants,
        node_selector_annotations: provider.node_selector_annotations.clone(),
    })
}
