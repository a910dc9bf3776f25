//! Every key of the cloud-config file, in one table: the reader and the reference page are made from it.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use cloud_rest::{Secret, setting};
use serde_json::Value;

use super::{Draft, InstanceTypeStyle, ZoneStyle};
use crate::endpoints::Service;

/// Takes a value, which is neither `null` nor an empty text. The error goes on after the key's name.
type Apply = fn(&mut Draft, &Value) -> Result<(), String>;

/// One key.
pub(super) struct Key {
    /// As it is written in the page.
    pub name: &'static str,
    /// Where in the page it stands.
    pub group: Group,
    /// What counts when it is absent, for people; empty: nothing.
    pub default: &'static str,
    /// Whether the Go provider knows it.
    pub since_go: bool,
    /// Whether a change of it takes effect without a restart.
    pub reloads: bool,
    /// What it means.
    pub help: &'static str,
    /// Takes its value.
    pub apply: Apply,
}

/// What keys are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Cluster,
    Credentials,
    Connection,
    Nodes,
    Unused,
}

impl Group {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Cluster => "Cluster and place",
            Self::Credentials => "Credentials",
            Self::Connection => "Addresses and connections",
            Self::Nodes => "Nodes",
            Self::Unused => "Read and without effect",
        }
    }
}

const fn key(group: Group, name: &'static str, default: &'static str, help: &'static str, apply: Apply) -> Key {
    Key { name, group, default, since_go: false, reloads: false, help, apply }
}

impl Key {
    const fn since_go(mut self) -> Self {
        self.since_go = true;
        self
    }

    const fn reloads(mut self) -> Self {
        self.reloads = true;
        self
    }
}

use Group::{Cluster, Connection, Credentials, Nodes, Unused};

/// All of them.
pub(super) const KEYS: &[Key] = &[
    key(
        Cluster,
        "ClusterId",
        "",
        "CCE cluster id, `c-…` or `cce-…`: in the names of load balancers, the marks of routes and the User-Agent. Required.",
        |d, v| name(v).map(|value| d.cluster_id = value),
    )
    .since_go(),
    key(Cluster, "ClusterName", "", "For people.", |d, v| text(v).map(|value| d.cluster_name = value)).since_go(),
    key(
        Cluster,
        "Region",
        "`bj`",
        "Region code: part of every address, and the nodes' region label. `hk` is read as `hkg`.",
        |d, v| name(v).map(|value| d.region = value),
    )
    .since_go(),
    key(
        Cluster,
        "VpcId",
        "the nodes' VPC",
        "VPC whose route table is managed and in which load balancers are made.",
        |d, v| name(v).map(|value| d.vpc_id = Some(value)),
    )
    .since_go(),
    key(Cluster, "SubnetId", "", "Subnet of load balancers that are made; as the first of `SubnetIds`.", |d, v| {
        d.subnet_ids.insert(0, name(v)?);
        Ok(())
    })
    .since_go(),
    key(Cluster, "SubnetIds", "", "Subnets of load balancers that are made, the first with free addresses counts.", |d, v| {
        d.subnet_ids.extend(names(v)?);
        Ok(())
    }),
    key(
        Cluster,
        "AccountId",
        "`RoleAccountId`, or else `ClusterId`",
        "The account's id, as it is told to the controller. A removal of nodes waits when it changes.",
        |d, v| name(v).map(|value| d.account_id = Some(value)),
    ),
    key(Cluster, "Profile", "`public`", "Kind of installation: see below.", |d, v| text(v).map(|value| d.profile = Some(value))),
    key(Cluster, "ProfileFile", "", "A site's own profile, in JSON, instead of a built-in one.", |d, v| {
        path(v).map(|value| d.profile_file = Some(value))
    }),
    key(Cluster, "DryRun", "`false`", "Refuse every call that would change something in the cloud.", |d, v| {
        boolean(v).map(|value| d.dry_run = value)
    }),
    key(
        Credentials,
        "CredentialSource",
        "`gateway` with the profile of that name; `static` with `AccessKeyID`; `file` with `SecretFolder`",
        "Where keys come from: `static` (this file), `file` (`SecretFolder`), `gateway` (the cluster's token), `imds` (the machine's \
         role) or `sts` (one of the former, and `RoleName` assumed with it). None is used in place of another that fails.",
        |d, v| text(v).map(|value| d.source = Some(value)),
    ),
    key(Credentials, "AccessKeyID", "", "Access key.", |d, v| text(v).map(|value| d.access_key = value)).since_go().reloads(),
    key(Credentials, "SecretAccessKey", "", "Secret key.", |d, v| text(v).map(|value| d.secret_key = Secret::new(value)))
        .since_go()
        .reloads(),
    key(Credentials, "SessionToken", "", "Comes with keys that are temporary.", |d, v| {
        text(v).map(|value| d.session_token = Some(Secret::new(value)))
    })
    .reloads(),
    key(
        Credentials,
        "SecretFolder",
        "",
        "Folder with files `access-key-id`, `secret-access-key` and perhaps `session-token`, such as a mounted Secret. What is in it \
         is read again when it changes.",
        |d, v| path(v).map(|value| d.secret_folder = Some(value)),
    ),
    key(
        Credentials,
        "GatewayTokenFolder",
        "`/var/run/secrets/cce/cce-plugin-token`",
        "Folder with the files `token` and `expiredAt`: the mounted Secret `kube-system/cce-plugin-token`. Read again when it changes.",
        |d, v| path(v).map(|value| d.token_folder = Some(value)),
    ),
    key(
        Credentials,
        "MetadataEndpoint",
        "`http://169.254.169.254`",
        "The machine's metadata service, for `imds`.",
        |d, v| setting::metadata_url(&text(v)?).map(|value| d.metadata = Some(value)),
    ),
    key(Credentials, "RoleName", "", "Role to assume with the keys; calls are made with the temporary keys it gives.", |d, v| {
        text(v).map(|value| d.role_name = value)
    }),
    key(Credentials, "RoleAccountId", "", "Account the role belongs to.", |d, v| name(v).map(|value| d.role_account = Some(value))),
    key(Credentials, "RoleUserId", "", "User of that account who assumes the role, where its trust asks for one.", |d, v| {
        name(v).map(|value| d.role_user = Some(value))
    }),
    key(
        Credentials,
        "RoleDuration",
        "`2h`",
        "How long the temporary keys last, from 15m to 2h. They are renewed early.",
        |d, v| {
            let asked = duration(v)?;
            if !(Duration::from_mins(15)..=Duration::from_hours(2)).contains(&asked) {
                return Err("is not between 15m and 2h".to_owned());
            }
            d.role_duration = asked;
            Ok(())
        },
    ),
    key(
        Connection,
        "Endpoint",
        "the region's",
        "CCE's address; with the profile `private` the base URL of all services: `host`, `host:port` or `https://host[:port][/prefix]`. \
         `http://` is taken on loopback and by that profile; addresses of the public cloud are asked over https all the same.",
        |d, v| text(v).map(|value| d.endpoint = Some(value)),
    )
    .since_go(),
    key(
        Connection,
        "Endpoints",
        "the profile's",
        "Base URLs of single services, an object: `{\"blb\": \"https://blb.example.com:8443/prefix\"}`. Services: `bcc`, `bbc`, `vpc`, \
         `blb`, `eip`, `cce`, `ccr`, `bec`, `sts`, `iam`.",
        |d, v| {
            for (service, url) in services(v)? {
                d.endpoints.insert(service, text(&url).map_err(|fault| format!("{service}: {fault}"))?);
            }
            Ok(())
        },
    ),
    key(
        Connection,
        "GatewayEndpoint",
        "`CCE_GATEWAY_ENDPOINT`, `CCE_GATEWAY_HOST`, or else the profile's",
        "CCE's gateway, for `gateway`. It is plain HTTP as CCE runs it.",
        |d, v| text(v).map(|value| d.gateway = Some(value)),
    ),
    key(
        Connection,
        "CAFile",
        "",
        "File of PEM certificates trusted beside the system's and those of the environment variable `SSL_CERT_FILE`; a list for several.",
        |d, v| texts(v).map(|files| d.ca_files = files.into_iter().map(PathBuf::from).collect()),
    ),
    key(Connection, "Proxy", "", "Proxy for all calls but those to the metadata service.", |d, v| {
        text(v).map(|value| d.proxy = Some(value))
    }),
    key(
        Connection,
        "ProxyFromEnvironment",
        "`false`",
        "Whether `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` apply when no `Proxy` is named.",
        |d, v| boolean(v).map(|value| d.proxy_from_environment = value),
    ),
    key(Connection, "ConnectTimeout", "`10s`", "Longest wait for a connection.", |d, v| {
        duration(v).map(|value| d.connect_timeout = Some(value))
    }),
    key(Connection, "RequestTimeout", "`60s`", "Longest time of one attempt of a call.", |d, v| {
        duration(v).map(|value| d.request_timeout = Some(value))
    }),
    key(
        Nodes,
        "ExternalIP",
        "`true`",
        "Whether nodes are given their public addresses as `ExternalIP`. The Go provider gave none.",
        |d, v| boolean(v).map(|value| d.nodes.external_ip = value),
    ),
    key(
        Nodes,
        "BareMetal",
        "the profile's",
        "Whether nodes may be BBC machines. `false` spares the questions about them, and the permission to ask.",
        |d, v| boolean(v).map(|value| d.bare_metal = Some(value)),
    ),
    key(
        Nodes,
        "InstanceTypeStyle",
        "`spec`",
        "The nodes' label `node.kubernetes.io/instance-type`: `spec` (`bcc.g5.c4m16`) or `legacy` (`BCC` or `GPU`, as by the Go provider).",
        |d, v| {
            let style = match text(v)?.as_str() {
                "spec" => InstanceTypeStyle::Spec,
                "legacy" => InstanceTypeStyle::Legacy,
                other => return Err(format!("is `{other}`: one of `spec`, `legacy`")),
            };
            d.instance_type_style = Some(style);
            Ok(())
        },
    ),
    key(
        Nodes,
        "ZoneStyle",
        "`cce`",
        "The nodes' zone label: `cce` (`zoneA`, as by the Go provider) or `cloud` (`cn-bj-a`).",
        |d, v| {
            d.nodes.zone_style = match text(v)?.as_str() {
                "cce" => ZoneStyle::Cce,
                "cloud" => ZoneStyle::Cloud,
                other => return Err(format!("is `{other}`: one of `cce`, `cloud`")),
            };
            Ok(())
        },
    ),
    key(
        Nodes,
        "NodeTagLabels",
        "",
        "Keys of machines' tags that become the nodes' labels `tags.baidubce.com/KEY`, a list.",
        |d, v| texts(v).map(|value| d.nodes.tag_labels = value),
    ),
    key(Unused, "MasterId", "", "The Go provider asked for it and did nothing with it.", |_, v| text(v).map(drop))
        .since_go(),
    key(Unused, "NodeName", "", "Name of the node the Go provider ran on.", |_, v| text(v).map(drop)).since_go(),
    key(Unused, "NodeIP", "", "The same, in the private cloud.", |_, v| text(v).map(drop)).since_go(),
    key(
        Unused,
        "Debug",
        "",
        "The Go provider wrote requests to the log, keys and all. Nothing makes this one do so; see `--log`.",
        |_, v| boolean(v).map(drop),
    )
    .since_go(),
];

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err("is not a text".to_owned()),
    }
}

/// A list of texts, or one alone.
fn texts(value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => Ok(vec![text(value)?]),
    }
}

/// An id or name that becomes part of a host or path.
fn name(value: &Value) -> Result<String, String> {
    let name = text(value)?;
    let fit = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if fit { Ok(name) } else { Err("may hold letters, digits, `-`, `_` and `.` only".to_owned()) }
}

fn names(value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(values) => values.iter().map(name).collect(),
        value => Ok(vec![name(value)?]),
    }
}

fn path(value: &Value) -> Result<PathBuf, String> {
    text(value).map(PathBuf::from)
}

fn boolean(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("is neither `true` nor `false`".to_owned()),
    }
}

/// `30s`, `15m`, `1h`, or a bare number of seconds.
fn duration(value: &Value) -> Result<Duration, String> {
    setting::duration(&text(value)?)
}

/// An object whose keys are services.
fn services(value: &Value) -> Result<BTreeMap<Service, Value>, String> {
    let object = value.as_object().ok_or("is not an object of services")?;
    let known = || Service::ALL.map(Service::name).join(", ");
    let pairs = object.iter().map(|(name, value)| {
        let service = Service::named(name).ok_or_else(|| format!("knows no service `{name}`: one of {}", known()))?;
        Ok((service, value.clone()))
    });
    pairs.collect()
}
