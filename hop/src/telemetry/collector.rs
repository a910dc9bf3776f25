//! The way to the collector of traces: in the clear to one nearby, by TLS to one that the system's CAs vouch for.

use std::{io, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// Most time a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// A connection that is made when it is first needed, and again after it broke. `endpoint`: `http://HOST:PORT` or
/// `https://HOST[:PORT]`.
pub(super) fn channel(endpoint: &str) -> Result<Channel, String> {
    channel_trusting(endpoint, system_roots)
}

fn channel_trusting(endpoint: &str, roots: impl FnOnce() -> Result<RootCertStore, String>) -> Result<Channel, String> {
    let uri: Uri = endpoint.parse().map_err(|_| "is no URL".to_owned())?;
    let connect = Endpoint::from(uri.clone()).connect_timeout(CONNECT);
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(_)) => Ok(connect.connect_lazy()),
        (Some("https"), Some(host)) => {
            // A literal IPv6 address stands in brackets in a URL, and nowhere else.
            let host = host.trim_matches(['[', ']']).to_owned();
            let name =
                ServerName::try_from(host.clone()).map_err(|_| format!("{host:?} is no name a server can have"))?;
            let tls = TlsConnector::from(Arc::new(client_config(roots()?)?));
            let port = uri.port_u16().unwrap_or(443);
            let connector = service_fn(move |_: Uri| {
                let (tls, name, host) = (tls.clone(), name.clone(), host.clone());
                async move {
                    let stream = TcpStream::connect((host, port)).await?;
                    Ok::<_, io::Error>(TokioIo::new(tls.connect(name, stream).await?))
                }
            });
            Ok(connect.connect_with_connector_lazy(connector))
        }
        _ => Err("must be http://HOST:PORT or https://HOST:PORT of a collector that speaks OTLP over gRPC".to_owned()),
    }
}

/// Trusts whom the system trusts, or those in `SSL_CERT_FILE` and `SSL_CERT_DIR` in their place.
fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // One odd certificate in the system's bundle is not our matter.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
        return Err(format!(
            "no CA of the system's vouches for an https:// collector; SSL_CERT_FILE may name some{why}"
        ));
    }
    Ok(roots)
}

fn client_config(roots: RootCertStore) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use hyper::{body::Incoming, server::conn::http2, service::service_fn};
    use hyper_util::rt::TokioExecutor;
    use rustls::ServerConfig;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tonic::body::Body;
    use tower::ServiceExt as _;

    use super::*;
    use crate::testing::{Authority, Wanted};

    /// A server that answers every request, with a certificate of this authority's.
    async fn server(authority: &Authority) -> u16 {
        let issued = authority.issue(&Wanted::named(&["127.0.0.1"]));
        let chain = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(issued.private_key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let Ok(tls) = acceptor.accept(tcp).await else { continue };
                let answer = |_: Request<Incoming>| async { Ok::<_, Infallible>(Response::new(Body::empty())) };
                let served =
                    http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tls), service_fn(answer));
                tokio::spawn(served);
            }
        });
        port
    }

    #[tokio::test]
    async fn a_collector_is_talked_to_only_if_a_trusted_ca_vouches_for_it() {
        let (ours, others) = (Authority::new("ours"), Authority::new("others"));
        let port = server(&ours).await;
        for (trusted, answered) in [(&ours, true), (&others, false)] {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(trusted.certificate().as_bytes()).unwrap()).unwrap();
            let channel = channel_trusting(&format!("https://127.0.0.1:{port}"), || Ok(roots)).unwrap();
            let answer = channel.oneshot(Request::new(Body::empty())).await;
            assert_eq!(answer.is_ok_and(|answer| answer.status() == 200), answered);
        }
    }

    #[tokio::test]
    async fn only_an_url_of_a_collector_is_taken() {
        for good in
            ["http://127.0.0.1:4317", "https://collector.example:4317", "https://collector.example", "https://[::1]:1"]
        {
            channel(good).unwrap_or_else(|fault| panic!("{good}: {fault}"));
        }
        for (bad, part) in
            [("collector:4317", "http://HOST:PORT"), ("grpc://x:1", "http://HOST:PORT"), ("http://", "is no URL")]
        {
            let fault = channel(bad).expect_err(bad);
            assert!(fault.contains(part), "{bad}: {fault}");
        }
    }
}
