//! Servers (ECS v1) and their security groups (Nova v2.1).

use std::{collections::BTreeMap, net::IpAddr};

use cloud_rest::{
    Effect, Error, Kind,
    paging::{Page, Parts, Style},
};
use provider_kit::{
    Result,
    inventory::{Servers, Shown},
};
use serde::{Deserialize, Serialize};

use super::nothing::or_default;
use crate::{
    PROVIDER,
    cloud::{Cloud, PROJECT},
    endpoints::Service,
    fault,
    nodes::{
        machine::{Address, Machine},
        provider_id,
    },
};

/// The codes by which ECS itself says that a server is not there. A 404 without one of them comes from something in between.
const NO_SUCH_SERVER: [&str; 2] = ["Ecs.0114", "itemNotFound"];
/// What a server that the cloud stopped carries.
const FROZEN: &str = "freeze";

/// A server as the cloud shows it. Everything but the id may be `null`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Server {
    id: String,
    name: Option<String>,
    status: Option<String>,
    #[serde(rename = "OS-EXT-AZ:availability_zone", deserialize_with = "or_default")]
    zone: String,
    #[serde(deserialize_with = "or_default")]
    flavor: Flavor,
    addresses: Option<BTreeMap<String, Vec<WireAddress>>>,
    #[serde(deserialize_with = "or_default")]
    metadata: Metadata,
    #[serde(deserialize_with = "or_default")]
    security_groups: Vec<SecurityGroup>,
    #[serde(deserialize_with = "or_default")]
    tags: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Flavor {
    #[serde(deserialize_with = "or_default")]
    id: String,
    #[serde(deserialize_with = "or_default")]
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireAddress {
    #[serde(deserialize_with = "or_default")]
    addr: String,
    #[serde(deserialize_with = "or_default")]
    primary: bool,
    #[serde(rename = "OS-EXT-IPS:type", deserialize_with = "or_default")]
    kind: String,
    #[serde(rename = "OS-EXT-IPS:port_id", deserialize_with = "or_default")]
    port: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "or_default")]
    vpc_id: String,
    #[serde(rename = "EcmResStatus", deserialize_with = "or_default")]
    resource_status: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SecurityGroup {
    #[serde(deserialize_with = "or_default")]
    id: String,
}

impl Server {
    /// A listing by id has an entry for an id that leads nowhere, too: with nothing but the id and a fault in it.
    fn is_there(&self) -> bool {
        self.status.is_some() || self.name.is_some() || self.addresses.is_some()
    }

    fn into_machine(self) -> Machine {
        let flavor = if self.flavor.name.is_empty() { self.flavor.id } else { self.flavor.name };
        let networks = self.addresses.unwrap_or_default();
        let addresses = networks
            .into_iter()
            .flat_map(|(network, addresses)| addresses.into_iter().filter_map(move |address| address.parse(&network)));
        Machine {
            id: self.id.to_ascii_lowercase(),
            name: self.name.unwrap_or_default(),
            status: self.status.unwrap_or_default(),
            frozen: self.metadata.resource_status == FROZEN,
            zone: self.zone,
            flavor,
            vpc: self.metadata.vpc_id,
            addresses: addresses.collect(),
            security_groups: self.security_groups.into_iter().map(|group| group.id).collect(),
            tags: self.tags,
        }
    }
}

impl WireAddress {
    fn parse(self, network: &str) -> Option<Address> {
        let ip: IpAddr = self.addr.parse().ok()?;
        let floating = self.kind == "floating";
        Some(Address { ip, network: network.to_owned(), primary: self.primary, floating, port: self.port })
    }
}

/// A page of servers.
#[derive(Debug, Deserialize)]
struct ServerPage {
    count: u64,
    servers: Vec<Server>,
}

impl Page for ServerPage {
    type Item = Server;

    fn split(self) -> Parts<Server> {
        Parts { items: self.servers, next: None, total: Some(self.count) }
    }

    fn id(item: &Server) -> &str {
        &item.id
    }
}

#[derive(Deserialize)]
struct OneServer {
    server: Server,
}

#[derive(Serialize)]
enum Action<'a> {
    #[serde(rename = "addSecurityGroup")]
    Add { name: &'a str },
    #[serde(rename = "removeSecurityGroup")]
    Remove { name: &'a str },
}

/// All servers of an account.
pub(crate) struct AllServers(pub(crate) Cloud);

impl Servers for AllServers {
    type Machine = Machine;

    const PROVIDER: &'static str = PROVIDER;
    const SCHEME: &'static str = provider_id::SCHEME;

    async fn list(&self) -> Result<Vec<Machine>> {
        let limit = u32::try_from(Self::PER_PAGE).unwrap_or(u32::MAX);
        let style = Style::Number { number: "offset", size: "limit", limit, first: 1 };
        let request = self.0.get(Service::Ecs, "ListServersDetails", &["v1", PROJECT, "cloudservers", "detail"]);
        let servers = request.list::<ServerPage>(style).await.map_err(|error| fault::of(&error))?;
        Ok(servers.into_iter().filter(Server::is_there).map(Server::into_machine).collect())
    }

    async fn by_ids(&self, ids: &[String]) -> Result<Vec<Machine>> {
        let request = self
            .0
            .get(Service::Ecs, "ListServersDetails", &["v1", PROJECT, "cloudservers", "detail"])
            .query("server_id", ids.join(","))
            .query("limit", ids.len());
        let page = request.send::<ServerPage>().await.map_err(|error| fault::of(&error))?.value;
        let asked = |server: &Server| ids.iter().any(|id| id.eq_ignore_ascii_case(&server.id));
        let there = page.servers.into_iter().filter(|server| server.is_there() && asked(server));
        Ok(there.map(Server::into_machine).collect())
    }

    async fn show(&self, id: &str) -> Result<Shown<Machine>> {
        let request = self.0.get(Service::Ecs, "ShowServer", &["v1", PROJECT, "cloudservers", id]);
        match request.send::<OneServer>().await {
            Ok(answer) if answer.value.server.id.eq_ignore_ascii_case(id) => {
                Ok(Shown::There(Box::new(answer.value.server.into_machine())))
            }
            Ok(_) => Err(fault::of(&Error::unsent("ShowServer", Kind::Garbled, "the answer is about another server"))),
            Err(error) => absence(&error).ok_or_else(|| fault::of(&error)),
        }
    }
}

/// The cloud's own word that a server is not there: its status, and its service's code.
fn absence(error: &Error) -> Option<Shown<Machine>> {
    let said = error.is_not_found()
        && error.status == Some(http::StatusCode::NOT_FOUND)
        && NO_SUCH_SERVER.contains(&error.code.as_str());
    said.then(|| Shown::Absent {
        evidence: format!("{}, request {}", error.code, error.request_id.as_deref().unwrap_or("without id")),
    })
}

impl Cloud {
    /// Puts a server's network cards into a security group. Success if they are in it.
    pub(crate) async fn add_security_group(&self, server: &str, group: &str) -> Result<(), Error> {
        self.security_group_action("NovaAssociateSecurityGroup", server, &Action::Add { name: group }).await
    }

    /// Takes a server's network cards out of a security group. Success if they are not in it, or the server is gone.
    pub(crate) async fn remove_security_group(&self, server: &str, group: &str) -> Result<(), Error> {
        let action = Action::Remove { name: group };
        match self.security_group_action("NovaDisassociateSecurityGroup", server, &action).await {
            Err(error) if error.is_not_found() || is_out_already(&error.message) => Ok(()),
            outcome => outcome,
        }
    }

    async fn security_group_action(&self, name: &'static str, server: &str, body: &Action<'_>) -> Result<(), Error> {
        let path = ["v2.1", PROJECT, "servers", server, "action"];
        self.post(Service::Ecs, name, &path).body(body).effect(Effect::RepeatableWrite).run().await.map(drop)
    }
}

fn is_out_already(message: &str) -> bool {
    ["not associated with the instance", "is not found for project"].iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "5f1e1f0e-3a75-4d3f-9a53-2f0a6f8f1a11";

    #[test]
    fn a_server_is_read_with_all_that_is_asked_about_it() {
        let wire = json!({"id": ID, "name": "node-1", "status": "ACTIVE", "OS-EXT-AZ:availability_zone": "ap-southeast-1a",
            "flavor": {"id": "c6.large.2", "name": "", "gpus": []},
            "addresses": {"vpc-1": [
                {"version": "4", "addr": "192.168.0.12", "primary": true, "OS-EXT-IPS:type": "fixed",
                 "OS-EXT-IPS:port_id": "port-1"},
                {"version": "4", "addr": "203.0.113.10", "OS-EXT-IPS:type": "floating", "OS-EXT-IPS:port_id": "port-1"}]},
            "metadata": {"vpc_id": "vpc-1", "EcmResStatus": "freeze", "charging_mode": "0"},
            "security_groups": [{"id": "sg-1", "name": "k8s"}], "tags": ["role=worker"], "fault": null, "locked": false});
        let machine = serde_json::from_value::<Server>(wire).unwrap().into_machine();
        let address = |ip: &str, primary, floating| Address {
            ip: ip.parse().unwrap(),
            network: "vpc-1".to_owned(),
            primary,
            floating,
            port: "port-1".to_owned(),
        };
        let expected = Machine {
            id: ID.to_owned(),
            name: "node-1".to_owned(),
            status: "ACTIVE".to_owned(),
            frozen: true,
            zone: "ap-southeast-1a".to_owned(),
            flavor: "c6.large.2".to_owned(),
            vpc: "vpc-1".to_owned(),
            addresses: vec![address("192.168.0.12", true, false), address("203.0.113.10", false, true)],
            security_groups: vec!["sg-1".to_owned()],
            tags: vec!["role=worker".to_owned()],
        };
        assert_eq!(machine, expected);
    }

    #[test]
    fn an_entry_with_nothing_but_its_id_is_no_server() {
        let is_there = |wire| serde_json::from_value::<Server>(wire).unwrap().is_there();
        assert!(!is_there(json!({"id": ID, "fault": {"code": 404}, "name": null, "status": null, "addresses": null})));
        assert!(is_there(json!({"id": ID, "fault": {"code": 500}, "name": "a", "status": "ERROR", "addresses": {}})));
    }

    #[test]
    fn only_the_services_own_word_is_absence() {
        let error = |kind, status: u16, code: &str| Error {
            status: http::StatusCode::from_u16(status).ok(),
            code: code.to_owned(),
            request_id: Some("req-1".to_owned()),
            ..Error::unsent("ShowServer", kind, "gone")
        };
        for (kind, status, code, expected) in [
            (Kind::NotFound, 404, "Ecs.0114", true),
            (Kind::NotFound, 404, "itemNotFound", true),
            (Kind::NotFound, 404, "Ecs.0999", false),
            (Kind::NotFound, 404, "", false),
            (Kind::NoSuchApi, 404, "APIGW.0101", false),
            (Kind::NoSuchApi, 404, "Ecs.0114", false),
            (Kind::NotFound, 400, "Ecs.0114", false),
            (Kind::PermissionDenied, 403, "Ecs.0114", false),
            (Kind::Server, 500, "Ecs.0114", false),
        ] {
            let told = absence(&error(kind, status, code));
            assert_eq!(told.is_some(), expected, "{kind:?} {status} {code}");
            if let Some(Shown::Absent { evidence }) = told {
                assert!(evidence.contains(code) && evidence.contains("req-1"), "{evidence}");
            }
        }
    }
}
