//! One of the clouds a cluster is in: its machines, and the Service whose load balancer it has.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Service;
use testkit::backend::Backend;
use testkit::cloud::{Cloud, Kind, Place};
use testkit::{Binaries, FakeKubelet, services};

use crate::screen::Screen;

/// Nodes of a cluster in each of its clouds.
pub(crate) const NODES: u8 = 3;
/// Above 1024, since listening below takes a privilege.
pub(crate) const PORT: u16 = 8080;

/// A machine of a played cloud: what runs on it.
pub(crate) struct Machine {
    pub(crate) place: Place,
    pub(crate) kubelet: FakeKubelet,
    /// What answers on its node ports.
    pub(crate) backends: BTreeMap<u16, Backend>,
}

/// A cloud, and what of the cluster is in it. Dropped in the order of the fields: first what uses something, then what is used.
pub(crate) struct Site {
    pub(crate) machines: BTreeMap<String, Machine>,
    load_balancer: Option<SocketAddr>,
    pub(crate) cloud: Cloud,
    /// What people call the cloud. `None`: there is only one.
    title: Option<&'static str>,
    /// The same in names.
    short: &'static str,
    /// Its provider's name, which is in the class of Services.
    provider: &'static str,
    /// The numbers of its machines begin after this: an address is of one machine only, whatever cloud it is in.
    after: u8,
    /// The last of the cloud's calls that were shown.
    shown: u64,
}

/// What people call a cloud, what it is called in names, and its provider's name.
fn words(kind: Kind) -> (&'static str, &'static str, &'static str) {
    match kind {
        Kind::Mock => ("the mock", "mock", "mock"),
        Kind::Huawei => ("Huawei Cloud", "huawei", "huaweicloud"),
        Kind::Baidu => ("Baidu AI Cloud", "baidu", "baiducloud"),
    }
}

/// A cloud in a sentence; one that is alone needs no name.
pub(crate) fn name(kind: Kind, alone: bool) -> &'static str {
    if alone { "the cloud" } else { words(kind).0 }
}

impl Site {
    /// Starts the nth cloud of a cluster, counted from 0, with its daemon.
    pub(crate) async fn start(kind: Kind, nth: u8, alone: bool, binaries: &Binaries, folder: &Path) -> Result<Self> {
        let (title, short, provider) = words(kind);
        Ok(Self {
            machines: BTreeMap::new(),
            load_balancer: None,
            cloud: Cloud::start(kind, binaries, folder).await?,
            title: (!alone).then_some(title),
            short,
            provider,
            after: nth * NODES,
            shown: 0,
        })
    }

    /// The cloud in a sentence.
    pub(crate) fn name(&self) -> &'static str {
        self.title.unwrap_or("the cloud")
    }

    /// Begins a line about what several clouds do alike.
    pub(crate) fn prefix(&self) -> String {
        self.title.map(|title| format!("{title}: ")).unwrap_or_default()
    }

    /// Ends a phrase about nodes, where those of others are to be told apart.
    pub(crate) fn of(&self) -> String {
        self.title.map(|title| format!(" of {title}, and by no other")).unwrap_or_default()
    }

    /// Numbers and names of its machines, in this order.
    pub(crate) fn nodes(&self) -> Vec<(u8, String)> {
        let name = |n| if self.title.is_some() { format!("{}-{n}", self.short) } else { format!("node-{n}") };
        (1..=NODES).map(|n| (self.after + n, name(n))).collect()
    }

    /// The name of its nth node, counted from 1.
    pub(crate) fn node(&self, n: u8) -> String {
        self.nodes().swap_remove(usize::from(n) - 1).1
    }

    /// The names of its nodes up to the nth.
    pub(crate) fn names(&self, up_to: u8) -> Vec<String> {
        self.nodes().into_iter().take(usize::from(up_to)).map(|(_, name)| name).collect()
    }

    /// Numbers of its machines up to the nth.
    pub(crate) fn numbers(&self, up_to: u8) -> Vec<u8> {
        self.nodes().into_iter().take(usize::from(up_to)).map(|(number, _)| number).collect()
    }

    /// What its Service is called.
    pub(crate) fn service_name(&self) -> String {
        if self.title.is_some() { format!("web-{}", self.short) } else { "web".to_owned() }
    }

    /// Its Service. Where there is one cloud it needs no class to be its own.
    pub(crate) fn service(&self) -> Service {
        let mut service = services::load_balancer(&self.service_name(), PORT);
        service.metadata.annotations = Some(self.cloud.annotations());
        if let Some(spec) = service.spec.as_mut().filter(|_| self.title.is_some()) {
            spec.load_balancer_class = Some(format!("ccm.cloudprovider.io/{}", self.provider));
        }
        service
    }

    pub(crate) fn machine(&mut self, name: &str) -> Result<&mut Machine> {
        self.machines.get_mut(name).with_context(|| format!("there is no machine {name}"))
    }

    /// The address people send requests to.
    pub(crate) fn load_balancer(&self) -> Result<SocketAddr> {
        self.load_balancer.context("there is no load balancer")
    }

    pub(crate) fn set_load_balancer(&mut self, entrance: SocketAddr) {
        self.load_balancer = Some(entrance);
    }

    /// Shows the REST calls made of the cloud since this was last asked, those that changed something one by one.
    pub(crate) async fn show_calls(&mut self, screen: &Screen) -> Result<()> {
        let calls = self.cloud.calls(self.shown).await?;
        let Some(last) = calls.last() else { return Ok(()) };
        self.shown = last.number;
        let (writes, reads): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.mutating);
        let named: Vec<_> = writes.iter().map(|call| format!("{} {}", call.service, call.action)).collect();
        let named = if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) };
        let whose = self.title.map(|title| format!(" of {title}")).unwrap_or_default();
        screen.fact(format!("cloud calls{whose}: {} to read, {} to change{named}", reads.len(), writes.len()));
        Ok(())
    }
}
