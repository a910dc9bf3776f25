//! The ports of nodes' network cards: they have to be told which pod networks they carry.

use futures::{StreamExt as _, stream};
use ipnet::IpNet;
use provider_kit::{
    Error, Result,
    inventory::{Answer, Outcome, Question},
};

use cloud_provider_api::error::Reason;

use super::pass::destination;
use crate::{
    PROVIDER,
    accounts::Account,
    api::vpc::AddressPair,
    cloud::Cloud,
    fault,
    nodes::machine::Machine,
    routes::{
        pairs,
        plan::{Change, TO_SERVER, network},
    },
};

/// Ports seen to at once.
const AT_ONCE: usize = 4;

/// Sees to the ports behind `changes`, one outcome each, in order: a port carries a network before there is a route to it, and
/// no longer than there is one. Two changes of one port come after each other.
pub(super) async fn prepare(account: &Account, cloud: &Cloud, changes: &[(usize, Change)]) -> Vec<Result<()>> {
    let questions: Vec<Question<'_>> =
        changes.iter().map(|(_, change)| Question::Id(destination(change).nexthop.to_ascii_lowercase())).collect();
    let servers = account.inventory.look_up(&questions, None).await;
    let ports: Vec<Result<Option<String>>> =
        changes.iter().zip(servers).map(|((_, change), server)| port(change, server)).collect();
    let mut by_port: Vec<(String, Vec<usize>)> = Vec::new();
    let mut outcomes: Vec<Result<()>> = vec![Ok(()); changes.len()];
    for (index, port) in ports.into_iter().enumerate() {
        match port {
            Ok(None) => {}
            Err(error) => outcomes[index] = Err(error),
            Ok(Some(port)) => match by_port.iter_mut().find(|(known, _)| *known == port) {
                Some((_, indices)) => indices.push(index),
                None => by_port.push((port, vec![index])),
            },
        }
    }
    let done = stream::iter(by_port).map(async |(port, indices)| {
        let of_port: Vec<&Change> = indices.iter().map(|index| &changes[*index].1).collect();
        let outcome = settle(cloud, &port, &of_port).await;
        (indices, outcome)
    });
    for (indices, outcome) in done.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await {
        for index in indices {
            outcomes[index].clone_from(&outcome);
        }
    }
    outcomes
}

/// The port a change is about. `None`: there is nothing to be done, as the server of a route that goes is gone or unknown.
fn port(change: &Change, server: Result<Answer<Machine>>) -> Result<Option<String>> {
    if destination(change).kind != TO_SERVER {
        return Ok(None);
    }
    let goes = matches!(change, Change::Delete(_));
    match server.map(|answer| answer.outcome) {
        Ok(Outcome::Found(machine)) => match machine.primary_port() {
            Some(port) => Ok(Some(port.to_owned())),
            None if goes => Ok(None),
            None => {
                let message = format!("server {} shows no network card yet", machine.id);
                Err(Error::cloud(PROVIDER, Reason::ReferenceMissing, message))
            }
        },
        Ok(Outcome::Absent { .. } | Outcome::Unidentified(_)) if goes => Ok(None),
        Ok(Outcome::Absent { evidence }) => {
            let message = format!("the route's server is gone ({evidence})");
            Err(Error::cloud(PROVIDER, Reason::ReferenceMissing, message))
        }
        Ok(Outcome::Unidentified(why)) => Err(Error::cloud(PROVIDER, Reason::InstanceUnidentified, why.to_string())),
        Err(error) => Err(error),
    }
}

/// Brings one port to what its changes ask for. A write only if something changes.
async fn settle(cloud: &Cloud, port: &str, changes: &[&Change]) -> Result<()> {
    let known = match cloud.address_pairs(port).await {
        Ok(known) => known,
        // A card that is gone carries nothing.
        Err(error) if error.is_not_found() && changes.iter().all(|change| matches!(change, Change::Delete(_))) => {
            return Ok(());
        }
        Err(error) => return Err(fault::of(&error)),
    };
    let wanted = wanted(&known, changes);
    if wanted == known {
        return Ok(());
    }
    cloud.set_address_pairs(port, &wanted).await.map_err(|error| fault::of(&error))
}

fn wanted(known: &[AddressPair], changes: &[&Change]) -> Vec<AddressPair> {
    let mut pairs = known.to_vec();
    for change in changes {
        let Some(network) = network(&destination(change).destination) else { continue };
        match change {
            Change::Delete(_) => pairs.retain(|pair| !pairs::is_for(&pair.ip_address, network)),
            Change::Add(_) | Change::Modify(_) if carries(&pairs, network) => {}
            Change::Add(_) | Change::Modify(_) => {
                pairs.push(AddressPair { ip_address: network.to_string(), mac_address: None });
            }
        }
    }
    pairs
}

fn carries(pairs: &[AddressPair], network: IpNet) -> bool {
    pairs::carries(pairs.iter().map(|pair| pair.ip_address.as_str()), network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::plan::TableRoute;

    fn route(destination: &str) -> TableRoute {
        TableRoute {
            kind: TO_SERVER.to_owned(),
            destination: destination.to_owned(),
            nexthop: "s".to_owned(),
            description: "k8s:c:a".to_owned(),
        }
    }

    fn check(known: &[&str], changes: &[Change], expected: &[&str]) {
        let pair = |ip: &&str| AddressPair { ip_address: (*ip).to_owned(), mac_address: None };
        let known: Vec<_> = known.iter().map(pair).collect();
        let wanted = wanted(&known, &changes.iter().collect::<Vec<_>>());
        assert_eq!(wanted.iter().map(|pair| pair.ip_address.as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_port_keeps_what_others_gave_it() {
        let add = || Change::Add(route("10.244.3.0/24"));
        let delete = || Change::Delete(route("10.244.3.0/24"));
        check(&[], &[add()], &["10.244.3.0/24"]);
        check(&["192.168.0.9"], &[add()], &["192.168.0.9", "10.244.3.0/24"]);
        check(&["10.244.0.0/16"], &[add()], &["10.244.0.0/16"]);
        check(&["192.168.0.9", "10.244.3.0/24"], &[delete()], &["192.168.0.9"]);
        check(&["10.244.0.0/16"], &[delete()], &["10.244.0.0/16"]);
        check(&["1.1.1.1/0"], &[delete(), add()], &["1.1.1.1/0"]);
    }
}
