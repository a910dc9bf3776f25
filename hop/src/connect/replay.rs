//! A request that can be sent again as long as the server has not begun with it.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use http::Request;
use hyper::body::{Body as _, Bytes, Frame, SizeHint};
use tonic::{Status, body::Body};

/// A call's request with the messages that were ready when it was made: of a unary call, all.
pub(super) struct Replay {
    head: http::request::Parts,
    ready: VecDeque<Bytes>,
    rest: Option<Body>,
}

impl Replay {
    pub(super) fn new(request: Request<Body>) -> Self {
        let (head, mut body) = request.into_parts();
        let mut ready = VecDeque::new();
        let rest = loop {
            match Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => ready.push_back(data),
                    // gRPC clients send no trailers.
                    Err(_) => break None,
                },
                Poll::Ready(None) => break None,
                // A stream of messages still being made, or a fault that is met again on sending.
                Poll::Ready(Some(Err(_))) | Poll::Pending => break Some(body),
            }
        };
        Self { head, ready, rest }
    }

    /// The request, and whether it can be had again.
    pub(super) fn take(&mut self) -> (Request<Body>, bool) {
        let mut request = Request::new(());
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = self.head.uri.clone();
        *request.version_mut() = self.head.version;
        *request.headers_mut() = self.head.headers.clone();
        let rest = self.rest.take();
        let again = rest.is_none();
        (request.map(|()| Body::new(Frames { ready: self.ready.clone(), rest })), again)
    }
}

struct Frames {
    ready: VecDeque<Bytes>,
    rest: Option<Body>,
}

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(data) = self.ready.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
