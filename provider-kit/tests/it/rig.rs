//! A daemon whose work waits to be told, and clients for it.

use std::{
    future::Future,
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use cloud_provider_api::v1::{
    self, BatchGetInstancesRequest, BatchGetInstancesResponse, Cluster, DeleteLoadBalancerRequest,
    DeleteLoadBalancerResponse, EnsureLoadBalancerRequest, EnsureLoadBalancerResponse, GetLoadBalancerRequest,
    GetLoadBalancerResponse, HandshakeRequest, Heartbeat, ListLoadBalancersRequest, ListLoadBalancersResponse,
    LoadBalancerKey, LoadBalancerState, OwnedLoadBalancer, PlanLoadBalancerRequest, PlanLoadBalancerResponse,
    UpdateLoadBalancerMembersRequest, UpdateLoadBalancerMembersResponse, WatchInstancesRequest, WatchInstancesResponse,
    identity_client::IdentityClient, instances_client::InstancesClient, load_balancers_client::LoadBalancersClient,
    watch_instances_response::Event,
};
use futures::{StreamExt as _, stream, stream::BoxStream};
use provider_kit::{
    Audit, Batch, Call, Daemon, Error, IdentityService, Kit, Listing, ProviderInfo, Running, Settings,
    hop::{
        Endpoint,
        connect::{Channel, ConnectOptions},
    },
    listing,
};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, async_trait};
use tonic_types::StatusExt as _;

/// What a test sees and steers of the work behind the daemon.
#[derive(Clone, Default)]
pub(crate) struct Work {
    /// A permit lets one write end.
    pub(crate) go: Arc<Gate>,
    /// Writes begun.
    pub(crate) begun: Arc<AtomicUsize>,
    /// Writes ended.
    pub(crate) ended: Arc<AtomicUsize>,
    /// Handlers dropped before their end.
    pub(crate) dropped: Arc<AtomicUsize>,
}

pub(crate) struct Gate(Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Work {
    pub(crate) fn let_one_end(&self) {
        self.go.0.add_permits(1);
    }

    fn begin(&self) -> impl Future<Output = ()> + Send + use<> {
        let this = self.clone();
        async move {
            this.begun.fetch_add(1, Ordering::SeqCst);
            this.go.0.acquire().await.unwrap().forget();
            this.ended.fetch_add(1, Ordering::SeqCst);
        }
    }
}

struct Provider {
    kit: Kit,
    work: Work,
}

struct OnDrop(Arc<AtomicUsize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl v1::instances_server::Instances for Provider {
    /// Answers never, as a hung cloud.
    async fn batch_get_instances(
        &self,
        _: Request<BatchGetInstancesRequest>,
    ) -> Result<Response<BatchGetInstancesResponse>, Status> {
        let _noted = OnDrop(self.work.dropped.clone());
        std::future::pending().await
    }

    type WatchInstancesStream = BoxStream<'static, Result<WatchInstancesResponse, Status>>;

    /// One heartbeat, then silence.
    async fn watch_instances(
        &self,
        _: Request<WatchInstancesRequest>,
    ) -> Result<Response<Self::WatchInstancesStream>, Status> {
        let first = WatchInstancesResponse { event: Some(Event::Heartbeat(Heartbeat {})) };
        Ok(Response::new(stream::iter([Ok(first)]).chain(stream::pending()).boxed()))
    }
}

#[async_trait]
impl v1::load_balancers_server::LoadBalancers for Provider {
    async fn ensure_load_balancer(
        &self,
        request: Request<EnsureLoadBalancerRequest>,
    ) -> Result<Response<EnsureLoadBalancerResponse>, Status> {
        let _noted = OnDrop(self.work.dropped.clone());
        let call = Call::of(&request)?.clone();
        let request = request.into_inner();
        let key = request.key.clone().unwrap_or_default();
        let cluster = call.caller.cluster(key.cluster.as_ref())?.id.clone();
        let tenant = call.caller.tenant(&key.tenant)?.name.clone();
        let work = self.work.begin();
        let writes = self.kit.writes().clone();
        let answer = writes
            .run(&format!("{cluster}/{}", key.service_uid), request, async move {
                work.await;
                Ok::<_, Error>(EnsureLoadBalancerResponse {
                    state: Some(LoadBalancerState {
                        handle: format!("lb-of-{tenant}"),
                        ..LoadBalancerState::default()
                    }),
                })
            })
            .await?;
        Ok(Response::new(answer))
    }

    async fn update_load_balancer_members(
        &self,
        _: Request<UpdateLoadBalancerMembersRequest>,
    ) -> Result<Response<UpdateLoadBalancerMembersResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn delete_load_balancer(
        &self,
        _: Request<DeleteLoadBalancerRequest>,
    ) -> Result<Response<DeleteLoadBalancerResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn get_load_balancer(
        &self,
        _: Request<GetLoadBalancerRequest>,
    ) -> Result<Response<GetLoadBalancerResponse>, Status> {
        Ok(Response::new(GetLoadBalancerResponse::default()))
    }

    async fn plan_load_balancer(
        &self,
        _: Request<PlanLoadBalancerRequest>,
    ) -> Result<Response<PlanLoadBalancerResponse>, Status> {
        Err(Status::unimplemented("not in this test"))
    }

    type ListLoadBalancersStream = Listing<ListLoadBalancersResponse>;

    async fn list_load_balancers(
        &self,
        _: Request<ListLoadBalancersRequest>,
    ) -> Result<Response<Self::ListLoadBalancersStream>, Status> {
        let batch = Batch { items: vec![OwnedLoadBalancer::default(); 3], observed_at: SystemTime::now() };
        Ok(Response::new(listing(stream::iter([Ok(batch)]))))
    }
}

/// Everything written to it.
#[derive(Clone, Default)]
pub(crate) struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The services of the tests on a daemon.
pub(crate) fn daemon(settings: Settings, work: &Work) -> Daemon {
    let daemon = Daemon::new(settings);
    let kit = daemon.kit();
    let info = ProviderInfo { name: "test".to_owned(), ..ProviderInfo::default() };
    let provider = || Provider { kit: kit.clone(), work: work.clone() };
    daemon.identity(IdentityService::new(kit.clone(), info)).instances(provider()).load_balancers(provider())
}

/// A running daemon on a Unix socket.
pub(crate) struct Rig {
    pub(crate) running: Running,
    pub(crate) work: Work,
    pub(crate) audit: Sink,
    pub(crate) folder: TempDir,
}

impl Rig {
    pub(crate) async fn start(settings: Settings) -> Self {
        let folder = TempDir::new().unwrap();
        let (work, audit) = (Work::default(), Sink::default());
        let listen = vec![format!("unix:{}/p.sock", folder.path().display()).parse().unwrap()];
        let settings = Settings { listen, audit: Audit::to(audit.clone()), ..settings };
        let running = daemon(settings, &work).start().await.unwrap();
        Self { running, work, audit, folder }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.running.endpoints()[0].clone()
    }

    pub(crate) fn channel(&self) -> Channel {
        Channel::new(&self.endpoint(), &ConnectOptions::default()).unwrap()
    }

    pub(crate) fn identity(&self) -> IdentityClient<Channel> {
        IdentityClient::new(self.channel())
    }

    pub(crate) fn instances(&self) -> InstancesClient<Channel> {
        InstancesClient::new(self.channel())
    }

    pub(crate) fn load_balancers(&self) -> LoadBalancersClient<Channel> {
        LoadBalancersClient::new(self.channel())
    }
}

/// With a deadline long enough to be no part of the test.
pub(crate) fn timed<T>(message: T) -> Request<T> {
    within(Duration::from_secs(30), message)
}

pub(crate) fn within<T>(deadline: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

pub(crate) fn handshake() -> Request<HandshakeRequest> {
    timed(HandshakeRequest { api_minors: cloud_provider_api::API_MINORS.to_vec(), ..HandshakeRequest::default() })
}

pub(crate) fn ensure(service: &str) -> Request<EnsureLoadBalancerRequest> {
    let cluster = Some(Cluster { id: "c".to_owned(), name: "c".to_owned() });
    let key = LoadBalancerKey { cluster, service_uid: service.to_owned(), ..LoadBalancerKey::default() };
    timed(EnsureLoadBalancerRequest { key: Some(key), ..EnsureLoadBalancerRequest::default() })
}

pub(crate) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| format!("{}/{}", info.domain, info.reason)).unwrap_or_default()
}

/// Polls until it holds; fails when that takes too long.
pub(crate) async fn until(what: &str, reached: impl Fn() -> bool) {
    let poll = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), poll).await.unwrap_or_else(|_| panic!("not reached: {what}"));
}

pub(crate) fn count(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::SeqCst)
}
