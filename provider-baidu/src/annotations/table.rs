//! The table.

use super::{
    Settings,
    values::{self, Parsed},
};
use crate::api::balancers::Kind;

/// One annotation.
pub(super) struct Annotation {
    /// Its key.
    pub(super) key: &'static str,
    /// What may be written.
    pub(super) values: &'static str,
    /// What holds without it.
    pub(super) default: &'static str,
    /// What it does.
    pub(super) effect: &'static str,
    /// Takes a value in; the error is the remedy.
    pub(super) read: fn(&str, &mut Settings) -> Parsed<()>,
}

macro_rules! lb {
    ($suffix:literal) => {
        concat!("service.beta.kubernetes.io/cce-load-balancer-", $suffix)
    };
}

macro_rules! eip {
    ($suffix:literal) => {
        concat!("service.beta.kubernetes.io/cce-elastic-ip-", $suffix)
    };
}

pub(crate) const BACKEND_LABEL: &str = lb!("backend-label");
pub(crate) const ID: &str = lb!("id");
pub(crate) const EXIST_ID: &str = lb!("exist-id");
pub(crate) const RESERVATION: &str = eip!("reservation-length");
pub(crate) const PAYMENT: &str = eip!("payment-timing");
pub(crate) const BILLING: &str = eip!("billing-method");
pub(crate) const BANDWIDTH: &str = eip!("bandwidth-in-mbps");
pub(crate) const SUBNET: &str = lb!("subnet-id");
pub(crate) const TYPE: &str = lb!("type");

/// The Go provider takes `true` for yes and everything else for no.
fn yes(value: &str) -> bool {
    value == "true"
}

pub(super) static TABLE: &[Annotation] = &[
    Annotation {
        key: ID,
        values: "id of a BLB, AppBLB or BEC load balancer",
        default: "one is made",
        effect: "Uses this load balancer. One that the Go provider or CCE made for this Service, by its name or description, is taken \
                 over and goes with the Service. Any other stays the user's: it is never deleted, and only listeners, servers and \
                 addresses of this Service are changed on it.",
        read: |value, settings| values::id(value).map(|id| settings.id = Some(id)),
    },
    Annotation {
        key: EXIST_ID,
        values: "id of a load balancer of the user's",
        default: "one is made",
        effect: "The older name of `cce-load-balancer-id` for a load balancer of the user's, and wins over it. Implies `reserve-lb`. \
                 A port that somebody else's listener has is refused.",
        read: |value, settings| values::id(value).map(|id| settings.exist_id = Some(id)),
    },
    Annotation {
        key: lb!("cce-add-id"),
        values: "written by the Go provider",
        default: "none",
        effect: "The load balancer the Go provider made: a hint where to look. Whether it is this Service's, its name and description \
                 tell.",
        read: |value, settings| values::id(value).map(|id| settings.added_id = Some(id)),
    },
    Annotation {
        key: lb!("cce-add-eip"),
        values: "written by the Go provider",
        default: "none",
        effect: "The address the Go provider made: a hint. Whether it is this Service's, the load balancer's description tells.",
        read: |value, settings| values::address(value).map(|ip| settings.added_eip = Some(ip)),
    },
    Annotation {
        key: TYPE,
        values: "`blb`, `appblb`, `bec`",
        default: "`blb`; with profile `edge`, `bec`",
        effect: "Which kind is made. The Go provider knows only the first. Read when the load balancer is made.",
        read: |value, settings| {
            let kind = match value {
                "blb" => Kind::Plain,
                "appblb" => Kind::App,
                "bec" => Kind::Edge,
                _ => return Err("write blb, appblb or bec".to_owned()),
            };
            settings.kind = Some(kind);
            Ok(())
        },
    },
    Annotation {
        key: lb!("lb-name"),
        values: "at most 65 letters, digits, `-`, `_`, `/` and `.`, a letter first",
        default: "`CCE/SVC/<ClusterId>/<namespace>/<name>`, shortened where that is longer than 65",
        effect: "Name of the load balancer that is made.",
        read: |value, settings| values::name(value).map(|name| settings.name = Some(name)),
    },
    Annotation {
        key: lb!("internal-vpc"),
        values: "`true`; anything else is no",
        default: "no: a public address; in the private cloud always `true`",
        effect: "No public address. Set on a Service that has one, it releases the address that was made for the Service.",
        read: |value, settings| {
            settings.internal = yes(value);
            Ok(())
        },
    },
    Annotation {
        key: lb!("allocate-vip"),
        values: "`true`; anything else is no",
        default: "no",
        effect: "Asks for a VIP, for accounts of the cloud's own. Read when a BLB is made.",
        read: |value, settings| {
            settings.allocate_vip = yes(value);
            Ok(())
        },
    },
    Annotation {
        key: SUBNET,
        values: "id of a subnet of type BCC",
        default: "`SubnetIds` of the configuration, else the one that CCE's cluster has for load balancers, else that of most of the members, else the \
                  one CCE reserves",
        effect: "Subnet of the load balancer. Read when it is made.",
        read: |value, settings| values::id(value).map(|id| settings.subnet_id = Some(id)),
    },
    Annotation {
        key: lb!("rs-max-num"),
        values: "1-50",
        default: "50",
        effect: "Most servers behind the load balancer. Which they are is chosen by the Service's UID and stays so while nodes come and \
                 go.",
        read: |value, settings| {
            let number = values::integer(value, "LoadBalancerRsMaxNum")?;
            let number = u16::try_from(number).ok().filter(|number| (1..=50).contains(number));
            let number = number.ok_or_else(|| "ServiceAnnotationLoadBalancerRsMaxNum must be in (0, 50]".to_owned())?;
            settings.most_servers = Some(number);
            Ok(())
        },
    },
    Annotation {
        key: lb!("reserve-lb"),
        values: "`true`; anything else is no",
        default: "no",
        effect: "The load balancer outlives the Service: its listeners and servers go, and its description no longer names the Service.",
        read: |value, settings| {
            settings.reserve = yes(value);
            Ok(())
        },
    },
    Annotation {
        key: lb!("scheduler"),
        values: "`RoundRobin`, `LeastConnection`, `Hash`",
        default: "`Hash` with `sessionAffinity: ClientIP`, else `RoundRobin`",
        effect: "How servers are chosen. Without it, the scheduler of a listener that is there stays as it is.",
        read: |value, settings| {
            let remedy = || "write RoundRobin, LeastConnection or Hash".to_owned();
            let scheduler = values::one_of(value, &["RoundRobin", "LeastConnection", "Hash"], remedy)?;
            settings.scheduler = Some(scheduler);
            Ok(())
        },
    },
    Annotation {
        key: lb!("health-check-timeout-in-second"),
        values: "1-60",
        default: "3",
        effect: "Seconds a check waits for a server. Without it, what a listener that is there has stays as it is.",
        read: |value, settings| {
            values::within(value, "LoadBalancerHealthCheckTimeoutInSecond", 1, 60)
                .map(|number| settings.check_timeout = Some(number))
        },
    },
    Annotation {
        key: lb!("health-check-interval"),
        values: "1-10",
        default: "3",
        effect: "Seconds between checks. Without it, what a listener that is there has stays as it is.",
        read: |value, settings| {
            values::within(value, "LoadBalancerHealthCheckInterval", 1, 10)
                .map(|number| settings.check_interval = Some(number))
        },
    },
    Annotation {
        key: lb!("unhealthy-threshold"),
        values: "2-5",
        default: "3",
        effect: "Failures until a server gets no traffic. Without it, what a listener that is there has stays as it is.",
        read: |value, settings| {
            values::within(value, "LoadBalancerUnhealthyThreshold", 2, 5)
                .map(|number| settings.unhealthy = Some(number))
        },
    },
    Annotation {
        key: lb!("healthy-threshold"),
        values: "2-5",
        default: "3",
        effect: "Successes until a server gets traffic again. Without it, what a listener that is there has stays as it is.",
        read: |value, settings| {
            values::within(value, "LoadBalancerHealthyThreshold", 2, 5).map(|number| settings.healthy = Some(number))
        },
    },
    Annotation {
        key: lb!("health-check-string"),
        values: "at most 1299 characters, plain or hexadecimal",
        default: "`HealthCheck`",
        effect: "What is sent to the servers of UDP ports, which have to answer it.",
        read: |value, settings| {
            if value.chars().count() > 1299 {
                return Err("write at most 1299 characters".to_owned());
            }
            settings.check_string = Some(value.to_owned());
            Ok(())
        },
    },
    Annotation {
        key: BACKEND_LABEL,
        values: "labels and their values: `disk=ssd, pool=web`; or any label selector as `kubectl -l` takes it",
        default: "every node",
        effect: "Only nodes with all of these labels are servers of the load balancer. When a node's labels change, it follows.",
        // The controller applies it: see the handshake. What comes here has been read already.
        read: |_, _| Ok(()),
    },
    Annotation {
        key: eip!("name"),
        values: "at most 65 bytes",
        default: "the load balancer's name",
        effect: "Name of the address that is made.",
        read: |value, settings| values::eip_name(value).map(|name| settings.eip.name = Some(name)),
    },
    Annotation {
        key: PAYMENT,
        values: "`Postpaid`, `Prepaid`",
        default: "`Postpaid`",
        effect: "How the address is paid. Cannot be changed. One that is paid in advance cannot be released before its time: it is \
                 unbound, and an Event tells of it.",
        read: |value, settings| {
            let remedy = || format!("not support target ElasticIPPaymentTiming: {value}; write Postpaid or Prepaid");
            let timing = values::one_of(value, &["Postpaid", "Prepaid"], remedy)?;
            settings.eip.payment_timing = Some(timing);
            Ok(())
        },
    },
    Annotation {
        key: BILLING,
        values: "`ByTraffic`, `ByBandwidth`",
        default: "`ByTraffic`; none with `Prepaid`",
        effect: "What is billed. Cannot be changed.",
        read: |value, settings| {
            let remedy =
                || format!("not support target ElasticIPBillingMethod: {value}; write ByTraffic or ByBandwidth");
            let method = values::one_of(value, &["ByTraffic", "ByBandwidth"], remedy)?;
            settings.eip.billing_method = Some(method);
            Ok(())
        },
    },
    Annotation {
        key: BANDWIDTH,
        values: "Mbit/s: 1-1000 by traffic, 1-200 otherwise",
        default: "1000 by traffic, 200 otherwise",
        effect: "Bandwidth of the address. A change resizes an address that was made for the Service.",
        read: |value, settings| {
            let number = values::integer(value, "ElasticIPBandwidthInMbps")?;
            settings.eip.bandwidth = Some(u16::try_from(number).unwrap_or(0));
            Ok(())
        },
    },
    Annotation {
        key: RESERVATION,
        values: "months: 1-9, 12, 24, 36",
        default: "none: needed with `Prepaid`",
        effect: "For how long an address is paid in advance.",
        read: |value, settings| {
            let number = values::integer(value, "ElasticIPReservationLength")?;
            let number = u16::try_from(number).ok().filter(|months| matches!(months, 1..=9 | 12 | 24 | 36));
            let remedy = "prepaid EIP reservationLength should in [1-9, 12, 24, 36]";
            settings.eip.reservation = Some(number.ok_or_else(|| remedy.to_owned())?);
            Ok(())
        },
    },
];
