//! A daemon made of a script, for tests of whatever stands on the facade: every method can be told what to answer, every
//! call is kept, and connections can be cut, closed politely or kept from opening.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cloud_provider_api::{
    API_MINORS, error,
    v1::{
        self, identity_server::IdentityServer, instances_server::InstancesServer,
        load_balancers_server::LoadBalancersServer, routes_server::RoutesServer,
    },
};
use controller_core::{
    provider::{Account, Capability, LoadBalancerKey, LoadBalancerSpec, NodeReference},
    view::{IpFamily, IpFamilyPolicy, Protocol, ServicePort},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, metadata::MetadataMap, transport::Server};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{Health, HealthServer},
};

use super::{Cluster, Deadlines, Dialer, Info, Limits, Provider, Providers, Remote, Settings, Status as State, Stream};
use crate::metrics::Metrics;

/// What a method answers.
type Handler<Q, A> = Arc<dyn Fn(Q) -> BoxFuture<'static, Result<A, Status>> + Send + Sync>;
/// What a streaming method answers.
pub(crate) type Pages<T> = Pin<Box<dyn futures::Stream<Item = Result<T, Status>> + Send>>;

/// A call as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) metadata: MetadataMap,
}

/// A daemon made of a script. Cheap to clone; clones are one daemon.
#[derive(Clone)]
pub(crate) struct Daemon(Arc<Mutex<Script>>);

struct Script {
    /// Sent with every answer unless empty.
    epoch: String,
    health: tokio::sync::watch::Sender<ServingStatus>,
    calls: Vec<Call>,
    /// Cuts the connections there are.
    cut: CancellationToken,
    /// Closes them politely.
    goodbye: CancellationToken,
    refuses: bool,
    dials: usize,
    handlers: Handlers,
}

macro_rules! methods {
    ($($method:ident: $request:ident => $answer:ty, $default:expr;)+) => {
        struct Handlers {
            $($method: Handler<v1::$request, $answer>,)+
        }

        impl Default for Handlers {
            fn default() -> Self {
                Self { $($method: at_once($default),)+ }
            }
        }

        impl Daemon {
            $(
                /// Tells the method what to answer from now on.
                pub(crate) fn $method<F>(&self, answer: impl Fn(v1::$request) -> F + Send + Sync + 'static)
                where
                    F: Future<Output = Result<$answer, Status>> + Send + 'static,
                {
                    self.lock().handlers.$method = Arc::new(move |request| answer(request).boxed());
                }
            )+
        }
    };
}

methods! {
    on_handshake: HandshakeRequest => v1::HandshakeResponse, |_| Ok(handshake("test"));
    on_status: GetStatusRequest => v1::GetStatusResponse, |_| Ok(v1::GetStatusResponse::default());
    on_instances: BatchGetInstancesRequest => v1::BatchGetInstancesResponse, |request| Ok(all_found(&request));
    on_watch: WatchInstancesRequest => Pages<v1::WatchInstancesResponse>, |_| Ok(pages(stream::pending()));
    on_ensure: EnsureLoadBalancerRequest => v1::EnsureLoadBalancerResponse,
        |_| Ok(v1::EnsureLoadBalancerResponse { state: Some(ready("192.0.2.1")) });
    on_update: UpdateLoadBalancerMembersRequest => v1::UpdateLoadBalancerMembersResponse,
        |_| Ok(v1::UpdateLoadBalancerMembersResponse { state: Some(ready("192.0.2.1")) });
    on_delete: DeleteLoadBalancerRequest => v1::DeleteLoadBalancerResponse, |_| Ok(deleted());
    on_get: GetLoadBalancerRequest => v1::GetLoadBalancerResponse,
        |_| Ok(v1::GetLoadBalancerResponse { state: Some(ready("192.0.2.1")), observed_at: Some(crate::clock::system_time().into()) });
    on_plan: PlanLoadBalancerRequest => v1::PlanLoadBalancerResponse, |_| Ok(v1::PlanLoadBalancerResponse::default());
    on_list: ListLoadBalancersRequest => Pages<v1::ListLoadBalancersResponse>, |_| Err(Status::unimplemented("no script"));
    on_list_routes: ListRoutesRequest => Pages<v1::ListRoutesResponse>, |_| Err(Status::unimplemented("no script"));
    on_create_routes: CreateRoutesRequest => v1::CreateRoutesResponse,
        |request: v1::CreateRoutesRequest| Ok(v1::CreateRoutesResponse { results: done(&request.routes) });
    on_delete_routes: DeleteRoutesRequest => v1::DeleteRoutesResponse,
        |request: v1::DeleteRoutesRequest| Ok(v1::DeleteRoutesResponse { results: done(&request.routes) });
}

fn at_once<Q, A: Send + 'static>(answer: impl Fn(Q) -> Result<A, Status> + Send + Sync + 'static) -> Handler<Q, A> {
    Arc::new(move |request| futures::future::ready(answer(request)).boxed())
}

/// A stream of pages.
pub(crate) fn pages<T>(pages: impl futures::Stream<Item = Result<T, Status>> + Send + 'static) -> Pages<T> {
    Box::pin(pages)
}

impl Daemon {
    /// A daemon that can do everything, finds every machine and makes every load balancer at once.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Script {
            epoch: "e1".into(),
            health: tokio::sync::watch::Sender::new(ServingStatus::Serving),
            calls: vec![],
            cut: CancellationToken::new(),
            goodbye: CancellationToken::new(),
            refuses: false,
            dials: 0,
            handlers: Handlers::default(),
        })))
    }

    /// A daemon of another name, which also is its only scheme.
    pub(crate) fn named(name: &'static str) -> Self {
        let this = Self::new();
        this.on_handshake(move |_| async move { Ok(handshake(name)) });
        this
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls of one method so far.
    pub(crate) fn calls(&self, method: &str) -> Vec<Call> {
        self.lock().calls.iter().filter(|call| call.method == method).cloned().collect()
    }

    /// How often a connection was asked for.
    pub(crate) fn dials(&self) -> usize {
        self.lock().dials
    }

    /// The daemon restarts: another epoch, and every connection is cut.
    pub(crate) fn restart(&self, epoch: &str) {
        self.change_epoch(epoch);
        self.cut();
    }

    /// Another daemon answers on the connections there are.
    pub(crate) fn change_epoch(&self, epoch: &str) {
        epoch.clone_into(&mut self.lock().epoch);
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        std::mem::take(&mut self.lock().cut).cancel();
    }

    /// Takes no more calls on the connections there are, and answers those under way.
    pub(crate) fn say_goodbye(&self) {
        std::mem::take(&mut self.lock().goodbye).cancel();
    }

    /// Opens no connection any more, or again.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.lock().refuses = refuses;
    }

    /// What the standard health service says.
    pub(crate) fn set_health(&self, health: ServingStatus) {
        self.lock().health.send_replace(health);
    }

    /// Serves one connection until it ends.
    pub(crate) fn serve(&self, mut connection: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let (goodbye, cut) = {
            let script = self.lock();
            (script.goodbye.clone(), script.cut.clone())
        };
        let router = Server::builder()
            .add_service(IdentityServer::new(self.clone()))
            .add_service(InstancesServer::new(self.clone()))
            .add_service(LoadBalancersServer::new(self.clone()))
            .add_service(RoutesServer::new(self.clone()))
            .add_service(HealthServer::new(self.clone()));
        let (mut near, far) = tokio::io::duplex(1 << 16);
        let incoming = stream::iter([Ok::<_, std::io::Error>(far)]).chain(stream::pending());
        tokio::spawn(router.serve_with_incoming_shutdown(incoming, goodbye.cancelled_owned()));
        // The cable between them can be cut.
        let cable = async move { tokio::io::copy_bidirectional(&mut connection, &mut near).await };
        tokio::spawn(async move { cut.run_until_cancelled(cable).await });
    }

    /// Where this daemon is reached without any socket.
    pub(crate) fn remote(&self) -> Remote {
        let this = self.clone();
        let dialer = Dialer::new(move || {
            let this = this.clone();
            Box::pin(async move { this.dial() })
        });
        Remote { endpoint: "unix:/run/test.sock".into(), dialer }
    }

    fn dial(&self) -> std::io::Result<Box<dyn Stream>> {
        let refuses = {
            let mut script = self.lock();
            script.dials += 1;
            script.refuses
        };
        if refuses {
            return Err(std::io::ErrorKind::ConnectionRefused.into());
        }
        let (client, server) = tokio::io::duplex(1 << 16);
        self.serve(server);
        Ok(Box::new(client))
    }

    async fn answer<Q, A>(
        &self,
        method: &'static str,
        request: Request<Q>,
        pick: fn(&Handlers) -> &Handler<Q, A>,
    ) -> Result<Response<A>, Status> {
        let (metadata, _, message) = request.into_parts();
        let (epoch, handler) = {
            let mut script = self.lock();
            script.calls.push(Call { method, metadata });
            (script.epoch.clone(), pick(&script.handlers).clone())
        };
        let stamp = |metadata: &mut MetadataMap| {
            if !epoch.is_empty() {
                metadata.insert(error::metadata::PROVIDER_EPOCH, epoch.parse().expect("an epoch is ASCII"));
            }
        };
        match handler(message).await {
            Ok(answer) => {
                let mut response = Response::new(answer);
                stamp(response.metadata_mut());
                Ok(response)
            }
            Err(mut status) => {
                stamp(status.metadata_mut());
                Err(status)
            }
        }
    }
}

type Answer<A> = Result<Response<A>, Status>;

#[tonic::async_trait]
impl v1::identity_server::Identity for Daemon {
    async fn handshake(&self, request: Request<v1::HandshakeRequest>) -> Answer<v1::HandshakeResponse> {
        let mut answer = self.answer("Handshake", request, |handlers| &handlers.on_handshake).await?;
        answer.get_mut().epoch.clone_from(&self.lock().epoch);
        Ok(answer)
    }

    async fn get_status(&self, request: Request<v1::GetStatusRequest>) -> Answer<v1::GetStatusResponse> {
        let mut answer = self.answer("GetStatus", request, |handlers| &handlers.on_status).await?;
        answer.get_mut().epoch.clone_from(&self.lock().epoch);
        Ok(answer)
    }
}

#[tonic::async_trait]
impl v1::instances_server::Instances for Daemon {
    type WatchInstancesStream = Pages<v1::WatchInstancesResponse>;

    async fn batch_get_instances(
        &self,
        request: Request<v1::BatchGetInstancesRequest>,
    ) -> Answer<v1::BatchGetInstancesResponse> {
        self.answer("BatchGetInstances", request, |handlers| &handlers.on_instances).await
    }

    async fn watch_instances(&self, request: Request<v1::WatchInstancesRequest>) -> Answer<Self::WatchInstancesStream> {
        self.answer("WatchInstances", request, |handlers| &handlers.on_watch).await
    }
}

#[tonic::async_trait]
impl v1::load_balancers_server::LoadBalancers for Daemon {
    type ListLoadBalancersStream = Pages<v1::ListLoadBalancersResponse>;

    async fn ensure_load_balancer(
        &self,
        request: Request<v1::EnsureLoadBalancerRequest>,
    ) -> Answer<v1::EnsureLoadBalancerResponse> {
        self.answer("EnsureLoadBalancer", request, |handlers| &handlers.on_ensure).await
    }

    async fn update_load_balancer_members(
        &self,
        request: Request<v1::UpdateLoadBalancerMembersRequest>,
    ) -> Answer<v1::UpdateLoadBalancerMembersResponse> {
        self.answer("UpdateLoadBalancerMembers", request, |handlers| &handlers.on_update).await
    }

    async fn delete_load_balancer(
        &self,
        request: Request<v1::DeleteLoadBalancerRequest>,
    ) -> Answer<v1::DeleteLoadBalancerResponse> {
        self.answer("DeleteLoadBalancer", request, |handlers| &handlers.on_delete).await
    }

    async fn get_load_balancer(
        &self,
        request: Request<v1::GetLoadBalancerRequest>,
    ) -> Answer<v1::GetLoadBalancerResponse> {
        self.answer("GetLoadBalancer", request, |handlers| &handlers.on_get).await
    }

    async fn plan_load_balancer(
        &self,
        request: Request<v1::PlanLoadBalancerRequest>,
    ) -> Answer<v1::PlanLoadBalancerResponse> {
        self.answer("PlanLoadBalancer", request, |handlers| &handlers.on_plan).await
    }

    async fn list_load_balancers(
        &self,
        request: Request<v1::ListLoadBalancersRequest>,
    ) -> Answer<Self::ListLoadBalancersStream> {
        self.answer("ListLoadBalancers", request, |handlers| &handlers.on_list).await
    }
}

#[tonic::async_trait]
impl v1::routes_server::Routes for Daemon {
    type ListRoutesStream = Pages<v1::ListRoutesResponse>;

    async fn list_routes(&self, request: Request<v1::ListRoutesRequest>) -> Answer<Self::ListRoutesStream> {
        self.answer("ListRoutes", request, |handlers| &handlers.on_list_routes).await
    }

    async fn create_routes(&self, request: Request<v1::CreateRoutesRequest>) -> Answer<v1::CreateRoutesResponse> {
        self.answer("CreateRoutes", request, |handlers| &handlers.on_create_routes).await
    }

    async fn delete_routes(&self, request: Request<v1::DeleteRoutesRequest>) -> Answer<v1::DeleteRoutesResponse> {
        self.answer("DeleteRoutes", request, |handlers| &handlers.on_delete_routes).await
    }
}

#[tonic::async_trait]
impl Health for Daemon {
    type WatchStream = Pages<HealthCheckResponse>;

    async fn check(&self, _: Request<HealthCheckRequest>) -> Answer<HealthCheckResponse> {
        let status = *self.lock().health.borrow();
        Ok(Response::new(HealthCheckResponse { status: status.into() }))
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Answer<Self::WatchStream> {
        let changes = tokio_stream::wrappers::WatchStream::new(self.lock().health.subscribe());
        Ok(Response::new(pages(changes.map(|status| Ok(HealthCheckResponse { status: status.into() })))))
    }
}

/// What the daemon says of itself unless told otherwise. Name and scheme are the same; the epoch is filled in.
pub(crate) fn handshake(name: &str) -> v1::HandshakeResponse {
    v1::HandshakeResponse {
        provider_name: name.into(),
        provider_version: "1.0".into(),
        api_minor: API_MINORS[0],
        epoch: String::new(),
        provider_id_schemes: vec![name.into()],
        accounts: vec![v1::Account { id: "a1".into(), region: "r1".into() }],
        capabilities: (1..=12).collect(),
        limits: None,
        annotation_prefixes: vec!["test.example/".into()],
        node_selector_annotations: vec!["test.example/nodes".into()],
        tenants: vec!["t1".into()],
    }
}

/// Every machine asked for, running.
pub(crate) fn all_found(request: &v1::BatchGetInstancesRequest) -> v1::BatchGetInstancesResponse {
    let result = |node: &v1::NodeReference| {
        let provider_id =
            if node.provider_id.is_empty() { format!("test://{}", node.node_name) } else { node.provider_id.clone() };
        let machine = v1::Instance {
            provider_id,
            state: v1::InstanceState::Running.into(),
            account: "a1".into(),
            ..v1::Instance::default()
        };
        v1::InstanceResult {
            node_name: node.node_name.clone(),
            answer: Some(v1::instance_result::Answer::Found(machine)),
            observed_at: Some(crate::clock::system_time().into()),
        }
    };
    v1::BatchGetInstancesResponse { results: request.nodes.iter().map(result).collect() }
}

/// A load balancer with one address.
pub(crate) fn ready(ip: &str) -> v1::LoadBalancerState {
    let ingress = vec![v1::Ingress { ip: ip.into(), ..v1::Ingress::default() }];
    v1::LoadBalancerState {
        phase: Some(v1::load_balancer_state::Phase::Ready(v1::Ready { ingress, spec_hash: String::new() })),
        handle: "lb-1".into(),
        notices: vec![],
    }
}

fn deleted() -> v1::DeleteLoadBalancerResponse {
    let outcome = v1::delete_load_balancer_response::Outcome::Deleted(v1::Deleted {});
    v1::DeleteLoadBalancerResponse { outcome: Some(outcome), notices: vec![] }
}

fn done(items: &[v1::RouteItem]) -> Vec<v1::RouteResult> {
    items.iter().map(|item| v1::RouteResult { id: item.id, status: Some(v1::ItemStatus::default()) }).collect()
}

/// What [`handshake`] becomes.
pub(crate) fn info() -> Info {
    Info {
        name: "test".into(),
        version: "1.0".into(),
        api_minor: API_MINORS[0],
        epoch: "e1".into(),
        schemes: vec!["test".into()],
        accounts: vec![Account { id: "a1".into(), region: "r1".into() }],
        capabilities: Capability::ALL.into(),
        limits: Limits::default(),
        annotation_prefixes: vec!["test.example/".into()],
        node_selector_annotations: vec!["test.example/nodes".into()],
        tenants: vec!["t1".into()],
    }
}

/// The cluster of the tests.
pub(crate) fn cluster() -> Cluster {
    Cluster { id: "c-1".into(), name: "prod".into() }
}

/// A node called like this.
pub(crate) fn node(name: &str) -> NodeReference {
    NodeReference {
        node_name: name.into(),
        node_uid: format!("uid-{name}"),
        provider_id: format!("test://{name}"),
        addresses: vec![],
        annotations: [].into(),
    }
}

/// The key of a Service.
pub(crate) fn key() -> LoadBalancerKey {
    LoadBalancerKey {
        namespace: "default".into(),
        name: "web".into(),
        uid: "u1".into(),
        tenant: "t1".into(),
        handle: "lb-1".into(),
        attempted: true,
        published: vec!["192.0.2.9".into()],
    }
}

/// A Service that uses every field.
pub(crate) fn spec() -> LoadBalancerSpec {
    LoadBalancerSpec {
        ports: vec![ServicePort {
            name: "web".into(),
            protocol: Protocol::Tcp,
            port: 80,
            node_port: Some(30_080),
            target_port: "8080".into(),
            app_protocol: String::new(),
        }],
        source_ranges: vec!["10.0.0.0/8".into()],
        local_traffic: true,
        health_check_node_port: Some(32_000),
        client_ip_affinity: Some(Duration::from_hours(3)),
        load_balancer_ip: String::new(),
        load_balancer_class: String::new(),
        ip_families: vec![IpFamily::V4],
        ip_family_policy: IpFamilyPolicy::PreferDualStack,
        annotations: [("test.example/eip".to_owned(), "e".to_owned()), ("other/x".to_owned(), "y".to_owned())].into(),
        external_ips: vec![],
    }
}

/// Settings of a controller that allows everything.
pub(crate) fn settings() -> Settings {
    Settings {
        cluster: cluster(),
        default_provider: None,
        classes: [].into(),
        accounts: vec![],
        node_selectors: [].into(),
        deadlines: Deadlines::default(),
        standing: None,
    }
}

/// The facade over these daemons, and what it counts. It stops when dropped.
pub(crate) struct Facade {
    pub(crate) providers: Providers,
    pub(crate) metrics: Metrics,
    pub(crate) stop: CancellationToken,
}

impl Facade {
    /// Starts; waits for nothing.
    pub(crate) fn start(remotes: Vec<Remote>, settings: &Settings) -> Self {
        let metrics = Metrics::new();
        let stop = CancellationToken::new();
        let providers = Providers::start(remotes, settings, &metrics.provider, &stop);
        Self { providers, metrics, stop }
    }

    /// Over one daemon, connected.
    pub(crate) async fn over(daemon: &Daemon) -> Self {
        let this = Self::start(vec![daemon.remote()], &settings());
        this.provider().until_ready().await;
        this
    }

    /// The first provider.
    pub(crate) fn provider(&self) -> Provider {
        self.providers.all()[0].clone()
    }
}

impl Drop for Facade {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Provider {
    /// Waits until it can be asked.
    pub(crate) async fn until_ready(&self) -> Arc<Info> {
        let mut status = self.status();
        let ready =
            status.wait_for(|status| matches!(status, State::Ready(_))).await.expect("the provider lives").clone();
        ready.info().expect("ready").clone()
    }

    /// Waits until it cannot be asked, for a reason.
    pub(crate) async fn until_away(&self) -> controller_core::fault::Fault {
        let mut status = self.status();
        let told = |status: &State| matches!(status, State::Away { fault: Some(_), .. });
        match status.wait_for(told).await.expect("the provider lives").clone() {
            State::Away { fault: Some(fault), .. } => fault,
            other => panic!("{other:?}"),
        }
    }
}
