//! Closing a connection without losing the last words.
//!
//! A call can cross the good-bye on its way. The client is told that nobody began with it, and sends it again elsewhere;
//! but closing a socket that holds unread bytes resets the connection, and a reset discards what the peer has not read yet:
//! the good-bye itself. So what still comes in is read, for a moment, before the socket goes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use provider_hop::Stream;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, sink},
    time::timeout,
};

/// How long a peer may take to close its side.
const LINGER: Duration = Duration::from_secs(2);
/// Most bytes read from a peer that goes on sending.
const LEFTOVERS: u64 = 1 << 20;

pub(crate) struct Lingering {
    stream: Option<Stream>,
    said_goodbye: bool,
}

impl Lingering {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream: Some(stream), said_goodbye: false }
    }

    fn stream(&mut self) -> Pin<&mut Stream> {
        Pin::new(self.stream.as_mut().expect("taken in drop only"))
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take().filter(|_| self.said_goodbye) {
            tokio::spawn(timeout(LINGER, async move {
                let _ = tokio::io::copy(&mut stream.take(LEFTOVERS), &mut sink()).await;
            }));
        }
    }
}

impl AsyncRead for Lingering {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buf)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = self.stream().poll_shutdown(cx);
        self.said_goodbye |= matches!(outcome, Poll::Ready(Ok(())));
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
}
