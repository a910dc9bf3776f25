//! An API server for unit tests: the test sees each request and says what is answered, in the order it likes.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

/// The test's end.
#[derive(Debug)]
pub(crate) struct ScriptedApi(mpsc::UnboundedReceiver<Call>);

/// A request that waits for its answer.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// The JSON body, `null` when there is none.
    pub(crate) body: Value,
    answer: oneshot::Sender<Response<Full<Bytes>>>,
}

impl ScriptedApi {
    /// A client and the script's end of it.
    pub(crate) fn new() -> (Client, Self) {
        let (calls, receiver) = mpsc::unbounded_channel();
        let calls = Arc::new(calls);
        let service = tower::service_fn(move |request: Request<Body>| {
            let calls = Arc::clone(&calls);
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let (answer, answered) = oneshot::channel();
                let call = Call {
                    method: parts.method.to_string(),
                    path: parts.uri.path().to_owned(),
                    query: parts.uri.query().unwrap_or_default().to_owned(),
                    body: serde_json::from_slice(&body).unwrap_or(Value::Null),
                    answer,
                };
                calls.send(call).map_err(|_| "the script has ended")?;
                answered.await.map_err(|_| tower::BoxError::from("connection cut by the script"))
            }
        });
        (Client::new(service, "default"), Self(receiver))
    }

    /// The next request; waits for it.
    pub(crate) async fn next(&mut self) -> Call {
        self.0.recv().await.expect("the client is still there")
    }

    /// The next request, if there is one already.
    pub(crate) fn try_next(&mut self) -> Option<Call> {
        self.0.try_recv().ok()
    }
}

impl Call {
    /// Answers with this status and body.
    pub(crate) fn answer(self, code: u16, body: &Value) {
        let response = Response::builder().status(code).body(Full::from(body.to_string())).expect("a response");
        // The caller may have gone away; that is its affair.
        let _ = self.answer.send(response);
    }

    /// Answers with a `Status` of this reason.
    pub(crate) fn refuse(self, code: u16, reason: &str) {
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason,
        });
        self.answer(code, &status);
    }

    /// Cuts the connection.
    pub(crate) fn cut(self) {
        drop(self.answer);
    }
}
