//! Elastic IPs.

mod http;

use std::{collections::HashSet, net::Ipv4Addr, time::Duration};

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::Serialize;

pub(super) use self::http::service;
use super::{State, calls::Tag};

/// Where addresses are taken from, one range after the other.
const POOLS: [(Ipv4Addr, u8); 2] = [(Ipv4Addr::new(203, 0, 113, 0), 24), (Ipv4Addr::new(198, 18, 0, 0), 15)];

/// The delay an elastic IP is made with, as the knobs name it.
pub(super) const CREATION: &str = "eip.create";
/// That of binding, unbinding and resizing one.
pub(super) const CHANGE: &str = "eip.change";

/// What an elastic IP is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bound {
    /// `BCC`, `BBC`, `BLB`, `NAT` or `VPN`.
    pub instance_type: String,
    /// Its id.
    pub instance_id: String,
}

/// Where an elastic IP is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It is being made.
    Creating,
    /// It is being bound to something.
    Binding,
    /// It is being taken off something.
    Unbinding,
    /// Its bandwidth is being changed.
    Updating,
    /// Nothing is under way.
    Settled,
}

/// An elastic IP.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Eip {
    /// The address, which is what callers know it by.
    pub eip: Ipv4Addr,
    /// Its id.
    pub eip_id: String,
    /// Its account.
    pub account: String,
    /// Its name.
    pub name: String,
    /// Mbit/s.
    pub bandwidth_in_mbps: u32,
    /// `Prepaid` or `Postpaid`.
    pub payment_timing: String,
    /// `ByTraffic` or `ByBandwidth`; empty when it is prepaid.
    pub billing_method: String,
    /// Until when it is paid for.
    pub expires: Option<Timestamp>,
    /// What it is bound to, or being so or taken off from.
    pub bound: Option<Bound>,
    /// Where it is on its way.
    pub phase: Phase,
    /// When it is there.
    pub due: Timestamp,
    /// Puts it out of use: `paused` and `unavailable` are such.
    pub stuck: Option<String>,
    /// Since when it is in the recycle bin.
    pub recycled: Option<Timestamp>,
    /// Kind of network, such as `BGP`.
    pub route_type: String,
    /// Whether it cannot be released.
    pub delete_protect: bool,
    /// Tags.
    pub tags: Vec<Tag>,
    /// When it was made.
    pub created: Timestamp,
}

impl Eip {
    /// Its state, as the API has it.
    pub fn status(&self) -> &str {
        match (&self.stuck, self.phase) {
            (Some(stuck), _) => stuck,
            (None, Phase::Creating) => "creating",
            (None, Phase::Binding) => "binding",
            (None, Phase::Unbinding) => "unbinding",
            (None, Phase::Updating) => "updating",
            (None, Phase::Settled) if self.bound.is_some() => "binded",
            (None, Phase::Settled) => "available",
        }
    }

    /// Whether traffic to it reaches what it is bound to.
    pub fn leads_to(&self, instance: &str) -> bool {
        let bound = self.bound.as_ref().is_some_and(|bound| bound.instance_id == instance);
        bound && self.recycled.is_none() && matches!(self.phase, Phase::Settled | Phase::Updating)
    }
}

impl State {
    /// Adds an elastic IP with an address that is free, or the wanted one; answers the address.
    ///
    /// # Errors
    /// Says for people why not.
    pub fn add_eip(&mut self, now: Timestamp, new: Eip, wanted: Option<Ipv4Addr>) -> Result<Ipv4Addr, String> {
        let used: HashSet<_> = self.eips.iter().map(|eip| eip.eip).collect();
        let mut free = POOLS
            .iter()
            .filter_map(|(start, length)| Ipv4Net::new(*start, *length).ok())
            .flat_map(|pool| pool.hosts())
            .filter(|address| !used.contains(address));
        let eip = match wanted {
            Some(address) if used.contains(&address) => return Err(format!("{address} is in use already")),
            Some(address) => address,
            None => free.next().ok_or("no public address is free")?,
        };
        let eip_id = self.new_id("ip");
        self.eips.insert(now, &eip.to_string(), Eip { eip, eip_id, ..new });
        Ok(eip)
    }

    /// The address outside of a machine or load balancer; empty when it has none.
    pub(super) fn public_ip_of(&self, instance: &str) -> String {
        let bound = self.eips.iter().find(|eip| eip.leads_to(instance));
        bound.map(|eip| eip.eip.to_string()).unwrap_or_default()
    }

    /// Frees the elastic IPs of something that is gone.
    pub(super) fn free_eips_of(&mut self, now: Timestamp, instance: &str) {
        let of = |eip: &&Eip| eip.bound.as_ref().is_some_and(|bound| bound.instance_id == instance);
        let bound: Vec<_> = self.eips.iter().filter(of).map(|eip| eip.eip.to_string()).collect();
        for eip in bound {
            if let Some(eip) = self.eips.change(now, &eip) {
                (eip.bound, eip.phase, eip.due) = (None, Phase::Settled, now);
            }
        }
    }

    /// Brings about what is due.
    pub(super) fn settle_eips(&mut self, now: Timestamp) {
        let due = |eip: &&Eip| eip.phase != Phase::Settled && eip.due <= now;
        let due: Vec<_> = self.eips.iter().filter(due).map(|eip| (eip.eip.to_string(), eip.due)).collect();
        for (eip, at) in due {
            let Some(eip) = self.eips.change(at, &eip) else { continue };
            if eip.phase == Phase::Unbinding {
                eip.bound = None;
            }
            eip.phase = Phase::Settled;
        }
    }
}

/// How long a month is that is paid for.
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
