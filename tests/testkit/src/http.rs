//! One HTTP request over a connection of its own, as a client behind a load balancer makes it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(5);

/// The body of `GET path`.
///
/// # Errors
/// If there is no answer within a few seconds, or its status is not 200.
pub async fn get(address: SocketAddr, path: &str) -> Result<String> {
    let (status, body) = request(address, "GET", path, None).await?;
    if status != 200 {
        bail!("http://{address}{path} answered {status}: {}", body.trim());
    }
    Ok(body)
}

/// Status and body of any request; a body that is sent is JSON.
pub async fn request(address: SocketAddr, method: &str, path: &str, json: Option<&str>) -> Result<(u16, String)> {
    request_with(address, method, path, &[], json).await
}

/// The same, with further headers.
pub async fn request_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    json: Option<&str>,
) -> Result<(u16, String)> {
    let body = json.unwrap_or_default();
    let headers = headers.iter().fold(String::new(), |all, (name, value)| all + name + ": " + value + "\r\n");
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    let exchange = async {
        let mut connection = TcpStream::connect(address).await?;
        connection.write_all(head.as_bytes()).await?;
        connection.write_all(body.as_bytes()).await?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(PATIENCE, exchange)
        .await
        .with_context(|| format!("no answer from http://{address}{path} within {PATIENCE:?}"))?
        .with_context(|| format!("{method} http://{address}{path}"))?;
    parse(&String::from_utf8_lossy(&answer)).with_context(|| format!("{method} http://{address}{path}"))
}

fn parse(answer: &str) -> Result<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the connection closed before an answer was complete")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.with_context(|| format!("not an HTTP answer: {head:?}"))?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_apart() {
        let parsed = parse("HTTP/1.0 404 Not Found\r\na: b\r\n\r\nbody\n").expect("parsed");
        assert_eq!(parsed, (404, "body\n".to_owned()));
        assert!(parse("").unwrap_err().to_string().contains("closed before"));
        assert!(parse("SSH-2.0\r\n\r\n").unwrap_err().to_string().contains("not an HTTP answer"));
    }
}
