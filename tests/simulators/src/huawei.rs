//! Huawei Cloud, as far as a cloud provider sees it.
#![allow(clippy::unnecessary_wraps, reason = "handlers are alike, whether they can refuse or not")]

pub mod accounts;
pub mod cce;
mod ecs;
mod eip;
mod eip_v3;
pub mod elb;
pub mod errors;
mod iam;
pub mod metadata;
pub mod nat;
pub mod network;
pub mod publicips;
mod route_tables;
mod security_groups;
mod seed;
pub mod server;
mod sign;
pub mod state;
mod swr;
pub mod tags;
mod vpc;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use self::errors::gateway;
pub use self::{
    seed::{Fleet, NewServer, Seed},
    state::State,
};
use crate::engine::{
    Answer, Caller, Cloud, Frontend, Knobs, Place, Problem, Request, Running, Service, Settings, Target,
};

/// The cloud's description: a region of it, and the domain its hosts are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Huawei {
    /// The region, such as `ap-southeast-1`.
    pub region: String,
    /// The domain: hosts are `{service}.{region}.{domain}`.
    pub domain: String,
}

impl Default for Huawei {
    fn default() -> Self {
        Self { region: "ap-southeast-1".to_owned(), domain: "myhuaweicloud.com".to_owned() }
    }
}

/// What carries no region in its host.
const GLOBAL: [&str; 1] = ["iam"];

impl Huawei {
    /// Starts it on the runtime of the caller, with the small world of [`State::new`].
    ///
    /// # Errors
    /// When an address is taken or the CA's file cannot be written.
    pub async fn start(self, settings: Settings) -> anyhow::Result<Running<Self>> {
        let state = State::new(&self);
        Running::start(self, state, settings).await
    }

    /// The service label of a host; `None`: the cloud has no such host.
    fn label<'h>(&self, host: &'h str) -> Option<&'h str> {
        let name = host.strip_suffix(self.domain.as_str())?.strip_suffix('.')?;
        match name.split_once('.') {
            Some((label, region)) => (region == self.region).then_some(label),
            None => GLOBAL.contains(&name).then_some(name),
        }
    }
}

impl Cloud for Huawei {
    type State = State;

    fn services(&self) -> Vec<Service<State>> {
        vec![
            iam::service(),
            metadata::service(),
            ecs::service(),
            ecs::nova(),
            vpc::service(),
            vpc::neutron(),
            security_groups::service(),
            route_tables::service(),
            eip::service(),
            eip_v3::service(),
            elb::v3(),
            elb::v2(),
            elb::tags(),
            nat::service(),
            cce::service(),
            swr::service(),
        ]
    }

    fn locate(&self, request: &Request, has: &dyn Fn(&str) -> bool) -> Place {
        let host = request.host_name();
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        if let Some(label) = self.label(host) {
            return Place::Host { label: label.to_owned(), prefix: 0 };
        }
        if !address && host != "localhost" {
            return Place::Nowhere;
        }
        // An address may stand for one service, with the label as the first segment of the path.
        let first = request.path.split('/').nth(1).unwrap_or_default();
        if has(first) { Place::Host { label: first.to_owned(), prefix: first.len() + 1 } } else { Place::Anywhere }
    }

    fn names(&self) -> Vec<String> {
        vec![format!("*.{}.{}", self.region, self.domain), format!("*.{}", self.domain)]
    }

    fn knobs(&self) -> Knobs {
        Knobs::with(
            &[("publicip.create", Duration::ZERO), (elb::CREATION, Duration::ZERO), (nat::CHANGE, Duration::ZERO)],
            &[
                &[
                    ("routes_per_table", 200),
                    ("routes_per_request", 5),
                    ("publicips", 50),
                    ("security_group_rules", 5000),
                ],
                elb::QUOTAS,
            ]
            .concat(),
        )
    }

    fn authenticate(
        &self,
        state: &mut State,
        request: &Request,
        target: Target<'_>,
        now: Timestamp,
    ) -> Result<Caller, Problem> {
        accounts::authenticate(state, request, target, now)
    }

    fn refuse(&self, problem: &Problem, request_id: &str) -> Answer {
        gateway(problem, request_id)
    }

    fn finish(&self, answer: Answer, request_id: &str) -> Answer {
        answer.with_header("x-request-id", request_id)
    }

    fn settle(&self, state: &mut State, now: Timestamp) {
        state.settle_publicips(now);
    }

    fn frontends(&self, state: &State) -> Vec<Frontend> {
        let mut frontends = state.elb.frontends(|port| {
            let port = state.ports.get(port).and_then(|port| state.publicips.get(port.publicip_id.as_deref()?));
            port.map(|eip| eip.public_ip_address.into()).into_iter().collect()
        });
        frontends.extend(state.dnat_frontends());
        frontends
    }

    fn seed(&self, state: &mut State, objects: Value) -> Result<Value, String> {
        let seed: Seed = serde_json::from_value(objects).map_err(|error| error.to_string())?;
        serde_json::to_value(state.seed(seed)?).map_err(|error| error.to_string())
    }

    fn operate(&self, state: &mut State, what: &str, with: Value, now: Timestamp) -> Result<Value, String> {
        seed::operate(state, what, with, now)
    }
}
