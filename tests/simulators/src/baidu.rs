//! Baidu AI Cloud, as far as a cloud provider sees it.
#![allow(clippy::unnecessary_wraps, reason = "handlers are alike, whether they can refuse or not")]

pub mod accounts;
mod bbc;
mod bcc;
pub mod bec;
pub mod blb;
mod calls;
pub mod cce;
pub mod ccr;
pub mod eip;
mod errors;
pub mod iam;
pub mod machines;
pub mod metadata;
pub mod network;
mod operations;
mod private;
mod routes;
mod seed;
mod sign;
pub mod state;
mod sts;
mod tags;

use std::{net::IpAddr, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

pub use self::{
    calls::Tag,
    seed::{Fleet, NewMachine, Seed},
    state::State,
};
use crate::engine::{
    Answer, Caller, Cloud, Frontend, Knobs, Place, Problem, Request, Running, Service, Settings, Target,
};

/// The cloud's description: a region of it, and the domain its hosts are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baidu {
    /// The region, such as `bj`.
    pub region: String,
    /// The domain: hosts are `{service}.{region}.{domain}`.
    pub domain: String,
}

impl Default for Baidu {
    fn default() -> Self {
        Self { region: "bj".to_owned(), domain: "baidubce.com".to_owned() }
    }
}

/// Services with a host in each region.
const REGIONAL: [&str; 6] = ["bcc", "bbc", "blb", "eip", "cce", "ccr"];
/// Services whose only host is in one region.
const CENTRAL: [(&str, &str); 2] = [("sts", "bj"), ("iam", "bj")];
/// Services whose host names no region.
const GLOBAL: [&str; 2] = ["bec", "tag"];
/// The label of the gateway's host.
const GATEWAY: &str = "cce-gateway";

impl Baidu {
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
        let there = match name.split_once('.') {
            Some((label, region)) => {
                (region == self.region && REGIONAL.contains(&label)) || CENTRAL.contains(&(label, region))
            }
            None => GLOBAL.contains(&name),
        };
        there.then(|| name.split_once('.').map_or(name, |(label, _)| label))
    }

    /// Where a request is to be passed on to by the gateway that signs; `None`: it is not the gateway's.
    fn through_gateway<'r>(&self, request: &'r Request) -> Option<&'r str> {
        let named = request.header("cce-remote-host");
        let host = request.host_name();
        if host == format!("{GATEWAY}.{}.{}", self.region, self.domain) {
            return Some(named.unwrap_or_default());
        }
        // At an address, the header makes the difference.
        named.filter(|_| is_address(host))
    }
}

fn is_address(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// A host without its port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

impl Cloud for Baidu {
    type State = State;

    fn services(&self) -> Vec<Service<State>> {
        let mut services = vec![bcc::service(), network::service(), routes::service(), eip::service(), bbc::service()];
        services.extend(blb::services());
        services.extend([
            cce::v1(),
            cce::v2(),
            ccr::personal(),
            ccr::service(),
            ccr::docker(),
            sts::service(),
            iam::service(),
        ]);
        services.extend([metadata::service(), private::service(), tags::service()]);
        // Last: where no host tells, paths that others have, too, are theirs.
        services.extend([bec::machines(), bec::load_balancers(), blb::at_edge()]);
        services
    }

    fn locate(&self, request: &Request, has: &dyn Fn(&str) -> bool) -> Place {
        let host = self.through_gateway(request).map_or(request.host_name(), without_port);
        if let Some(label) = self.label(host) {
            return Place::Host { label: label.to_owned(), prefix: 0 };
        }
        if !is_address(host) {
            return Place::Nowhere;
        }
        // An address may stand for one service, with the label as the first segment of the path; the private cloud has such a prefix
        // for all of its services.
        let first = request.path.split('/').nth(1).unwrap_or_default();
        if has(first) { Place::Host { label: first.to_owned(), prefix: first.len() + 1 } } else { Place::Anywhere }
    }

    fn names(&self) -> Vec<String> {
        let Self { region, domain } = self;
        let mut names = vec![format!("*.{region}.{domain}"), format!("*.{domain}")];
        names.extend(CENTRAL.map(|(label, region)| format!("{label}.{region}.{domain}")));
        names
    }

    fn knobs(&self) -> Knobs {
        let (long, short) = (Duration::from_millis(100), Duration::from_millis(50));
        Knobs::with(
            &[(blb::CREATION, long), (blb::CHANGE, short), (eip::CREATION, long), (eip::CHANGE, short)],
            &[
                ("blbs", 60),
                ("listeners_per_blb", 50),
                ("backends_per_blb", 50),
                ("server_groups_per_blb", 50),
                ("ip_groups_per_blb", 50),
                ("members_per_ip_group", 50),
                ("checks_per_group", 20),
                ("policies_per_listener", 10),
                ("eips", 100),
                ("eip_bandwidth_in_mbps", 1000),
                ("route_rules_per_table", 50),
            ],
        )
    }

    fn authenticate(
        &self,
        state: &mut State,
        request: &Request,
        target: Target<'_>,
        now: Timestamp,
    ) -> Result<Caller, Problem> {
        accounts::authenticate(state, request, target, self.through_gateway(request).is_some(), now)
    }

    fn recall(
        &self,
        state: &mut State,
        caller: &Caller,
        request: &Request,
        target: Target<'_>,
        now: Timestamp,
    ) -> Result<Option<Answer>, Problem> {
        state.tokens.recall(caller, target.service, request, now)
    }

    fn remember(
        &self,
        state: &mut State,
        caller: &Caller,
        request: &Request,
        target: Target<'_>,
        answer: &Answer,
        now: Timestamp,
    ) {
        state.tokens.remember(caller, target.service, request, answer, now);
    }

    fn refuse(&self, problem: &Problem, request_id: &str) -> Answer {
        errors::common(problem, request_id)
    }

    fn finish(&self, answer: Answer, request_id: &str) -> Answer {
        answer.with_header("x-bce-request-id", request_id)
    }

    fn settle(&self, state: &mut State, now: Timestamp) {
        state.settle_eips(now);
    }

    fn frontends(&self, state: &State) -> Vec<Frontend> {
        state.frontends()
    }

    fn seed(&self, state: &mut State, objects: Value) -> Result<Value, String> {
        let seed: Seed = serde_json::from_value(objects).map_err(|error| error.to_string())?;
        serde_json::to_value(state.seed(seed)?).map_err(|error| error.to_string())
    }

    fn operate(&self, state: &mut State, what: &str, with: Value, now: Timestamp) -> Result<Value, String> {
        operations::operate(state, what, with, now)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method};

    use super::*;

    fn place(host: &str, path: &str, remote: Option<&str>) -> Place {
        let mut headers = HeaderMap::new();
        if let Some(remote) = remote {
            headers.insert("cce-remote-host", remote.parse().unwrap());
        }
        let request = Request {
            tls: false,
            method: Method::GET,
            host: host.to_owned(),
            path: path.to_owned(),
            query: Vec::new(),
            headers,
            body: Bytes::new(),
        };
        Baidu::default().locate(&request, &|label| ["blb", "internal-api"].contains(&label))
    }

    #[test]
    fn a_request_finds_its_service_by_host_gateway_or_prefix() {
        let at = |label: &str, prefix| Place::Host { label: label.to_owned(), prefix };
        for (host, path, remote, expected) in [
            ("blb.bj.baidubce.com", "/v1/blb", None, at("blb", 0)),
            ("blb.bj.baidubce.com:443", "/v1/blb", None, at("blb", 0)),
            ("blb.gz.baidubce.com", "/v1/blb", None, Place::Nowhere),
            ("blb.baidubce.com", "/v1/blb", None, Place::Nowhere),
            ("vpc.bj.baidubce.com", "/v1/vpc", None, Place::Nowhere),
            ("sts.bj.baidubce.com", "/v1/credential", None, at("sts", 0)),
            ("bec.baidubce.com", "/v1/blb", None, at("bec", 0)),
            ("cce-gateway.bj.baidubce.com", "/v1/blb", Some("blb.bj.baidubce.com"), at("blb", 0)),
            ("cce-gateway.bj.baidubce.com", "/v1/blb", None, Place::Nowhere),
            ("cce-gateway.bj.baidubce.com", "/v1/blb", Some("blb.gz.baidubce.com"), Place::Nowhere),
            ("127.0.0.1:80", "/v1/blb", Some("blb.bj.baidubce.com:443"), at("blb", 0)),
            ("blb.bj.baidubce.com", "/v1/blb", Some("eip.bj.baidubce.com"), at("blb", 0)),
            ("127.0.0.1:80", "/blb/v1/blb", None, at("blb", 4)),
            ("127.0.0.1:80", "/internal-api/v1/blb", None, at("internal-api", 13)),
            ("127.0.0.1:80", "/v1/blb", None, Place::Anywhere),
            ("somewhere.else", "/v1/blb", None, Place::Nowhere),
        ] {
            assert_eq!(place(host, path, remote), expected, "{host}{path} for {remote:?}");
        }
    }
}
