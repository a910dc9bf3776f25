use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{HeaderMap, Request, Response};
use hyper::{
    body::{Bytes, Frame, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use provider_hop::telemetry::{LogFormat, TelemetryOptions, init};
use tokio::net::TcpListener;
use tonic::body::Body;

/// An OTLP collector that keeps the bytes it is sent.
async fn collector() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let kept = Arc::new(Mutex::new(Vec::new()));
    let sink = kept.clone();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let sink = sink.clone();
            let service = service_fn(move |request| export(request, sink.clone()));
            tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tcp), service));
        }
    });
    (endpoint, kept)
}

async fn export(request: Request<Incoming>, sink: Arc<Mutex<Vec<u8>>>) -> Result<Response<Body>, Infallible> {
    assert_eq!(request.uri().path(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    let mut body = request.into_body();
    while let Some(Ok(frame)) =
        std::future::poll_fn(|cx| hyper::body::Body::poll_frame(std::pin::Pin::new(&mut body), cx)).await
    {
        sink.lock().unwrap().extend_from_slice(&frame.into_data().unwrap_or_default());
    }
    Ok(Response::builder().header("content-type", "application/grpc").body(Body::new(Success::default())).unwrap())
}

/// An empty message and a status of zero.
#[derive(Default)]
struct Success(u8);

impl hyper::body::Body for Success {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0 += 1;
        std::task::Poll::Ready(match self.0 {
            1 => Some(Ok(Frame::data(Bytes::from_static(&[0; 5])))),
            2 => Some(Ok(Frame::trailers(HeaderMap::from_iter([(
                "grpc-status".parse().unwrap(),
                "0".parse().unwrap(),
            )])))),
            _ => None,
        })
    }
}

fn options(otlp_endpoint: String) -> TelemetryOptions {
    TelemetryOptions {
        service_name: "provider-hop-test",
        service_version: "1",
        format: LogFormat::Text,
        verbosity: 0,
        otlp_endpoint: Some(otlp_endpoint),
        sampling_ratio: 1.0,
    }
}

// Logging is set up once in a process, so there is only this one test of it.
#[tokio::test(flavor = "multi_thread")]
async fn traces_are_delivered_to_the_collector_before_the_end() {
    let error = init(&options("grpc://collector:4317".to_owned())).unwrap_err().to_string();
    assert!(error.contains("grpc://collector:4317") && error.contains("http://HOST:PORT"), "{error}");

    let (endpoint, kept) = collector().await;
    let guard = init(&options(endpoint)).unwrap();
    tracing::info_span!(target: "provider_hop", "a-span-of-ours").in_scope(|| {});
    tracing::info_span!(target: "h2", "a-span-of-others").in_scope(|| {});
    drop(guard);
    let kept = kept.lock().unwrap();
    let has = |word: &str| kept.windows(word.len()).any(|window| window == word.as_bytes());
    assert!(has("a-span-of-ours") && has("provider-hop-test"), "{}", String::from_utf8_lossy(&kept));
    assert!(!has("a-span-of-others"));
}
