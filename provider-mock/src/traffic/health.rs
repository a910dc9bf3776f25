//! Health checks of members.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(1);

/// What a member has to answer to be in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HealthCheck {
    /// It accepts connections here.
    Tcp(SocketAddr),
    /// It answers 200 to a `GET` here.
    Http {
        /// Where.
        at: SocketAddr,
        /// Of which path.
        path: String,
    },
}

impl HealthCheck {
    /// Kubernetes' health check of `externalTrafficPolicy: Local`.
    pub fn of_node(at: SocketAddr) -> Self {
        Self::Http { at, path: "/healthz".to_owned() }
    }

    /// Whether the member answers as it should, in time.
    pub(super) async fn passes(&self) -> bool {
        match self {
            Self::Tcp(at) => matches!(timeout(PATIENCE, TcpStream::connect(at)).await, Ok(Ok(_))),
            Self::Http { at, path } => {
                matches!(timeout(PATIENCE, status_line(*at, path)).await, Ok(Ok(line)) if is_ok(&line))
            }
        }
    }
}

async fn status_line(address: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    // "HTTP/1.1 200"
    let mut line = vec![0; 12];
    stream.read_exact(&mut line).await?;
    Ok(line)
}

fn is_ok(line: &[u8]) -> bool {
    line.starts_with(b"HTTP/1.") && line.ends_with(b" 200")
}
