//! Which addresses of a cloud's subnets are in use.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;

/// Addresses in use, by subnet.
#[derive(Debug, Default)]
pub struct Leases(HashMap<String, Subnet>);

#[derive(Debug, Default)]
struct Subnet {
    used: HashSet<Ipv4Addr>,
    /// Where the next free address is looked for.
    cursor: Option<u32>,
}

impl Leases {
    /// Takes an address of a subnet: the wanted one, or one that is free.
    ///
    /// # Errors
    /// Says for people why not: it is not in the subnet, it is taken, or none is free.
    pub fn take(&mut self, subnet: &str, cidr: Ipv4Net, wanted: Option<Ipv4Addr>) -> Result<Ipv4Addr, String> {
        let leases = self.0.entry(subnet.to_owned()).or_default();
        if let Some(address) = wanted {
            if !cidr.contains(&address) {
                return Err(format!("{address} is not in the subnet {cidr}"));
            }
            if !leases.used.insert(address) {
                return Err(format!("{address} is in use already"));
            }
            return Ok(address);
        }
        let (first, last) = (cidr.network().to_bits() + 1, cidr.broadcast().to_bits());
        let cursor = leases.cursor.unwrap_or(first);
        for bits in (cursor..last).chain(first..cursor) {
            let address = Ipv4Addr::from_bits(bits);
            if leases.used.insert(address) {
                leases.cursor = Some(bits + 1);
                return Ok(address);
            }
        }
        Err(format!("the subnet {cidr} has no free address"))
    }

    /// Gives an address back.
    pub fn give_back(&mut self, subnet: &str, address: Ipv4Addr) {
        if let Some(leases) = self.0.get_mut(subnet) {
            leases.used.remove(&address);
        }
    }

    /// How many addresses of a subnet are in use.
    pub fn in_use(&self, subnet: &str) -> usize {
        self.0.get(subnet).map_or(0, |leases| leases.used.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_thing_s_until_it_is_given_back() {
        let (mut leases, cidr) = (Leases::default(), "192.168.0.0/30".parse().unwrap());
        let mut take = |wanted: Option<&str>| {
            let taken = leases.take("subnet", cidr, wanted.map(|text| text.parse().unwrap()));
            taken.map(|address| address.to_string())
        };
        assert_eq!(take(Some("192.168.0.1")).unwrap(), "192.168.0.1");
        assert!(take(Some("192.168.0.1")).unwrap_err().contains("in use"));
        assert!(take(Some("192.168.0.9")).unwrap_err().contains("not in the subnet"));
        assert_eq!(take(None).unwrap(), "192.168.0.2");
        assert!(take(None).unwrap_err().contains("no free address"));
        assert_eq!((leases.in_use("subnet"), leases.in_use("another")), (2, 0));
        leases.give_back("subnet", Ipv4Addr::new(192, 168, 0, 1));
        assert_eq!(leases.take("subnet", cidr, None).unwrap(), Ipv4Addr::new(192, 168, 0, 1));
    }
}
