//! One trace from the controller's work to the daemon's, seen by a collector.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use anyhow::{Result, ensure};
use e2e::{Settings, World};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, transport::Server};

/// Span, its parent, and the service it is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    service: String,
    name: String,
}

/// A collector that keeps what it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<BTreeSet<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.0.lock().expect("no panic");
        for of_resource in request.into_inner().resource_spans {
            let attributes = of_resource.resource.unwrap_or_default().attributes;
            let service = attributes.iter().find(|attribute| attribute.key == "service.name");
            let service = service.and_then(|attribute| match attribute.value.as_ref()?.value.as_ref()? {
                Value::StringValue(name) => Some(name.clone()),
                _ => None,
            });
            for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.insert(Span {
                    trace: span.trace_id,
                    id: span.span_id,
                    parent: span.parent_span_id,
                    service: service.clone().unwrap_or_default(),
                    name: span.name,
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Starts to serve; where.
    async fn start(&self) -> Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let service = TraceServiceServer::new(self.clone());
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        Ok(format!("http://{address}"))
    }

    /// Spans of the daemon whose parent is a span of the controller in the same trace.
    fn crossings(&self) -> Vec<(String, String)> {
        let spans = self.0.lock().expect("no panic");
        let of = |service: &'static str| spans.iter().filter(move |span| span.service == service);
        of("provider-mock")
            .filter_map(|daemons| {
                let caller = of("cloud-controller-manager")
                    .find(|span| span.trace == daemons.trace && span.id == daemons.parent)?;
                Some((caller.name.clone(), daemons.name.clone()))
            })
            .collect()
    }
}

#[tokio::test]
async fn a_trace_crosses_from_the_controller_to_the_daemon() -> Result<()> {
    let collector = Collector::default();
    let endpoint = format!("--otlp-endpoint={}", collector.start().await?);
    let (mock_args, controller_args) = (vec![endpoint.clone()], vec![endpoint]);
    let mut world = World::start(Settings { mock_args, controller_args, ..Settings::default() }).await?;
    world.join(1).await?;
    world.expose("web", 8080).await?;
    world
        .see("spans of both ends in one trace", async || {
            let crossings = collector.crossings();
            for method in ["BatchGetInstances", "EnsureLoadBalancer"] {
                let seen = crossings.iter().any(|(caller, daemon)| caller == method && daemon.contains(method));
                ensure!(seen, "{method} is not among {crossings:?}");
            }
            Ok(())
        })
        .await
}
