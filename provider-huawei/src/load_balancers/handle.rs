//! The cloud's ids as the caller keeps them for us: where to look, never a proof.

use std::collections::BTreeSet;

/// Ids of what may carry things of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Handle {
    /// Load balancers, the one in use first.
    pub(super) balancers: Vec<String>,
    /// A NAT gateway.
    pub(super) gateway: Option<String>,
    /// Its rules, as many as there is room for.
    pub(super) rules: Vec<String>,
}

/// Rules a handle names at most: it may have 2048 bytes.
const RULES: usize = 40;

impl Handle {
    /// What cannot be read is left out: users can write it.
    pub(super) fn parse(text: &str) -> Self {
        let mut handle = Self::default();
        let mut seen = BTreeSet::new();
        for word in text.split(',') {
            match word.split_once(':') {
                Some(("elb", id)) if is_id(id) && seen.insert(id) => handle.balancers.push(id.to_owned()),
                Some(("nat", id)) if is_id(id) => handle.gateway = Some(id.to_owned()),
                Some(("dnat", id)) if is_id(id) && handle.rules.len() < RULES => handle.rules.push(id.to_owned()),
                _ => {}
            }
        }
        handle
    }

    pub(super) fn write(&self) -> String {
        let balancers = self.balancers.iter().map(|id| format!("elb:{id}"));
        let gateway = self.gateway.iter().map(|id| format!("nat:{id}"));
        let rules = self.rules.iter().take(RULES).map(|id| format!("dnat:{id}"));
        balancers.chain(gateway).chain(rules).collect::<Vec<_>>().join(",")
    }
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_the_rest_left_out() {
        let handle = Handle {
            balancers: vec!["a-1".to_owned(), "b-2".to_owned()],
            gateway: Some("g".to_owned()),
            rules: vec!["r".to_owned()],
        };
        assert_eq!(handle.write(), "elb:a-1,elb:b-2,nat:g,dnat:r");
        assert_eq!(Handle::parse(&handle.write()), handle);
        assert_eq!(
            Handle::parse("elb:../x,elb:,elb:a,elb:a,junk,:"),
            Handle { balancers: vec!["a".to_owned()], ..Handle::default() }
        );
        assert_eq!(Handle::parse(""), Handle::default());
    }
}
