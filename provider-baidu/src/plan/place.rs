//! Where a load balancer is made: VPC and subnet.

use std::{collections::BTreeSet, net::IpAddr};

use cloud_provider_api::error::Reason;
use ipnet::IpNet;

use super::Refusal;
use crate::{annotations, api::subnets::Subnet};

/// Names of subnets that are there for load balancers: of the cloud's own making, and of CCE's.
const RESERVED: [&str; 2] = ["系统预定义子网", "CCE-Reserve"];
/// The type a load balancer's subnet has to have.
const TYPE: &str = "BCC";

/// Checks the subnet an annotation names.
pub(crate) fn check_named(subnet: &Subnet) -> Result<(), Refusal> {
    if subnet.kind.is_empty() || subnet.kind == TYPE {
        return Ok(());
    }
    let problem = format!("{}: its type is {}, and load balancers need one of type BCC", subnet.id, subnet.kind);
    let field = format!("annotations[{}]", annotations::SUBNET);
    Err(Refusal::fields(Reason::AnnotationInvalid, vec![(field, problem)]))
}

/// Chooses one of a VPC's subnets. `preferred`: as the configuration or the cluster says, in that order. `members`: addresses of
/// the servers. `allowed`: those the tenant may use; none: all.
pub(crate) fn choose<'s>(
    subnets: &'s [Subnet],
    preferred: &[String],
    members: &[IpAddr],
    allowed: &BTreeSet<String>,
) -> Result<&'s Subnet, Refusal> {
    let has_room =
        |subnet: &&Subnet| subnet.available != Some(0) && (allowed.is_empty() || allowed.contains(&subnet.id));
    let configured = preferred.iter().filter_map(|id| subnets.iter().find(|subnet| subnet.id == *id)).find(has_room);
    if let Some(subnet) = configured {
        return Ok(subnet);
    }
    let fitting = || subnets.iter().filter(|subnet| subnet.kind == TYPE || subnet.kind.is_empty()).filter(has_room);
    let holds = |subnet: &Subnet| {
        let range: Option<IpNet> = subnet.cidr.parse().ok();
        range.map_or(0, |range| members.iter().filter(|member| range.contains(*member)).count())
    };
    let of_members = fitting()
        .map(|subnet| (holds(subnet), subnet))
        .filter(|(members, _)| *members > 0)
        .max_by(|(a, one), (b, other)| a.cmp(b).then_with(|| other.id.cmp(&one.id)));
    if let Some((_, subnet)) = of_members {
        return Ok(subnet);
    }
    let reserved = fitting().find(|subnet| RESERVED.contains(&subnet.name.as_str()));
    // Whichever, of those that somebody named.
    let other = || if allowed.is_empty() { None } else { fitting().next() };
    reserved.or_else(other).ok_or_else(|| Refusal::new(Reason::ReferenceMissing, none_fits(allowed)))
}

fn none_fits(allowed: &BTreeSet<String>) -> String {
    if !allowed.is_empty() {
        let all: Vec<&str> = allowed.iter().map(String::as_str).collect();
        return format!(
            "no subnet for the load balancer: none that its tenant may use ({}) is of type BCC, in the VPC, and has free addresses; an \
             administrator may allow more in the daemon's access file",
            all.join(", ")
        );
    }
    format!(
        "no subnet for the load balancer: none of type BCC with free addresses holds a member, and none is called {} or {}; set the \
         annotation {} or SubnetIds of the configuration",
        RESERVED[0],
        RESERVED[1],
        annotations::SUBNET
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(id: &str, name: &str, cidr: &str, kind: &str, available: Option<u64>) -> Subnet {
        let text = |text: &str| text.to_owned();
        Subnet { id: text(id), name: text(name), vpc_id: text("v"), cidr: text(cidr), kind: text(kind), available }
    }

    /// `TestGetVpcInfoForBLB` of the Go provider, and issues 13, 14 and 71: by annotation, by node, by reserved name.
    #[test]
    fn the_subnet_is_the_members_or_the_reserved_one() {
        let subnets = [
            subnet("s-1", "one", "10.0.1.0/24", "BCC", Some(9)),
            subnet("s-2", "two", "10.0.2.0/24", "BCC", None),
            subnet("s-3", "bare", "10.0.3.0/24", "BBC", Some(9)),
            subnet("s-4", "CCE-Reserve", "10.0.4.0/24", "BCC", Some(9)),
            subnet("s-5", "full", "10.0.5.0/24", "BCC", Some(0)),
        ];
        let of = |allowed: &[&str], preferred: &[&str], members: &[&str]| {
            let preferred: Vec<String> = preferred.iter().map(|id| (*id).to_owned()).collect();
            let members: Vec<IpAddr> = members.iter().map(|ip| ip.parse().unwrap()).collect();
            let allowed = allowed.iter().map(|id| (*id).to_owned()).collect();
            super::choose(&subnets, &preferred, &members, &allowed).unwrap().id.clone()
        };
        let choose = |preferred: &[&str], members: &[&str]| of(&[], preferred, members);
        assert_eq!(choose(&[], &["10.0.1.1", "10.0.2.1", "10.0.2.2"]), "s-2", "that of most members");
        assert_eq!(choose(&[], &["10.0.1.1", "10.0.2.1"]), "s-1", "always the same of two");
        assert_eq!(choose(&["s-5", "s-4"], &["10.0.1.1"]), "s-4", "as configured, unless it is full");
        assert_eq!(choose(&[], &["10.0.3.1"]), "s-4", "bare metal's will not do");
        assert_eq!(choose(&[], &[]), "s-4");
        assert_eq!(of(&["s-2"], &["s-1"], &["10.0.1.1"]), "s-2", "the tenant's, whoever the members are");
        assert_eq!(of(&["s-1", "s-2"], &[], &["10.0.2.1"]), "s-2");
        let refused = |allowed: &[&str]| {
            let allowed = allowed.iter().map(|id| (*id).to_owned()).collect();
            super::choose(&subnets[..3], &[], &[], &allowed).unwrap_err().message
        };
        assert!(refused(&[]).contains("SubnetIds"));
        assert!(refused(&["s-3"]).contains("s-3") && refused(&["s-3"]).contains("access file"));
        assert!(check_named(&subnets[0]).is_ok());
        assert!(check_named(&subnets[2]).unwrap_err().message.contains("BCC"));
    }
}
