//! Kubernetes' health check of `externalTrafficPolicy: Local`: a member is in when `GET /healthz` answers 200.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the member answers 200 in time.
pub(super) async fn check(address: SocketAddr) -> bool {
    matches!(timeout(PATIENCE, status_line(address)).await, Ok(Ok(line)) if is_ok(&line))
}

async fn status_line(address: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    // "HTTP/1.1 200"
    let mut line = vec![0; 12];
    stream.read_exact(&mut line).await?;
    Ok(line)
}

fn is_ok(line: &[u8]) -> bool {
    line.starts_with(b"HTTP/1.") && line.ends_with(b" 200")
}
