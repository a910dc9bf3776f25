//! Flags about the provider daemons. Upstream has no daemons, so these are ours, but for the two by which it chose a cloud.

use super::{Flag, Kind};

pub(super) const PROVIDER: &[Flag] = &[
    Flag::ours(
        "provider",
        Kind::Repeated,
        "",
        "Where a provider daemon is to be reached: unix:PATH, unix:///PATH or https://HOST:PORT. Repeat it for several \
         providers at once. At least one is needed.",
    ),
    Flag::ours(
        "default-provider",
        Kind::Text,
        "",
        "Name of the provider of Services without a loadBalancerClass. When empty, the one of the first --provider.",
    ),
    Flag::new(
        "cloud-provider",
        Kind::Text,
        "",
        "\"external\" says nothing here. Any other name is taken as --default-provider. Upstream needs it; here --provider says \
         where the providers are, and each says its own name.",
    ),
    Flag::new("cloud-config", Kind::File, "", "Upstream's file of cloud settings and secrets.").refused(
        "belongs to the provider daemon: this process holds no cloud settings and no cloud secrets. Give the file to the daemon",
    ),
    Flag::ours(
        "load-balancer-class",
        Kind::Repeated,
        "",
        "CLASS=PROVIDER: Services with this loadBalancerClass belong to this provider. Repeat it for several. \
         ccm.cloudprovider.io/PROVIDER always belongs to that provider.",
    ),
    Flag::ours(
        "provider-node-selector",
        Kind::Repeated,
        "",
        "NAME=SELECTOR: only Nodes whose labels this selector selects, as kubectl -l takes it, are provider NAME's. Repeat it for \
         several providers; one without takes every Node whose providerID has a scheme of its own. Two providers may share a \
         scheme when each has a selector.",
    ),
    Flag::ours(
        "provider-account",
        Kind::Repeated,
        "",
        "ACCOUNT/REGION that a provider is expected to serve. Repeat it for several. When any is given, a provider that serves \
         another is not used: this guards against credentials of the wrong project. When none is given, it is not checked.",
    ),
    Flag::ours(
        "provider-ca-file",
        Kind::File,
        "",
        "PEM bundle of the CAs that vouch for daemons at https:// endpoints. Read again when it changes.",
    ),
    Flag::ours(
        "provider-cert-file",
        Kind::File,
        "",
        "PEM certificate that this process shows to daemons at https:// endpoints. Read again when it changes.",
    ),
    Flag::ours("provider-key-file", Kind::File, "", "PEM key of --provider-cert-file. Read again when it changes."),
    Flag::ours(
        "provider-server-name",
        Kind::Text,
        "",
        "The one name (URI, DNS name or IP address) that a daemon's certificate must carry. When empty, the endpoint's host.",
    ),
    Flag::ours(
        "provider-socket-uid",
        Kind::List,
        "",
        "Users, by number, that a daemon behind a unix: endpoint may run as. When empty, only this process's own.",
    ),
    Flag::ours(
        "allow-insecure-loopback",
        Kind::Bool,
        "false",
        "Take http:// endpoints on this machine, without any protection. For development only.",
    ),
    Flag::ours(
        "tenant-map",
        Kind::File,
        "",
        "YAML or JSON file that maps namespaces to tenants: the load balancers of a namespace's Services are made for its \
         tenant. A namespace that is not in it belongs to the daemon's default account, or to what the file says under \
         unmapped. Read again when it changes. docs/tenancy.md shows its form.",
    ),
];
