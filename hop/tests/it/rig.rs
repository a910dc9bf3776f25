//! A server that notes who called, and clients that call it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use provider_hop::{
    Endpoint, PeerIdentity,
    connect::{Channel, ConnectOptions},
    listen::{ListenOptions, Listener},
};
use tokio::task::JoinHandle;
use tonic::{Code, Request, Status, service::InterceptorLayer, transport::Server};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// Serves `grpc.health.v1` until dropped.
pub(crate) struct Rig {
    pub(crate) endpoint: Endpoint,
    peers: Arc<Mutex<Vec<PeerIdentity>>>,
    task: JoinHandle<()>,
}

impl Rig {
    pub(crate) async fn start(endpoint: &str, options: ListenOptions) -> Self {
        let listener = Listener::bind(&endpoint.parse().unwrap(), &options).await.unwrap();
        let endpoint = listener.endpoint().clone();
        let peers = Arc::new(Mutex::new(Vec::new()));
        let note = peers.clone();
        let note = InterceptorLayer::new(move |request: Request<()>| {
            note.lock().unwrap().push(request.extensions().get::<PeerIdentity>().unwrap().clone());
            Ok(request)
        });
        let (_, health) = tonic_health::server::health_reporter();
        let server = Server::builder().layer(note).add_service(health).serve_with_incoming(listener.into_incoming());
        let task = tokio::spawn(async move { server.await.unwrap() });
        Self { endpoint, peers, task }
    }

    /// The one peer whose calls arrived.
    pub(crate) fn peer(&self) -> PeerIdentity {
        let peers = self.peers.lock().unwrap();
        assert!(!peers.is_empty(), "no call arrived");
        assert!(peers.iter().all(|peer| *peer == peers[0]));
        peers[0].clone()
    }

    pub(crate) fn assert_never_called(&self) {
        assert_eq!(*self.peers.lock().unwrap(), Vec::new());
    }

    pub(crate) fn client(&self, options: &ConnectOptions) -> Channel {
        Channel::new(&self.endpoint, options).unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One call, with a deadline.
pub(crate) async fn call(channel: &Channel) -> Result<(), Status> {
    let mut request = Request::new(HealthCheckRequest::default());
    request.set_timeout(Duration::from_secs(20));
    HealthClient::new(channel.clone()).check(request).await.map(|_| ())
}

/// The call must fail with `UNAVAILABLE` and say `part`.
pub(crate) async fn assert_unavailable(channel: &Channel, part: &str) {
    let status = call(channel).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains(part), "{:?} does not say {part:?}", status.message());
}
