//! Connections: HTTP/2 on what a listener yields, closed with a good-bye after a while and at shutdown.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http2::Builder, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use provider_hop::{
    Endpoint, PeerIdentity, Stream,
    listen::Listener,
    propagate::{ServerLayer, ServerService},
};
use tokio::time::sleep;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::body::Body;
use tower::{Layer as _, Service as _};

use crate::{
    gate::{Closing, Gate},
    kit::Kit,
    linger::Lingering,
};

/// The connection a call came by, in the request's extensions. For faults on purpose: no daemon for a real cloud cuts.
#[derive(Clone, Debug)]
pub struct Connection(CancellationToken);

impl Connection {
    /// Cuts it at once, without a good-bye: none of its calls under way is answered.
    pub fn cut(&self) {
        self.0.cancel();
    }
}

const MIB: u32 = 1 << 20;
/// Calls under way on one connection. A controller has one connection for everything.
const MAX_STREAMS: u32 = 1024;
/// How long calls may go on after the good-bye to an old connection.
const GRACE: Duration = Duration::from_mins(1);

/// What all connections of a daemon share.
#[derive(Clone)]
pub(crate) struct Server {
    service: ServerService<Gate>,
    /// Cancelled at the beginning of a shutdown.
    watches_over: CancellationToken,
    /// Cancelled when the writes are done: no more connections, no more calls.
    closing: CancellationToken,
    /// Cancelled when everything ends at once.
    killed: CancellationToken,
    connections: TaskTracker,
    max_age: Duration,
}

impl Server {
    pub(crate) fn new(gate: Gate, kit: &Kit, max_age: Duration) -> Self {
        Self {
            service: ServerLayer.layer(gate),
            watches_over: kit.watches_over().clone(),
            killed: kit.killed().clone(),
            closing: CancellationToken::new(),
            connections: TaskTracker::new(),
            max_age,
        }
    }

    /// Accepts until [`Server::close`]; then the listener is dropped, and with it the file of a Unix socket.
    pub(crate) async fn accept(self, mut listener: Listener) {
        let http2 = Arc::new(http2(listener.endpoint()));
        // A certificate can be taken back, so those who showed one are asked again after a while. A uid does not change.
        let aging = matches!(listener.endpoint(), Endpoint::Tls(_));
        loop {
            tokio::select! {
                stream = listener.accept() => {
                    let connection = Served { server: self.clone(), http2: http2.clone(), aging };
                    let killed = self.killed.clone();
                    self.connections.spawn(async move { killed.run_until_cancelled(connection.run(stream)).await });
                }
                () = self.closing.cancelled() => return,
            }
        }
    }

    /// Says good-bye on every connection and waits until all are gone.
    pub(crate) async fn close(&self) {
        self.closing.cancel();
        self.connections.close();
        self.connections.wait().await;
    }
}

fn http2(endpoint: &Endpoint) -> Builder<TokioExecutor> {
    let mut http2 = Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(MIB)
        .initial_connection_window_size(4 * MIB);
    if !matches!(endpoint, Endpoint::Unix(_)) {
        http2.keep_alive_interval(Duration::from_secs(30)).keep_alive_timeout(Duration::from_secs(10));
    }
    http2
}

struct Served {
    server: Server,
    http2: Arc<Builder<TokioExecutor>>,
    aging: bool,
}

impl Served {
    async fn run(self, stream: Stream) {
        let peer = stream.peer().clone();
        let closing = self.server.watches_over.child_token();
        let service = self.server.service.clone();
        let cut = CancellationToken::new();
        let marks = (peer, Closing(closing.clone()), Connection(cut.clone()));
        let connection = self.http2.serve_connection(
            TokioIo::new(Lingering::new(stream)),
            service_fn(move |request| call(service.clone(), request, marks.clone())),
        );
        let mut connection = std::pin::pin!(connection);
        let retired = async {
            tokio::select! {
                () = self.end_of_life() => {}
                () = self.server.closing.cancelled() => {}
            }
        };
        tokio::select! {
            outcome = connection.as_mut() => return ended(outcome),
            () = cut.cancelled() => return,
            () = retired => {}
        }
        closing.cancel();
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            outcome = connection => ended(outcome),
            () = cut.cancelled() => {}
            () = sleep(GRACE) => tracing::debug!("an old connection is cut with calls under way"),
        }
    }

    /// A tenth sooner or later, so that clients do not all come back at once.
    async fn end_of_life(&self) {
        if self.aging {
            sleep(self.server.max_age.mul_f64(rand::random_range(0.9..1.1))).await;
        } else {
            std::future::pending::<()>().await;
        }
    }
}

fn ended(outcome: hyper::Result<()>) {
    if let Err(error) = outcome {
        tracing::debug!(%error, "connection ended");
    }
}

async fn call(
    mut service: ServerService<Gate>,
    request: Request<Incoming>,
    (peer, closing, connection): (PeerIdentity, Closing, Connection),
) -> Result<Response<Body>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(closing);
    request.extensions_mut().insert(connection);
    service.call(request).await
}
