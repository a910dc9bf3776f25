//! Loopback networks of one's own.
//!
//! Machines and load balancers of the mock have addresses, and what listens there is real. So that tests in parallel
//! processes do not meet, each takes a block of 127.0.0.0/8 that it holds by a bound socket: the kernel arbitrates, and lets
//! go when the holder ends, however that happens.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use anyhow::{Context, Result};

/// Blocks of two /16 networks: 127.16 and 127.17 to 127.252 and 127.253. The first ones are left to what people run.
const BLOCKS: std::ops::RangeInclusive<u8> = 8..=126;
const HOLDER_PORT: u16 = 7000;
const CONTROL_PORT: u16 = 7001;
const PROVIDER_PORT: u16 = 7002;

/// Two networks that nobody else who asks here has, until dropped.
#[derive(Debug)]
pub struct Network {
    octet: u8,
    _holder: TcpListener,
}

impl Network {
    /// Takes the first free block.
    pub fn reserve() -> Result<Self> {
        BLOCKS
            .map(|block| block * 2)
            .find_map(|octet| {
                let holder = TcpListener::bind((host(octet), HOLDER_PORT)).ok()?;
                Some(Self { octet, _holder: holder })
            })
            .context("every block of loopback addresses is taken, or this machine has only 127.0.0.1")
    }

    /// The second part of the machines' addresses: 127.N.
    pub fn octet(&self) -> u8 {
        self.octet
    }

    /// For machines, in CIDR notation.
    pub fn machines(&self) -> String {
        format!("127.{}.0.0/16", self.octet)
    }

    /// For load balancers, in CIDR notation.
    pub fn load_balancers(&self) -> String {
        format!("127.{}.0.0/16", self.octet + 1)
    }

    /// The address of machine `number`.
    pub fn machine(&self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.octet, 1, number)
    }

    /// Where a daemon's control endpoint may listen.
    pub fn control(&self) -> SocketAddrV4 {
        SocketAddrV4::new(host(self.octet), CONTROL_PORT)
    }

    /// Where a daemon may serve the provider API over TCP.
    pub fn provider(&self) -> SocketAddrV4 {
        SocketAddrV4::new(host(self.octet), PROVIDER_PORT)
    }
}

/// The last host of the machines' network, which no machine gets.
fn host(octet: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, octet, 255, 254)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_holders_share_a_network() {
        let (one, two) = (Network::reserve().expect("reserved"), Network::reserve().expect("reserved"));
        assert_ne!(one.machines(), two.machines());
        assert_ne!(one.load_balancers(), two.machines());
    }
}
