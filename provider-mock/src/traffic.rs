//! Carries the TCP traffic of load balancers on loopback, so that a test or a demo ends with a request answered.
//!
//! Every load balancer has an address of its own in 127.0.0.0/8 and listens there on the Service's ports. A connection goes
//! to a member's internal IP and node port (or to a pod). UDP and SCTP listeners exist but carry nothing. Addresses other
//! than 127.0.0.1 work on Linux without set-up; other systems need them added to the loopback interface first.

mod balance;
mod health;

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io,
    net::SocketAddr,
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
use crate::cloud::{Attributes, Listener, LoadBalancer, MemberSet, Protocol};

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
#[derive(Debug)]
pub struct Traffic {
    runtime: Handle,
    carried: BTreeMap<String, Carried>,
}

/// A load balancer whose traffic is carried.
#[derive(Debug)]
struct Carried {
    target: Arc<RwLock<Arc<Target>>>,
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

impl Drop for Port {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where connections go at present.
#[derive(Debug, Default)]
struct Target {
    listeners: Vec<Listener>,
    attributes: Attributes,
    members: Arc<MemberSet>,
}

impl Traffic {
    /// Carries traffic on the runtime of the caller.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn on_this_runtime() -> Self {
        Self { runtime: Handle::current(), carried: BTreeMap::new() }
    }

    /// Brings the ports and members of a load balancer up to date. A port that could not be had is tried again.
    pub(crate) fn apply(&mut self, object: &LoadBalancer, members: &Arc<MemberSet>) {
        if object.gone_at.is_some() {
            return self.remove(&object.id);
        }
        let target = Arc::new(Target {
            listeners: object.listeners.clone(),
            attributes: object.attributes.clone().unwrap_or_default(),
            members: Arc::clone(members),
        });
        let carried = self
            .carried
            .entry(object.id.clone())
            .or_insert_with(|| Carried { target: Arc::default(), ports: BTreeMap::new() });
        *carried.target.write().unwrap_or_else(PoisonError::into_inner) = target;
        carried.ports.retain(|port, state| state.is_ok() && object.listener(Protocol::Tcp, *port).is_some());
        for listener in object.listeners.iter().filter(|listener| listener.protocol == Protocol::Tcp) {
            let address = SocketAddr::from((object.address, listener.port));
            carried.ports.entry(listener.port).or_insert_with(|| {
                listen(&self.runtime, address, Arc::clone(&carried.target)).map_err(|error| PortFault {
                    protocol: Protocol::Tcp,
                    port: listener.port,
                    message: format!("cannot listen on {address}: {error}"),
                })
            });
        }
    }

    /// Ends the traffic of a load balancer, open connections too.
    pub(crate) fn remove(&mut self, id: &str) {
        self.carried.remove(id);
    }

    /// The ports of a load balancer that could not be had.
    pub(crate) fn faults(&self, id: &str) -> Vec<PortFault> {
        let ports = self.carried.get(id).into_iter().flat_map(|carried| carried.ports.values());
        ports.filter_map(|port| port.as_ref().err()).cloned().collect()
    }
}

fn listen(runtime: &Handle, address: SocketAddr, target: Arc<RwLock<Arc<Target>>>) -> io::Result<Port> {
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
async fn accept(listener: Weak<TcpListener>, port: u16, target: Arc<RwLock<Arc<Target>>>) {
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

async fn carry(mut client: TcpStream, from: SocketAddr, port: u16, target: Arc<Target>, balancer: Arc<Balancer>) {
    if !target.admits(from.ip()) {
        tracing::debug!(%from, port, "outside the source ranges");
        return;
    }
    let mut failed = Vec::new();
    while let Some(member) = balancer.choose(&target, port, from.ip(), &failed).await {
        if let Ok(Ok(mut server)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(member)).await {
            balancer.keep(&target, from.ip(), member);
            // Either side may hang up as it likes.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            return;
        }
        balancer.mark_dead(member);
        failed.push(member);
    }
    tracing::debug!(%from, port, "no member takes the connection");
}
