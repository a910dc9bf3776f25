//! The provider on a real socket.

use std::time::Duration;

use cloud_provider_api::v1::{
    self, identity_client::IdentityClient, instances_client::InstancesClient,
    load_balancers_client::LoadBalancersClient,
};
use provider_kit::{
    Access, Daemon, Running, Settings,
    hop::{
        Endpoint,
        connect::{Channel, ConnectOptions},
    },
};
use provider_mock::{MockProvider, scenario::parse_rules, serve, testing::serve_unix};
use tempfile::TempDir;
use tonic::{Code, Request};

use crate::requests::*;

struct Served {
    provider: MockProvider,
    channel: Channel,
    running: Running,
    _folder: TempDir,
}

async fn served(scenario: &str) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let provider = provider(scenario);
    let running = serve_unix(folder.path(), &provider).await.unwrap();
    let channel = Channel::new(&running.endpoints()[0], &ConnectOptions::default()).unwrap();
    Served { provider, channel, running, _folder: folder }
}

impl Served {
    async fn ensure(&self, service: &str) -> Result<v1::LoadBalancerState, tonic::Status> {
        let mut client = LoadBalancersClient::new(self.channel.clone());
        let response = client.ensure_load_balancer(timely(ensure_request(service))).await?;
        Ok(response.into_inner().state.unwrap())
    }
}

fn timely<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(10));
    request
}

fn hello() -> Request<v1::HandshakeRequest> {
    timely(v1::HandshakeRequest {
        controller_name: "test".to_owned(),
        api_minors: cloud_provider_api::API_MINORS.to_vec(),
        ..v1::HandshakeRequest::default()
    })
}

#[tokio::test]
async fn a_dropped_answer_cuts_the_connection_after_the_effect_or_before_it() {
    for (at, want) in [("before", 0), ("after", 1)] {
        let served = served("loadBalancers: {provisioning: 0s}").await;
        let rule = format!(
            "[{{match: {{method: EnsureLoadBalancer}}, when: {{nth: 1}}, effects: [{{loseAnswer: {{at: {at}}}}}]}}]"
        );
        served.provider.set_rules(parse_rules(&rule).unwrap());
        let status = served.ensure("web").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{at}: {status:?}");
        assert!(status.message().contains("lost"), "{at}: the connection and no answer: {status:?}");
        assert_eq!(served.provider.cloud().load_balancers().len(), want, "{at}");
        ready(served.ensure("web").await.unwrap());
        assert_eq!(served.provider.cloud().load_balancers().len(), 1, "{at}");
    }
}

#[tokio::test]
async fn a_new_epoch_is_on_every_answer() {
    let served = served("").await;
    let mut client = IdentityClient::new(served.channel.clone());
    let header = async |client: &mut IdentityClient<Channel>| {
        let response = client.handshake(hello()).await.unwrap();
        let header = response.metadata().get("x-provider-epoch").unwrap().to_str().unwrap().to_owned();
        assert_eq!(response.into_inner().epoch, header);
        header
    };
    let first = header(&mut client).await;
    assert_eq!(header(&mut client).await, first);
    served.provider.renew_epoch();
    assert_ne!(header(&mut client).await, first);
}

#[tokio::test]
async fn a_hundred_machines_take_well_under_a_millisecond_of_the_provider() {
    let served = served("").await;
    let nodes: Vec<_> = (0..100).map(|n| node(&format!("node-{n}"), "")).collect();
    let request = v1::BatchGetInstancesRequest { cluster: Some(cluster()), nodes: nodes.clone(), max_age: None };
    let mut client = InstancesClient::new(served.channel.clone());
    let results = client.batch_get_instances(timely(request)).await.unwrap().into_inner().results;
    assert_eq!(results.len(), 100);
    // The least of many, so that a busy machine does not matter.
    let mut least = Duration::MAX;
    for _ in 0..50 {
        let began = std::time::Instant::now();
        batch(&served.provider, nodes.clone()).await.unwrap();
        least = least.min(began.elapsed());
    }
    // Debug builds are some ten times slower than what is shipped.
    assert!(least < Duration::from_millis(5), "{least:?}");
}

#[tokio::test]
async fn a_shutdown_ends_watches_and_finishes_writes() {
    let served = served("loadBalancers: {provisioning: 0s, callDuration: 100ms}").await;
    let mut client = InstancesClient::new(served.channel.clone());
    let request = v1::WatchInstancesRequest { cluster: Some(cluster()) };
    let mut stream = client.watch_instances(timely(request)).await.unwrap().into_inner();
    stream.message().await.unwrap();
    let impatient = tokio::time::timeout(Duration::from_millis(150), served.ensure("web")).await;
    assert!(impatient.is_err());
    assert!(served.running.stop().await, "the write was left behind");
    assert_eq!(ready(get(&served.provider, "web").await.unwrap()).spec_hash, "hash-1");
    assert!(!matches!(stream.message().await, Ok(Some(_))), "the stream has an end");
}

#[tokio::test]
async fn a_caller_has_the_clusters_tenants_and_limits_of_the_access_file() {
    let folder = tempfile::tempdir().unwrap();
    let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(folder.path()).unwrap());
    let access = format!(
        "{{callers: [{{uid: {uid}, clusters: [cluster-1], defaultTenant: shared, tenants: [team-a, team-c]}}], \
         tenants: {{shared: {{}}, team-a: {{maxLoadBalancers: 1}}, team-c: {{maxPublicAddresses: 1}}}}}}"
    );
    let file = folder.path().join("access.yaml");
    std::fs::write(&file, access).unwrap();
    let provider = provider("loadBalancers: {provisioning: 0s}");
    let settings = Settings {
        listen: vec![Endpoint::Unix(folder.path().join("provider.sock"))],
        access: Access::nobody().add_file(&file, None).unwrap(),
        ..Settings::default()
    };
    let running = serve(Daemon::new(settings), &provider).start().await.unwrap();
    let channel = Channel::new(&running.endpoints()[0], &ConnectOptions::default()).unwrap();
    let response = IdentityClient::new(channel.clone()).handshake(hello()).await.unwrap().into_inner();
    assert!(response.capabilities().any(|capability| capability == v1::Capability::Tenants));
    assert_eq!(response.tenants, ["team-a", "team-c"]);

    let ensure = async |service: &str, tenant: &str, cluster: &str| {
        let mut request = ensure_request(service);
        let key = request.key.as_mut().unwrap();
        tenant.clone_into(&mut key.tenant);
        cluster.clone_into(&mut key.cluster.as_mut().unwrap().id);
        let mut client = LoadBalancersClient::new(channel.clone());
        client.ensure_load_balancer(timely(request)).await.map(drop).map_err(|status| reason(&status))
    };
    assert_eq!(ensure("one", "", "cluster-1").await, Ok(()));
    assert_eq!(ensure("two", "team-a", "cluster-1").await, Ok(()));
    assert_eq!(ensure("three", "team-a", "cluster-1").await, Err("QUOTA_EXHAUSTED".to_owned()));
    assert_eq!(ensure("three", "team-c", "cluster-1").await, Ok(()));
    assert_eq!(ensure("four", "team-c", "cluster-1").await, Err("QUOTA_EXHAUSTED".to_owned()));
    assert_eq!(ensure("four", "team-b", "cluster-1").await, Err("TENANT_NOT_ALLOWED".to_owned()));
    assert_eq!(ensure("five", "", "cluster-2").await, Err("TENANT_NOT_ALLOWED".to_owned()));
    let mut tenants: Vec<_> = provider.cloud().load_balancers().into_iter().map(|object| object.owner.tenant).collect();
    tenants.sort();
    assert_eq!(tenants, ["shared", "team-a", "team-c"]);
}
