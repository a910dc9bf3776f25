//! Ids and addresses that follow from names, so that two runs of a test see the same ones.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// A well-spread number that depends on `parts` alone, in every build and on every machine.
pub(crate) fn stable_hash(parts: &[&str]) -> u64 {
    // FNV-1a with a separator, then a finalizer so that the low bits are as good as the high ones.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    mix(hash)
}

/// The finalizer of the generator `SplitMix64`.
pub(crate) const fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A free address of `network` for the holder of `hash`: always the same one unless another holder has it, then the next.
/// The first and the last address are left out. `None`: all are taken.
pub(crate) fn free_address(network: Ipv4Net, hash: u64, taken: impl Fn(Ipv4Addr) -> bool) -> Option<Ipv4Addr> {
    let first = u64::from(u32::from(network.network())) + 1;
    let usable = (1_u64 << (32 - network.prefix_len())).checked_sub(2)?;
    (0..usable)
        .map(|step| first + (hash.wrapping_add(step)) % usable)
        .filter_map(|address| u32::try_from(address).ok())
        .map(Ipv4Addr::from)
        .find(|address| !taken(*address))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_hash_tells_parts_apart() {
        assert_ne!(stable_hash(&["ab", "c"]), stable_hash(&["a", "bc"]));
        assert_eq!(stable_hash(&["node-1"]), stable_hash(&["node-1"]));
    }

    #[test]
    fn every_holder_gets_an_address_of_its_own_until_none_is_left() {
        let network: Ipv4Net = "127.1.0.0/28".parse().unwrap();
        let mut taken = HashSet::new();
        for _ in 0..14 {
            let address = free_address(network, 3, |a| taken.contains(&a)).unwrap();
            assert!(network.contains(&address), "{address}");
            assert!(taken.insert(address), "{address} was given twice");
        }
        assert!(!taken.contains(&network.network()) && !taken.contains(&network.broadcast()));
        assert_eq!(free_address(network, 3, |a| taken.contains(&a)), None);
        let tiny: Ipv4Net = "127.1.0.0/32".parse().unwrap();
        assert_eq!(free_address(tiny, 0, |_| false), None);
    }
}
