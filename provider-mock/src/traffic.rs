//! Carries the TCP traffic of load balancers on loopback, so that a test or a demo ends with a request answered. It knows
//! nothing of this cloud: a [`Target`] says where connections go, and the simulators of real clouds bring their own.
//!
//! Every load balancer has an address of its own in 127.0.0.0/8 and listens there on its ports. Addresses other than
//! 127.0.0.1 work on Linux without set-up; other systems need them added to the loopback interface first.

mod balance;
mod balanced;
mod health;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, PoisonError, RwLock, Weak},
    task::Poll,
    time::Duration,
};

use serde::Serialize;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use self::balance::Balancer;
pub(crate) use self::balanced::Balanced;
pub use self::health::HealthCheck;
use crate::cloud::Protocol;

/// How long a member may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a port carries no traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortFault {
    /// Protocol of the listener.
    pub protocol: Protocol,
    /// Port of the listener.
    pub port: u16,
    /// For people.
    pub message: String,
}

/// The traffic of all load balancers of a cloud.
pub struct Traffic {
    runtime: Handle,
    carried: BTreeMap<String, Carried>,
}

/// A load balancer whose traffic is carried.
struct Carried {
    target: Current,
    ports: BTreeMap<u16, Result<Port, PortFault>>,
}

/// A port that is listened on, until dropped.
#[derive(Debug)]
struct Port {
    /// The only lasting hold on the socket: the port is free for others as soon as this is dropped, not only once the task
    /// has noticed.
    _listener: Arc<TcpListener>,
    task: AbortHandle,
}

impl std::fmt::Debug for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Traffic").field("carried", &self.carried.keys()).finish_non_exhaustive()
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where the connections of a load balancer go at present.
pub trait Target: Send + Sync + 'static {
    /// Whether a client may connect.
    fn admits(&self, client: IpAddr) -> bool;

    /// The members of a port that take new connections.
    fn members(&self, port: u16) -> Vec<SocketAddr>;

    /// What tells whether a member is well, when it has to be asked.
    fn health_check(&self, port: u16, member: SocketAddr) -> Option<HealthCheck>;

    /// For how long the connections of one client go to one member.
    fn client_ip_affinity(&self) -> Option<Duration>;
}

type Current = Arc<RwLock<Arc<dyn Target>>>;

impl Traffic {
    /// Carries traffic on the runtime of the caller.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn on_this_runtime() -> Self {
        Self { runtime: Handle::current(), carried: BTreeMap::new() }
    }

    /// Brings the ports and the target of a load balancer up to date. A port that could not be had is tried again.
    pub fn carry(&mut self, id: &str, address: IpAddr, ports: &BTreeSet<u16>, target: Arc<dyn Target>) {
        let carried = self
            .carried
            .entry(id.to_owned())
            .or_insert_with(|| Carried { target: Arc::new(RwLock::new(Arc::clone(&target))), ports: BTreeMap::new() });
        *carried.target.write().unwrap_or_else(PoisonError::into_inner) = target;
        carried.ports.retain(|port, state| state.is_ok() && ports.contains(port));
        for port in ports {
            let address = SocketAddr::from((address, *port));
            carried.ports.entry(*port).or_insert_with(|| {
                listen(&self.runtime, address, Arc::clone(&carried.target)).map_err(|error| PortFault {
                    protocol: Protocol::Tcp,
                    port: *port,
                    message: format!("cannot listen on {address}: {error}"),
                })
            });
        }
    }

    /// Ends the traffic of a load balancer, open connections too.
    pub fn remove(&mut self, id: &str) {
        self.carried.remove(id);
    }

    /// The ports of a load balancer that could not be had.
    pub fn faults(&self, id: &str) -> Vec<PortFault> {
        let ports = self.carried.get(id).into_iter().flat_map(|carried| carried.ports.values());
        ports.filter_map(|port| port.as_ref().err()).cloned().collect()
    }
}

fn listen(runtime: &Handle, address: SocketAddr, target: Current) -> io::Result<Port> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let _guard = runtime.enter();
    let listener = Arc::new(TcpListener::from_std(listener)?);
    let task = runtime.spawn(accept(Arc::downgrade(&listener), address.port(), target)).abort_handle();
    Ok(Port { _listener: listener, task })
}

/// The next connection. `None`: the listener is closed.
async fn next(listener: &Weak<TcpListener>) -> Option<io::Result<(TcpStream, SocketAddr)>> {
    poll_fn(|context| match listener.upgrade() {
        Some(listener) => listener.poll_accept(context).map(Some),
        None => Poll::Ready(None),
    })
    .await
}

/// Accepts until aborted, which cuts the connections as well.
async fn accept(listener: Weak<TcpListener>, port: u16, target: Current) {
    let mut connections = JoinSet::new();
    let balancer = Arc::new(Balancer::default());
    loop {
        tokio::select! {
            accepted = next(&listener) => match accepted {
                None => return,
                Some(Ok((stream, client))) => {
                    let target = Arc::clone(&target.read().unwrap_or_else(PoisonError::into_inner));
                    connections.spawn(carry(stream, client, port, target, Arc::clone(&balancer)));
                }
                Some(Err(error)) => {
                    // Out of file descriptors, mostly: give the connections there are time to end.
                    tracing::warn!(%error, port, "cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(mut client: TcpStream, from: SocketAddr, port: u16, target: Arc<dyn Target>, balancer: Arc<Balancer>) {
    if !target.admits(from.ip()) {
        tracing::debug!(%from, port, "outside the source ranges");
        return;
    }
    let mut failed = Vec::new();
    while let Some(member) = balancer.choose(&*target, port, from.ip(), &failed).await {
        if let Ok(Ok(mut server)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(member)).await {
            balancer.keep(&*target, from.ip(), member);
            // Either side may hang up as it likes.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            return;
        }
        balancer.mark_dead(member);
        failed.push(member);
    }
    tracing::debug!(%from, port, "no member takes the connection");
}
