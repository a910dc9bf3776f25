//! What travels beside a call: W3C trace context and the request id that joins the logs of both ends.
//!
//! [`ClientLayer`] writes both onto outgoing calls, [`ServerLayer`] reads them, opens a span for the call and echoes the
//! request id. Neither carries anything of the payload.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderValue, Request, Response};
use opentelemetry::{
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::TraceContextExt as _,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tower::{Layer, Service};
use tracing::{Instrument as _, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Metadata key of the request id.
pub const REQUEST_ID: &str = "x-request-id";
/// Longest request id that is taken over.
const MAX_REQUEST_ID: usize = 128;

/// Joins the log lines of both ends about one call. The caller makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// A new random one.
    pub fn random() -> Self {
        let text = format!("{:032x}", rand::random::<u128>());
        Self(HeaderValue::from_str(&text).expect("hex digits are a header value"))
    }

    /// The one a call carries, if it has a plain one of sane length.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(REQUEST_ID)?;
        let sane = (1..=MAX_REQUEST_ID).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
        sane.then(|| Self(value.clone()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// As metadata.
    pub fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Writes the current span's trace context, and a request id unless there is one, onto a call's metadata.
pub fn inject(headers: &mut HeaderMap) {
    let context = Span::current().context();
    if context.span().span_context().is_valid() {
        TraceContextPropagator::new().inject_context(&context, &mut Headers(headers));
    } else if !headers.contains_key("traceparent") {
        // Nothing is exported here; logs and exporters elsewhere can still join what belongs together.
        headers.insert("traceparent", unsampled());
    }
    if !headers.contains_key(REQUEST_ID) {
        headers.insert(REQUEST_ID, RequestId::random().0);
    }
}

fn unsampled() -> HeaderValue {
    // Zero is not a valid id.
    let trace = rand::random::<u128>().max(1);
    let span = rand::random::<u64>().max(1);
    HeaderValue::from_str(&format!("00-{trace:032x}-{span:016x}-00")).expect("hex digits are a header value")
}

/// The trace context a call carries; an empty one if it carries none.
pub fn extract(headers: &HeaderMap) -> opentelemetry::Context {
    TraceContextPropagator::new().extract(&Extracted(headers))
}

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

struct Extracted<'a>(&'a HeaderMap);

impl Extractor for Extracted<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// For a gRPC channel: see [`inject`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientLayer;

/// See [`ClientLayer`].
#[derive(Clone, Debug)]
pub struct ClientService<S>(S);

impl<S> Layer<S> for ClientLayer {
    type Service = ClientService<S>;

    fn layer(&self, inner: S) -> ClientService<S> {
        ClientService(inner)
    }
}

impl<S, B> Service<Request<B>> for ClientService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        inject(request.headers_mut());
        self.0.call(request)
    }
}

/// For a gRPC server: a span per call, child of the caller's; [`RequestId`] in the request's extensions and in the
/// response's metadata.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerLayer;

/// See [`ServerLayer`].
#[derive(Clone, Debug)]
pub struct ServerService<S>(S);

impl<S> Layer<S> for ServerLayer {
    type Service = ServerService<S>;

    fn layer(&self, inner: S) -> ServerService<S> {
        ServerService(inner)
    }
}

impl<S, B, R> Service<Request<B>> for ServerService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let id = RequestId::of(request.headers()).unwrap_or_else(RequestId::random);
        let span = server_span(&request, &id);
        request.extensions_mut().insert(id.clone());
        let call = span.in_scope(|| self.0.call(request));
        let recorded = span.clone();
        Box::pin(
            async move {
                let mut response = call.await?;
                if let Some(status) = response.headers().get("grpc-status").and_then(|status| status.to_str().ok()) {
                    recorded.record("rpc.grpc.status_code", status);
                }
                response.headers_mut().insert(REQUEST_ID, id.0);
                Ok(response)
            }
            .instrument(span),
        )
    }
}

fn server_span<B>(request: &Request<B>, id: &RequestId) -> Span {
    let method = request.uri().path().trim_start_matches('/');
    let span = tracing::info_span!(
        "call",
        otel.name = method,
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.method = method,
        rpc.grpc.status_code = Empty,
        request_id = id.as_str(),
    );
    // Fails where nothing is exported, which is fine.
    let _ = span.set_parent(extract(request.headers()));
    span
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::{
        error::OTelSdkResult,
        trace::{SdkTracerProvider, SpanData, SpanExporter},
    };
    use tower::{ServiceExt as _, service_fn};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[derive(Clone, Debug, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Kept {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    #[test]
    fn every_call_carries_a_trace_and_a_request_id() {
        let mut first = HeaderMap::new();
        inject(&mut first);
        assert!(extract(&first).span().span_context().is_valid());
        assert!(!extract(&first).span().span_context().is_sampled());
        let id = RequestId::of(&first).unwrap();
        assert_eq!(id.as_str().len(), 32);
        let mut again = first.clone();
        inject(&mut again);
        assert_eq!(again, first, "what the caller has set stays");
    }

    #[test]
    fn request_ids_that_could_harm_a_log_are_replaced() {
        assert_eq!(RequestId::of(&headers(&[(REQUEST_ID, "abc-1")])).unwrap().as_str(), "abc-1");
        for wrong in ["", "a b", &"x".repeat(129)] {
            assert_eq!(RequestId::of(&headers(&[(REQUEST_ID, wrong)])), None, "{wrong:?}");
        }
        assert_eq!(RequestId::of(&HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn the_servers_span_is_a_child_of_the_clients() {
        let kept = Kept::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

        let server = ServerLayer.layer(service_fn(|request: Request<()>| async move {
            assert!(request.extensions().get::<RequestId>().is_some());
            Ok::<_, std::convert::Infallible>(Response::new(()))
        }));
        let client = ClientLayer.layer(server);
        let call = Request::builder().uri("/cloudprovider.v1.Identity/Handshake").body(()).unwrap();
        let response = client.oneshot(call).instrument(tracing::info_span!("outer")).await.unwrap();
        assert!(RequestId::of(response.headers()).is_some(), "the request id is echoed");

        let spans = kept.0.lock().unwrap();
        let outer = spans.iter().find(|span| span.name == "outer").unwrap();
        let inner = spans.iter().find(|span| span.name == "cloudprovider.v1.Identity/Handshake").unwrap();
        assert_eq!(inner.parent_span_id, outer.span_context.span_id());
        assert_eq!(inner.span_context.trace_id(), outer.span_context.trace_id());
    }
}
