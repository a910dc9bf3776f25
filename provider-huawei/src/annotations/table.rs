//! The table.

use super::{
    Settings,
    values::{self, Class, Parsed},
};

pub(super) const CLASS: &str = "kubernetes.io/elb.class";
pub(super) const ID: &str = "kubernetes.io/elb.id";
pub(super) const ADOPT: &str = "kubernetes.io/elb.adopt";
pub(super) const AUTOCREATE: &str = "kubernetes.io/elb.autocreate";
pub(super) const EIP_OPTION: &str = "kubernetes.io/elb.eip-auto-create-option";
pub(super) const EIP_ID: &str = "kubernetes.io/elb.eip-id";
pub(super) const KEEP_EIP: &str = "kubernetes.io/elb.keep-eip";
pub(super) const AFFINITY_OPTION: &str = "kubernetes.io/elb.session-affinity-option";
pub(super) const HEALTH_OPTION: &str = "kubernetes.io/elb.health-check-option";
pub(super) const NAT_GATEWAY: &str = "kubernetes.io/natgateway.id";
pub(super) const CERTIFICATE: &str = "kubernetes.io/elb.default-tls-container-ref";
pub(super) const PROTOCOL_PORT: &str = "kubernetes.io/elb.protocol-port";
pub(super) const ZONES: &str = "kubernetes.io/elb.availability-zones";

/// One annotation.
pub struct Annotation {
    /// Its key.
    pub key: &'static str,
    /// What may be written.
    pub values: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// The classes it has an effect with.
    pub classes: &'static [Class],
    /// What it does.
    pub effect: &'static str,
    /// Takes a value in; the error is the remedy.
    pub(super) read: fn(&str, &mut Settings) -> Parsed<()>,
}

const ALL: &[Class] = &[Class::Shared, Class::Dedicated, Class::Dnat, Class::Elasticity];
const ELB: &[Class] = &[Class::Shared, Class::Dedicated];
const DEDICATED: &[Class] = &[Class::Dedicated];
const DNAT: &[Class] = &[Class::Dnat];

/// The table, in the order of the page.
pub fn all() -> &'static [Annotation] {
    TABLE
}

static TABLE: &[Annotation] = &[
    Annotation {
        key: CLASS,
        values: "`shared` (or `union`), `dedicated` (or `performance`), `dnat`",
        default: "`default-elb-class` of the options, else refused",
        classes: ALL,
        effect: "Which kind of load balancer. `elasticity`, the classic kind, is retired by Huawei Cloud and refused. A change makes \
                 the new one before the old one goes.",
        read: |value, settings| values::class(value).map(|class| settings.class = Some(class)),
    },
    Annotation {
        key: ID,
        values: "id of a load balancer",
        default: "one is made",
        classes: ELB,
        effect: "Uses this load balancer. It is never made, changed or deleted; only listeners of this Service are. A port that \
                 somebody else's listener has is refused.",
        read: |value, settings| values::id(value).map(|id| settings.id = Some(id)),
    },
    Annotation {
        key: ADOPT,
        values: "id of a load balancer, `none`",
        default: "found by name and members",
        classes: ELB,
        effect: "Declares that this load balancer, made by the Go provider, is this Service's, where its name and members do not \
                 prove it: it has no members, say. It is adopted, and goes with the Service. `none`: whatever carries the name the \
                 Go provider would have given belongs to another cluster.",
        read: |value, settings| values::id(value).map(|id| settings.adopt = Some(id)),
    },
    Annotation {
        key: AUTOCREATE,
        values: "JSON, see the effect",
        default: "none",
        classes: ELB,
        effect: "CCE's: how a load balancer is made. `type`: `public` allocates a public address with `eip_type`, `bandwidth_size`, \
                 `bandwidth_sharetype` (`PER`) and `bandwidth_chargemode`; `inner` does not. `available_zone`: list of zones. \
                 `vip_subnet_cidr_id`: subnet, and `vip_address`: virtual address. Annotations that say the same apart win, and so \
                 does `id`. Flavors are refused by name: write `l4-flavor-id` and `l7-flavor-id`. `name`, `bandwidth_name` and \
                 `elb_virsubnet_ids` have no effect.",
        read: |value, settings| {
            values::json(value).and_then(|json| values::autocreate(&json)).map(|made| {
                settings.eip = made.eip;
                settings.vip_address = made.vip_address;
                settings.subnet_id = made.subnet_id.or(settings.subnet_id.take());
                if !made.zones.is_empty() {
                    settings.zones = made.zones;
                }
            })
        },
    },
    Annotation {
        key: "kubernetes.io/elb.subnet-id",
        values: "id of an IPv4 (Neutron) subnet",
        default: "`subnet-id` of section `[Vpc]`",
        classes: ELB,
        effect: "Subnet of the virtual address. Read when the load balancer is made.",
        read: |value, settings| values::id(value).map(|id| settings.subnet_id = Some(id)),
    },
    Annotation {
        key: "kubernetes.io/elb.ipv6-network-id",
        values: "id of a network with IPv6",
        default: "the network of the IPv4 subnet, where it has IPv6",
        classes: DEDICATED,
        effect: "Network of the virtual IPv6 address of a Service that asks for IPv6. Read when the load balancer is made.",
        read: |value, settings| values::id(value).map(|id| settings.ipv6_network_id = Some(id)),
    },
    Annotation {
        key: EIP_ID,
        values: "id of a public address (EIP)",
        default: "none",
        classes: ELB,
        effect: "Binds this address. It stays the user's: it is unbound, never released. Wins over `eip-auto-create-option`.",
        read: |value, settings| values::id(value).map(|id| settings.eip_id = Some(id)),
    },
    Annotation {
        key: KEEP_EIP,
        values: "`true`, `false`",
        default: "`keep-eip` of the options, else `false`",
        classes: ELB,
        effect: "Whether an address that was allocated for the Service outlives it.",
        read: |value, settings| values::boolean(value).map(|keep| settings.keep_eip = keep),
    },
    Annotation {
        key: EIP_OPTION,
        values: "JSON `{\"ip_type\",\"bandwidth_size\",\"share_type\",\"share_id\",\"charge_mode\"}`, `none`",
        default: "`eip-auto-create-option` of the options, else none",
        classes: ELB,
        effect: "Allocates a public address: line (`5_bgp`), Mbit/s, `PER` or `WHOLE` with the id of a shared bandwidth, `traffic` \
                 or `bandwidth`. Read when the load balancer has no address. `none`: no public address, whatever the options say.",
        read: |value, settings| {
            if value == "none" {
                settings.eip = None;
                return Ok(());
            }
            values::json(value).and_then(|json| values::eip(&json)).map(|eip| settings.eip = Some(eip))
        },
    },
    Annotation {
        key: "kubernetes.io/elb.lb-algorithm",
        values: "`ROUND_ROBIN`, `LEAST_CONNECTIONS`, `SOURCE_IP`",
        default: "`lb-algorithm` of the options, else `ROUND_ROBIN`",
        classes: ELB,
        effect: "How members are chosen. Takes effect at once.",
        read: |value, settings| values::algorithm(value).map(|algorithm| settings.algorithm = algorithm),
    },
    Annotation {
        key: "kubernetes.io/elb.session-affinity-flag",
        values: "`on`, `off`",
        default: "`session-affinity-flag` of the options, else as the Service's `sessionAffinity` says",
        classes: ELB,
        effect: "Whether a client stays with a member.",
        read: |value, settings| values::affinity_switch(value).map(|on| settings.affinity = Some(on)),
    },
    Annotation {
        key: AFFINITY_OPTION,
        values: "JSON `{\"type\",\"cookie_name\",\"persistence_timeout\"}`",
        default: "`session-affinity-option` of the options",
        classes: ELB,
        effect: "How, once it is on: `SOURCE_IP` (TCP and UDP, 1-60 minutes), `HTTP_COOKIE`, or `APP_COOKIE` with the name of the \
                 cookie (HTTP, 1-1440 minutes).",
        read: |value, settings| {
            values::json(value).and_then(|json| values::affinity(&json)).map(|option| settings.affinity_option = option)
        },
    },
    Annotation {
        key: "kubernetes.io/elb.health-check-flag",
        values: "`on`, `off`",
        default: "`health-check-flag` of the options, else `on`",
        classes: ELB,
        effect: "Whether members are checked.",
        read: |value, settings| values::switch(value).map(|on| settings.health_check = on),
    },
    Annotation {
        key: HEALTH_OPTION,
        values: "JSON `{\"delay\",\"timeout\",\"max_retries\"}`",
        default: "`health-check-option` of the options, else 5, 3, 3",
        classes: ELB,
        effect: "Seconds between checks (1-50), seconds to wait (1-50), failures that matter (1-10). `\"enable\": true` switches \
                 checks on against the flag; `protocol` and `path` have no effect, as before.",
        read: |value, settings| {
            values::json(value).and_then(|json| values::health(&json)).map(|option| settings.health_option = option)
        },
    },
    Annotation {
        key: "kubernetes.io/elb.enable-transparent-client-ip",
        values: "`true`, `false`",
        default: "`enable-transparent-client-ip` of the options, else `false`",
        classes: ELB,
        effect: "Members of TCP and UDP listeners see the client's address; a server cannot be client and member at once then. A \
                 dedicated load balancer always does so.",
        read: |value, settings| values::boolean(value).map(|on| settings.transparent_client_ip = on),
    },
    Annotation {
        key: "kubernetes.io/elb.x-forwarded-host",
        values: "`true`, `false`",
        default: "`false`",
        classes: ELB,
        effect: "Makes TCP ports HTTP listeners, which add the header `X-Forwarded-Host`.",
        read: |value, settings| values::boolean(value).map(|on| settings.x_forwarded_host = on),
    },
    Annotation {
        key: CERTIFICATE,
        values: "id of a certificate",
        default: "none",
        classes: ELB,
        effect: "Ends TLS at the load balancer: TCP ports become HTTPS listeners with this certificate, or only those that \
                 `protocol-port` lists as `https`.",
        read: |value, settings| values::id(value).map(|id| settings.certificate = Some(id)),
    },
    Annotation {
        key: "kubernetes.io/elb.cert-id",
        values: "id of a certificate",
        default: "none",
        classes: ELB,
        effect: "CCE's name for `default-tls-container-ref`, which wins over it.",
        read: |value, settings| {
            values::id(value).map(|id| {
                settings.certificate.get_or_insert(id);
            })
        },
    },
    Annotation {
        key: PROTOCOL_PORT,
        values: "`https:443,http:80`",
        default: "all TCP ports alike",
        classes: ELB,
        effect: "CCE's: which TCP ports are HTTP or HTTPS listeners. The others stay TCP.",
        read: |value, settings| values::protocol_ports(value).map(|ports| settings.protocol_ports = ports),
    },
    Annotation {
        key: "kubernetes.io/elb.idle-timeout",
        values: "seconds: 10-4000 for TCP and UDP, 0-4000 for HTTP",
        default: "`idle-timeout` of the options, else the platform's: 300 and 60",
        classes: ELB,
        effect: "How long an idle connection stays. 0: the platform's. A UDP listener of a shared load balancer cannot be told.",
        read: |value, settings| {
            values::seconds(value, 0, 4000).map(|seconds| settings.idle_timeout = Some(seconds).filter(|s| *s > 0))
        },
    },
    Annotation {
        key: "kubernetes.io/elb.request-timeout",
        values: "seconds: 1-300",
        default: "`request-timeout` of the options, else the platform's: 60",
        classes: ELB,
        effect: "How long HTTP listeners wait for a request. 0: the platform's.",
        read: |value, settings| {
            values::seconds(value, 0, 300).map(|seconds| settings.request_timeout = Some(seconds).filter(|s| *s > 0))
        },
    },
    Annotation {
        key: "kubernetes.io/elb.response-timeout",
        values: "seconds: 1-300",
        default: "`response-timeout` of the options, else the platform's: 60",
        classes: ELB,
        effect: "How long HTTP listeners wait for a member's response. 0: the platform's.",
        read: |value, settings| {
            values::seconds(value, 0, 300).map(|seconds| settings.response_timeout = Some(seconds).filter(|s| *s > 0))
        },
    },
    Annotation {
        key: ZONES,
        values: "`az1;az2`",
        default: "`availability-zones` of the options, else needed",
        classes: DEDICATED,
        effect: "Availability zones of the load balancer. Read when it is made.",
        read: |value, settings| values::zones(value).map(|zones| settings.zones = zones),
    },
    Annotation {
        key: "kubernetes.io/elb.enable-cross-vpc",
        values: "`true`, `false`",
        default: "`enable-cross-vpc` of the options, else `false`",
        classes: DEDICATED,
        effect: "Members are reached by address alone, within the VPC or not: needed for pods as members that are in no subnet of \
                 the VPC. Cannot be switched off again.",
        read: |value, settings| values::boolean(value).map(|on| settings.cross_vpc = on),
    },
    Annotation {
        key: "kubernetes.io/elb.l4-flavor-id",
        values: "id of a flavor",
        default: "`l4-flavor-id` of the options, else the platform's",
        classes: DEDICATED,
        effect: "Flavor for TCP and UDP. Read when the load balancer is made.",
        read: |value, settings| values::id(value).map(|id| settings.l4_flavor = Some(id)),
    },
    Annotation {
        key: "kubernetes.io/elb.l7-flavor-id",
        values: "id of a flavor",
        default: "`l7-flavor-id` of the options, else the platform's",
        classes: DEDICATED,
        effect: "Flavor for HTTP. Read when the load balancer is made.",
        read: |value, settings| values::id(value).map(|id| settings.l7_flavor = Some(id)),
    },
    Annotation {
        key: "kubernetes.io/elb.enterpriseID",
        values: "id of an enterprise project",
        default: "`enterprise-project-id` of section `[Global]`",
        classes: ELB,
        effect: "CCE's: the enterprise project that pays. Read when something is made.",
        read: |value, settings| values::id(value).map(|id| settings.enterprise_project = Some(id)),
    },
    Annotation {
        key: "kubernetes.io/elb.acl-id",
        values: "id of an IP group",
        default: "`loadBalancerSourceRanges` of the Service, else everybody may connect",
        classes: ELB,
        effect: "CCE's: an IP group of yours says who may connect. Not together with `loadBalancerSourceRanges`.",
        read: |value, settings| {
            values::id(value).map(|id| settings.access_list = Some(values::AccessList { id, black: false }))
        },
    },
    Annotation {
        key: "kubernetes.io/elb.acl-type",
        values: "`white`, `black`",
        default: "`white`",
        classes: ELB,
        effect: "CCE's: whether the IP group of `acl-id` admits or bars.",
        read: |value, settings| {
            let black = match value {
                "white" => false,
                "black" => true,
                _ => return Err("write white or black".to_owned()),
            };
            if let Some(list) = &mut settings.access_list {
                list.black = black;
            }
            Ok(())
        },
    },
    Annotation {
        key: "kubernetes.io/elb.acl-status",
        values: "`on`, `off`",
        default: "`on`",
        classes: ELB,
        effect: "CCE's: `off` lets the IP group of `acl-id` rest.",
        read: |value, settings| {
            values::switch(value).map(|on| {
                settings.access_list.take_if(|_| !on);
            })
        },
    },
    Annotation {
        key: NAT_GATEWAY,
        values: "id of a NAT gateway",
        default: "none: needed",
        classes: DNAT,
        effect: "The gateway that gets the rules. Its VPC has to be that of section `[Vpc]`, and `spec.loadBalancerIP` an address \
                 (EIP) of yours.",
        read: |value, settings| values::id(value).map(|id| settings.nat_gateway = Some(id)),
    },
    Annotation {
        key: "kubernetes.io/elb.mark",
        values: "anything",
        default: "none",
        classes: &[],
        effect: "Written by the Go provider's classic class. No effect.",
        read: |_, _| Ok(()),
    },
    Annotation {
        key: "kubernetes.io/elb.connection-limit",
        values: "anything",
        default: "none",
        classes: &[],
        effect: "Documented by the Go provider and never implemented: the cloud has no such setting. No effect.",
        read: |_, _| Ok(()),
    },
];
