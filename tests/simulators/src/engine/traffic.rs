//! Carries the TCP traffic of the cloud's load balancers on loopback.
//!
//! A cloud's addresses are played by addresses of 127.0.0.0/8: `a.b.c.d` by `127.N.c.d`, where N is the simulator's own, so that
//! several run side by side. Frontends and members alike: who wants to be the member 192.168.0.12 listens on 127.N.0.12.
//! An address that is on loopback anyway plays itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;
use provider_mock::traffic::{HealthCheck, Target};

/// Who may connect to a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sources {
    /// Everybody.
    #[default]
    All,
    /// Who is in one of the ranges.
    Only(Vec<IpNet>),
    /// Who is in none of the ranges.
    Not(Vec<IpNet>),
}

/// How members are asked whether they are well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Port to ask at; absent: the member's own.
    pub port: Option<u16>,
    /// Path of a `GET`; absent: it is enough that they accept.
    pub path: Option<String>,
}

/// Something to be listened on: one listener at one address of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontend {
    /// Address, as the cloud has it.
    pub address: IpAddr,
    /// TCP port.
    pub port: u16,
    /// Members that take connections, by the cloud's addresses.
    pub members: Vec<SocketAddr>,
    /// Who may connect.
    pub sources: Sources,
    /// How members are asked whether they are well.
    pub probe: Option<Probe>,
    /// For how long the connections of one client go to one member.
    pub affinity: Option<Duration>,
}

/// Members as often as their weights say, turn by turn, so that a member's share is spread over the round. Weight 0 takes no turn.
pub fn by_weight(members: &[(SocketAddr, u32)]) -> Vec<SocketAddr> {
    let weights = members.iter().map(|(_, weight)| *weight).filter(|weight| *weight > 0);
    let common = weights.reduce(common_divisor).unwrap_or(1);
    let most = members.iter().map(|(_, weight)| weight / common).max().unwrap_or_default();
    let turns = (0..most)
        .flat_map(|turn| members.iter().filter(move |(_, weight)| turn < weight / common).map(|(address, _)| *address));
    turns.collect()
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// The traffic of a cloud.
#[derive(Debug)]
pub(crate) struct Traffic {
    carrier: provider_mock::traffic::Traffic,
    stage: Stage,
    carried: BTreeMap<(IpAddr, u16), Frontend>,
}

/// Which addresses play the cloud's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stage(pub(crate) u8);

impl Stage {
    /// The address on loopback that plays an address of the cloud.
    pub(crate) fn of(self, address: IpAddr) -> IpAddr {
        let [.., c, d] = match address {
            address if address.is_loopback() => return address,
            IpAddr::V4(address) => address.octets(),
            IpAddr::V6(address) => {
                let octets = address.octets();
                [0, 0, octets[14], octets[15]]
            }
        };
        Ipv4Addr::new(127, self.0, c, d).into()
    }

    fn at(self, address: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.of(address.ip()), address.port())
    }
}

impl Traffic {
    /// On the runtime of the caller.
    pub(crate) fn on_this_runtime(stage: Stage) -> Self {
        Self { carrier: provider_mock::traffic::Traffic::on_this_runtime(), stage, carried: BTreeMap::new() }
    }

    /// Carries these frontends and no others.
    pub(crate) fn apply(&mut self, frontends: Vec<Frontend>) {
        let mut wanted: BTreeMap<_, _> =
            frontends.into_iter().map(|frontend| ((frontend.address, frontend.port), frontend)).collect();
        for (address, port) in self.carried.keys().filter(|key| !wanted.contains_key(key)) {
            self.carrier.remove(&id(*address, *port));
        }
        self.carried.retain(|key, _| wanted.contains_key(key));
        while let Some(((address, port), frontend)) = wanted.pop_first() {
            if self.carried.get(&(address, port)) == Some(&frontend)
                && self.carrier.faults(&id(address, port)).is_empty()
            {
                continue;
            }
            let target = Staged { frontend: frontend.clone(), stage: self.stage };
            let ports = BTreeSet::from([port]);
            self.carrier.carry(&id(address, port), self.stage.of(address), &ports, Arc::new(target));
            for fault in self.carrier.faults(&id(address, port)) {
                tracing::warn!(%address, port, fault = fault.message, "no traffic is carried");
            }
            self.carried.insert((address, port), frontend);
        }
    }

    /// Where a frontend can be reached.
    pub(crate) fn reach(&self, address: IpAddr, port: u16) -> Option<SocketAddr> {
        let carried = self.carried.contains_key(&(address, port)) && self.carrier.faults(&id(address, port)).is_empty();
        carried.then(|| SocketAddr::new(self.stage.of(address), port))
    }

    /// The address on loopback that plays an address of the cloud.
    pub(crate) fn played_by(&self, address: IpAddr) -> IpAddr {
        self.stage.of(address)
    }
}

fn id(address: IpAddr, port: u16) -> String {
    SocketAddr::new(address, port).to_string()
}

/// A frontend whose members are on loopback.
struct Staged {
    frontend: Frontend,
    stage: Stage,
}

impl Target for Staged {
    fn admits(&self, client: IpAddr) -> bool {
        let among = |ranges: &[IpNet]| ranges.iter().any(|range| range.contains(&client));
        match &self.frontend.sources {
            Sources::All => true,
            Sources::Only(ranges) => among(ranges),
            Sources::Not(ranges) => !among(ranges),
        }
    }

    fn members(&self, _: u16) -> Vec<SocketAddr> {
        self.frontend.members.iter().map(|member| self.stage.at(*member)).collect()
    }

    fn health_check(&self, _: u16, member: SocketAddr) -> Option<HealthCheck> {
        let probe = self.frontend.probe.as_ref()?;
        let at = SocketAddr::new(member.ip(), probe.port.unwrap_or(member.port()));
        Some(match &probe.path {
            Some(path) => HealthCheck::Http { at, path: path.clone() },
            None => HealthCheck::Tcp(at),
        })
    }

    fn client_ip_affinity(&self) -> Option<Duration> {
        self.frontend.affinity
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// A member that says its name to who connects; played by an address of the stage.
    async fn member(stage: Stage, address: &str, name: &'static str) -> SocketAddr {
        let address: IpAddr = address.parse().unwrap();
        let listener = TcpListener::bind((stage.of(address), 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(name.as_bytes()).await.unwrap();
            }
        });
        SocketAddr::new(address, port)
    }

    /// What is heard through a frontend; empty when the connection is closed at once.
    async fn heard(at: SocketAddr) -> String {
        let mut said = String::new();
        TcpStream::connect(at).await.unwrap().read_to_string(&mut said).await.unwrap();
        said
    }

    #[tokio::test]
    async fn connections_reach_members_by_the_clouds_addresses() {
        let stage = Stage(231);
        let mut traffic = Traffic::on_this_runtime(stage);
        let (a, b) = (member(stage, "192.168.0.12", "a").await, member(stage, "192.168.0.13", "b").await);
        let address: IpAddr = "203.0.113.20".parse().unwrap();
        let frontend = Frontend {
            address,
            port: 8080,
            members: vec![a],
            sources: Sources::All,
            probe: Some(Probe { port: None, path: None }),
            affinity: None,
        };
        traffic.apply(vec![frontend.clone()]);
        let at = traffic.reach(address, 8080).unwrap();
        assert_eq!(at.to_string(), "127.231.113.20:8080");
        assert_eq!(heard(at).await, "a");
        traffic.apply(vec![Frontend { members: vec![b], ..frontend.clone() }]);
        assert_eq!(heard(at).await, "b");
        let elsewhere = Sources::Only(vec!["198.51.100.0/24".parse().unwrap()]);
        traffic.apply(vec![Frontend { sources: elsewhere, ..frontend.clone() }]);
        assert_eq!(heard(at).await, "", "who is in none of the ranges is not let in");
        let other = Frontend { port: 8081, ..frontend };
        traffic.apply(vec![other]);
        assert_eq!(traffic.reach(address, 8080), None);
        assert!(TcpStream::connect(at).await.is_err());
    }

    #[test]
    fn weights_are_turns_of_a_round() {
        let [a, b, c] = [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        assert_eq!(by_weight(&[(a, 100), (b, 50), (c, 0)]), [a, b, a]);
        assert_eq!(by_weight(&[(a, 0)]), []);
        assert_eq!(by_weight(&[]), []);
    }

    #[test]
    fn an_address_of_the_cloud_is_played_on_loopback() {
        for (address, player) in [
            ("192.168.0.12", "127.99.0.12"),
            ("203.0.113.7", "127.99.113.7"),
            ("127.0.0.5", "127.0.0.5"),
            ("fd00::102", "127.99.1.2"),
        ] {
            assert_eq!(Stage(99).of(address.parse().unwrap()).to_string(), player, "{address}");
        }
    }
}
