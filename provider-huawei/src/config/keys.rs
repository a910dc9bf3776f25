//! Every key of the cloud-config file, in one table: the reader and the reference page are made from it.

use std::{path::PathBuf, time::Duration};

use cloud_rest::{
    Secret,
    setting::{duration, metadata_url},
};

use super::{Draft, Signature};
use crate::endpoints::{Service, base_url};

/// What a key may be, which is also how its value is checked.
type Apply = fn(&mut Draft, &str) -> Result<(), String>;

/// One key.
pub(super) struct Key {
    /// The section, as it is written in the page.
    pub section: &'static str,
    /// The key.
    pub name: &'static str,
    /// What counts when it is absent, for people; empty: nothing.
    pub default: &'static str,
    /// Whether the Go provider knows it.
    pub since_go: bool,
    /// Whether a change of it takes effect without a restart.
    pub reloads: bool,
    /// What it means.
    pub help: &'static str,
    /// Takes a value, which is not empty.
    pub apply: Apply,
}

const fn old(
    section: &'static str,
    name: &'static str,
    default: &'static str,
    help: &'static str,
    apply: Apply,
) -> Key {
    Key { section, name, default, since_go: true, reloads: false, help, apply }
}

const fn new(
    section: &'static str,
    name: &'static str,
    default: &'static str,
    help: &'static str,
    apply: Apply,
) -> Key {
    Key { section, name, default, since_go: false, reloads: false, help, apply }
}

const fn key_of(mut key: Key) -> Key {
    key.reloads = true;
    key
}

/// All of them.
pub(super) const KEYS: &[Key] = &[
    old(
        "Global",
        "region",
        "",
        "Region id such as `ap-southeast-1`: part of every endpoint, the nodes' region label, and the project looked up when `project-id` is absent. Required.",
        |d, v| {
            d.region = name(v)?;
            Ok(())
        },
    ),
    key_of(old(
        "Global",
        "access-key",
        "",
        "AK. Without it and `secret-key`: `secret-folder`, then the environment, then the machine's agency through the metadata service.",
        |d, v| {
            v.clone_into(&mut d.access_key);
            Ok(())
        },
    )),
    key_of(old("Global", "secret-key", "", "SK.", |d, v| {
        d.secret_key = Secret::new(v);
        Ok(())
    })),
    key_of(new("Global", "security-token", "", "Comes with AK and SK that are temporary.", |d, v| {
        d.security_token = Some(Secret::new(v));
        Ok(())
    })),
    new(
        "Global",
        "secret-folder",
        "",
        "Folder with files `access-key`, `secret-key` and perhaps `security-token`, such as a mounted Secret. Used when the file itself has no keys.",
        |d, v| {
            d.secret_folder = Some(PathBuf::from(v));
            Ok(())
        },
    ),
    old(
        "Global",
        "project-id",
        "looked up by the region's name",
        "Project id, in paths and `X-Project-Id`.",
        |d, v| {
            d.project_id = Some(name(v)?);
            Ok(())
        },
    ),
    old(
        "Global",
        "enterprise-project-id",
        "",
        "Enterprise project of what is created; accounts whose policy demands one answer `ELB.1202` without it.",
        |d, v| {
            d.enterprise_project_id = Some(name(v)?);
            Ok(())
        },
    ),
    old(
        "Global",
        "cloud",
        "`myhuaweicloud.com`",
        "Domain of all endpoints, perhaps with a port: `https://{service}.{region}.{cloud}`.",
        |d, v| {
            d.cloud = Some(v.trim_end_matches('/').to_owned());
            Ok(())
        },
    ),
    old(
        "Global",
        "auth-url",
        "`https://iam.{cloud}/v3/`",
        "IAM's address. The Go provider read it and used another.",
        |d, v| {
            d.auth_url = Some(base_url(v)?);
            Ok(())
        },
    ),
    new("Global", "profile", "`public`", "Kind of installation: see below.", |d, v| {
        d.profile = Some(v.to_owned());
        Ok(())
    }),
    new("Global", "profile-file", "", "A site's own profile, in JSON, instead of a built-in one.", |d, v| {
        d.profile_file = Some(PathBuf::from(v));
        Ok(())
    }),
    new(
        "Global",
        "ca-file",
        "",
        "PEM certificates trusted beside the system's and those of the environment variable `SSL_CERT_FILE`. Files are separated by commas.",
        |d, v| {
            d.ca_files = list(v).map(PathBuf::from).collect();
            Ok(())
        },
    ),
    new(
        "Global",
        "proxy",
        "",
        "Proxy for all calls but those to the metadata service: `http://proxy.example.com:3128`.",
        |d, v| {
            d.proxy = Some(v.to_owned());
            Ok(())
        },
    ),
    new(
        "Global",
        "proxy-from-environment",
        "`false`",
        "Whether `HTTPS_PROXY` and `NO_PROXY` apply. The Go provider ignores them, and so does this one unless told.",
        |d, v| {
            d.proxy_from_environment = boolean(v)?;
            Ok(())
        },
    ),
    new("Global", "connect-timeout", "`10s`", "Longest wait for a connection.", |d, v| {
        d.connect_timeout = duration(v)?;
        Ok(())
    }),
    new("Global", "request-timeout", "`60s`", "Longest time of one attempt of a call.", |d, v| {
        d.request_timeout = duration(v)?;
        Ok(())
    }),
    new(
        "Global",
        "signature",
        "the profile's",
        "`sdk` (SDK-HMAC-SHA256) or `v11` (V11-HMAC-SHA256, with a key derived for region and service).",
        |d, v| {
            d.signature = Some(match v {
                "sdk" => Signature::Sdk,
                "v11" => Signature::V11,
                _ => return Err("is neither `sdk` nor `v11`".to_owned()),
            });
            Ok(())
        },
    ),
    new(
        "Global",
        "sign-host",
        "the profile's",
        "Whether `Host` is part of what is signed; for gateways that want it.",
        |d, v| {
            d.sign_host = Some(boolean(v)?);
            Ok(())
        },
    ),
    new(
        "Global",
        "agency-name",
        "",
        "Agency to assume with the keys: calls are made with the temporary keys it gives.",
        |d, v| {
            v.clone_into(&mut d.agency_name);
            Ok(())
        },
    ),
    new("Global", "agency-domain-id", "", "Account the agency belongs to, by id.", |d, v| {
        d.agency_domain_id = Some(name(v)?);
        Ok(())
    }),
    new("Global", "agency-domain-name", "", "Account the agency belongs to, by name.", |d, v| {
        d.agency_domain_name = Some(v.to_owned());
        Ok(())
    }),
    new(
        "Global",
        "agency-duration",
        "`1h`",
        "How long the temporary keys last, from 15m to 24h. They are renewed early.",
        |d, v| {
            let duration = duration(v)?;
            if !(Duration::from_secs(900)..=Duration::from_secs(86_400)).contains(&duration) {
                return Err("is not between 15m and 24h".to_owned());
            }
            d.agency_duration = duration;
            Ok(())
        },
    ),
    new("Global", "metadata-endpoint", "`http://169.254.169.254`", "The machine's metadata service.", |d, v| {
        d.metadata_endpoint = Some(metadata_url(v)?);
        Ok(())
    }),
    old("Vpc", "id", "", "VPC of the cluster: whose NAT gateway, route table and subnets are used.", |d, v| {
        d.vpc.id = Some(name(v)?);
        Ok(())
    }),
    old(
        "Vpc",
        "subnet-id",
        "",
        "IPv4 subnet id (the Neutron subnet's, not the network's) for addresses of load balancers that are created.",
        |d, v| {
            d.vpc.subnet_id = Some(name(v)?);
            Ok(())
        },
    ),
    old(
        "Vpc",
        "security-group-id",
        "",
        "Security group that every node that joins is put in, and every node that leaves taken out of.",
        |d, v| {
            d.vpc.security_group_id = Some(name(v)?);
            Ok(())
        },
    ),
    new(
        "Vpc",
        "route-table-id",
        "the VPC's default table",
        "Route table that routes to pod networks are kept in, where the nodes' subnets have one of their own.",
        |d, v| {
            d.vpc.route_table_id = Some(name(v)?);
            Ok(())
        },
    ),
    new("Endpoints", "ecs", "", ENDPOINT, |d, v| endpoint(d, Service::Ecs, v)),
    new("Endpoints", "elb", "", ENDPOINT, |d, v| endpoint(d, Service::Elb, v)),
    new("Endpoints", "vpc", "", ENDPOINT, |d, v| endpoint(d, Service::Vpc, v)),
    new("Endpoints", "eip", "", ENDPOINT, |d, v| endpoint(d, Service::Eip, v)),
    new("Endpoints", "nat", "", ENDPOINT, |d, v| endpoint(d, Service::Nat, v)),
    new("Endpoints", "iam", "", "IAM's base URL; before `HUAWEICLOUD_SDK_IAM_ENDPOINT` and `auth-url`.", |d, v| {
        endpoint(d, Service::Iam, v)
    }),
    new("Endpoints", "cce", "", ENDPOINT, |d, v| endpoint(d, Service::Cce, v)),
    new("Endpoints", "swr", "", ENDPOINT, |d, v| endpoint(d, Service::Swr, v)),
];

const ENDPOINT: &str = "The service's base URL, instead of the profile's: `https://host[:port][/prefix]`.";

fn endpoint(draft: &mut Draft, service: Service, value: &str) -> Result<(), String> {
    draft.endpoints.insert(service, base_url(value)?);
    Ok(())
}

/// An id or name that becomes part of a host or path.
fn name(value: &str) -> Result<String, String> {
    let fit = value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if fit { Ok(value.to_owned()) } else { Err("may hold letters, digits, `-`, `_` and `.` only".to_owned()) }
}

fn boolean(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("is neither `true` nor `false`".to_owned()),
    }
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty())
}
