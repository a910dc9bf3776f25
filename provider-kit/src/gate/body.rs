//! The body of an answer: ended by the deadline, and of a watch by a shutdown, with a proper status either way.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::HeaderMap;
use hyper::body::{Bytes, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Status, body::Body};

use super::{Closing, flight::Flight, going_away, timed_out};

pub(super) struct Guarded {
    body: Body,
    flight: Option<Flight>,
    deadline: Option<Pin<Box<Sleep>>>,
    closing: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Guarded {
    pub(super) fn new(body: Body, flight: Flight, deadline: Option<Instant>, closing: Option<Closing>) -> Self {
        Self {
            body,
            flight: Some(flight),
            deadline: deadline.map(|at| Box::pin(sleep_until(at))),
            closing: closing.map(|Closing(token)| Box::pin(token.cancelled_owned())),
        }
    }

    /// The status to end with although the body has more to say.
    fn cut_short(&mut self, cx: &mut Context<'_>) -> Option<Status> {
        let ready = |over: Option<Poll<()>>| over.is_some_and(|over| over.is_ready());
        if ready(self.closing.as_mut().map(|closing| closing.as_mut().poll(cx))) {
            return Some(going_away());
        }
        ready(self.deadline.as_mut().map(|deadline| deadline.as_mut().poll(cx))).then(timed_out)
    }

    fn end(&mut self, status: &Status) -> Result<Frame<Bytes>, Status> {
        self.body = Body::empty();
        let mut trailers = HeaderMap::new();
        status.add_header(&mut trailers)?;
        self.over(&trailers);
        Ok(Frame::trailers(trailers))
    }

    fn over(&mut self, trailers: &HeaderMap) {
        if let (Some(mut flight), Some(status)) = (self.flight.take(), trailers.get("grpc-status")) {
            flight.code(status);
        }
    }
}

impl hyper::body::Body for Guarded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.flight.is_none() {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.over(trailers);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(end) => {
                this.flight = None;
                Poll::Ready(end)
            }
            Poll::Pending => match this.cut_short(cx) {
                Some(status) => Poll::Ready(Some(this.end(&status))),
                None => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.flight.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
