use std::{path::Path, sync::Arc, time::Duration};

use provider_hop::{
    Endpoint, PeerIdentity,
    connect::{Channel, ConnectConfigError, ConnectOptions},
    listen::{ListenError, ListenOptions, Listener},
    testing::{Authority, Wanted, write},
    tls::{San, Tls, TlsError},
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::rig::{Rig, assert_unavailable, call};

const SERVER: &str = "spiffe://example/provider";
const CLIENT: &str = "spiffe://example/ccm";

/// One CA, a directory per side.
struct Pki {
    folder: TempDir,
    authority: Authority,
}

impl Pki {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), authority: Authority::new("test CA") }
    }

    fn side(&self, side: &str, wanted: &Wanted) -> Result<Arc<Tls>, TlsError> {
        let directory = self.folder.path().join(side);
        std::fs::create_dir_all(&directory).unwrap();
        Tls::load(write(&directory, &self.authority.issue(wanted), &[&self.authority]).unwrap())
    }

    fn server(&self, wanted: &Wanted) -> ListenOptions {
        ListenOptions { tls: Some(self.side("server", wanted).unwrap()), ..ListenOptions::default() }
    }

    fn client(&self, pin: &str) -> ConnectOptions {
        ConnectOptions {
            tls: Some(self.side("client", &Wanted::named(&[CLIENT])).unwrap()),
            server_san: Some(pin.parse().unwrap()),
            ..ConnectOptions::default()
        }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.certificate().as_bytes()).unwrap()).unwrap();
        Arc::new(roots)
    }
}

async fn start(pki: &Pki, names: &[&str]) -> Rig {
    Rig::start("https://127.0.0.1:0", pki.server(&Wanted::named(names))).await
}

#[tokio::test]
async fn a_call_arrives_with_the_callers_names() {
    let pki = Pki::new();
    let rig = start(&pki, &[SERVER]).await;
    call(&rig.client(&pki.client(SERVER))).await.unwrap();
    assert_eq!(rig.peer(), PeerIdentity::San(vec![San::Uri(CLIENT.to_owned())]));
}

#[tokio::test]
async fn without_a_pin_the_endpoints_host_is_expected() {
    let pki = Pki::new();
    let options = ConnectOptions { server_san: None, ..pki.client(SERVER) };
    call(&start(&pki, &["127.0.0.1"]).await.client(&options)).await.unwrap();
    assert_unavailable(&start(&pki, &[SERVER]).await.client(&options), "expected is 127.0.0.1").await;
}

#[tokio::test]
async fn a_server_of_another_name_is_not_talked_to() {
    let pki = Pki::new();
    for names in [&["spiffe://example/other"][..], &["*.example.org"], &[]] {
        let rig = start(&pki, names).await;
        assert_unavailable(&rig.client(&pki.client("provider.example.org")), "expected is provider.example.org").await;
        rig.assert_never_called();
    }
}

#[tokio::test]
async fn a_server_of_another_ca_is_not_talked_to() {
    let (ours, theirs) = (Pki::new(), Pki::new());
    let rig = start(&theirs, &[SERVER]).await;
    assert_unavailable(&rig.client(&ours.client(SERVER)), "invalid peer certificate").await;
}

#[tokio::test]
async fn a_certificate_for_clients_only_makes_no_server() {
    let pki = Pki::new();
    let wanted = Wanted { server: false, ..Wanted::named(&[SERVER]) };
    let rig = Rig::start("https://127.0.0.1:0", pki.server(&wanted)).await;
    assert_unavailable(&rig.client(&pki.client(SERVER)), "extended key usage").await;
}

/// What a foreign client gets from our server: the bytes after its handshake, or why there are none.
async fn foreign_client(rig: &Rig, config: ClientConfig) -> Result<Vec<u8>, std::io::Error> {
    let Endpoint::Tls(at) = &rig.endpoint else { panic!("not TLS") };
    let tcp = TcpStream::connect((at.host.as_str(), at.port)).await?;
    let name = ServerName::try_from(at.host.clone()).unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    // In TLS 1.3 a client learns only now that its certificate was refused.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
    let mut answer = vec![0; 9];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn foreign_config(pki: &Pki, certificate: Option<&Wanted>, authority: &Authority) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(pki.roots());
    let mut config = match certificate {
        None => builder.with_no_client_auth(),
        Some(wanted) => {
            let (chain, key) = identity(authority, wanted);
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

fn identity(authority: &Authority, wanted: &Wanted) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let issued = authority.issue(wanted);
    (
        vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()],
        PrivateKeyDer::from_pem_slice(issued.private_key.as_bytes()).unwrap(),
    )
}

fn expired(names: &[&str]) -> Wanted {
    let wanted = Wanted::named(names);
    Wanted { not_after: wanted.not_before + Duration::from_mins(1), ..wanted }
}

#[tokio::test]
async fn clients_that_cannot_say_who_they_are_get_no_answer() {
    let pki = Pki::new();
    let rig = start(&pki, &["127.0.0.1"]).await;
    let good = Wanted::named(&[CLIENT]);
    let server_only = Wanted { client: false, ..good.clone() };
    let stranger = Authority::new("another CA");
    let answer = foreign_client(&rig, foreign_config(&pki, Some(&good), &pki.authority)).await.unwrap();
    assert_eq!(answer[3], 4, "a good one gets HTTP/2 settings");
    for (certificate, authority, alert) in [
        (None, &pki.authority, "CertificateRequired"),
        (Some(&good), &stranger, "UnknownCA"),
        (Some(&expired(&[CLIENT])), &pki.authority, "CertificateExpired"),
        (Some(&server_only), &pki.authority, "alert"),
    ] {
        let error = foreign_client(&rig, foreign_config(&pki, certificate, authority)).await.unwrap_err().to_string();
        assert!(error.contains(alert), "{certificate:?}: {error}");
    }
    rig.assert_never_called();
}

#[tokio::test]
async fn older_tls_and_other_protocols_are_refused() {
    let pki = Pki::new();
    let rig = start(&pki, &["127.0.0.1"]).await;
    let (chain, key) = identity(&pki.authority, &Wanted::named(&[CLIENT]));
    let old = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(pki.roots())
        .with_client_auth_cert(chain, key)
        .unwrap();
    let error = foreign_client(&rig, old).await.unwrap_err().to_string();
    assert!(error.contains("ProtocolVersion"), "{error}");
    let mut http1 = foreign_config(&pki, Some(&Wanted::named(&[CLIENT])), &pki.authority);
    http1.alpn_protocols = vec![b"http/1.1".to_vec()];
    foreign_client(&rig, http1).await.unwrap_err();
    let mut none = foreign_config(&pki, Some(&Wanted::named(&[CLIENT])), &pki.authority);
    none.alpn_protocols = Vec::new();
    foreign_client(&rig, none).await.unwrap_err();
}

#[tokio::test]
async fn plaintext_to_a_tls_port_is_refused() {
    let pki = Pki::new();
    let rig = start(&pki, &[SERVER]).await;
    let Endpoint::Tls(at) = &rig.endpoint else { panic!("not TLS") };
    let options = ConnectOptions { allow_insecure_loopback: true, ..ConnectOptions::default() };
    let plain = Channel::new(&Endpoint::Plain(at.clone()), &options).unwrap();
    call(&plain).await.unwrap_err();
    rig.assert_never_called();
    call(&rig.client(&pki.client(SERVER))).await.expect("others are still served");
}

#[tokio::test]
async fn an_expired_server_is_not_talked_to() {
    let pki = Pki::new();
    let (chain, key) = identity(&pki.authority, &expired(&[SERVER]));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let _ = TlsAcceptor::from(Arc::new(config)).accept(tcp).await;
    });
    assert_unavailable(&Channel::new(&endpoint, &pki.client(SERVER)).unwrap(), "certificate expired").await;
}

#[tokio::test]
async fn a_peer_that_never_finishes_its_handshake_holds_up_nobody() {
    let pki = Pki::new();
    let rig = start(&pki, &[SERVER]).await;
    let Endpoint::Tls(at) = &rig.endpoint else { panic!("not TLS") };
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(TcpStream::connect((at.host.as_str(), at.port)).await.unwrap());
    }
    call(&rig.client(&pki.client(SERVER))).await.unwrap();
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let pki = Pki::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    let options = ConnectOptions { connect_timeout: Duration::from_millis(50), ..pki.client(SERVER) };
    assert_unavailable(&Channel::new(&endpoint, &options).unwrap(), "no answer within 50ms").await;
}

#[tokio::test]
async fn tls_without_certificates_is_a_fault_of_the_configuration() {
    let endpoint: Endpoint = "https://127.0.0.1:0".parse().unwrap();
    let error = Listener::bind(&endpoint, &ListenOptions::default()).await.err().unwrap();
    assert!(matches!(error, ListenError::TlsMissing(_)), "{error}");
    let error = Channel::new(&endpoint, &ConnectOptions::default()).err().unwrap();
    assert!(matches!(error, ConnectConfigError::TlsMissing(_)), "{error}");
}

fn load_error(directory: &Path, spoil: impl FnOnce(&Pki, &Path)) -> String {
    let pki = Pki::new();
    pki.authority.write(directory, &[SERVER]).unwrap();
    spoil(&pki, directory);
    let files = provider_hop::tls::TlsFiles {
        certificate: directory.join("tls.crt"),
        private_key: directory.join("tls.key"),
        ca: directory.join("ca.crt"),
    };
    Tls::load(files).err().expect("must be refused").to_string()
}

#[test]
fn files_that_do_not_serve_are_named() {
    let folder = TempDir::new().unwrap();
    let check = |part: &str, spoil: fn(&Pki, &Path)| {
        let error = load_error(folder.path(), spoil);
        assert!(error.contains(part), "{error:?} does not say {part:?}");
        assert!(error.contains(folder.path().to_str().unwrap()), "{error:?} names no file");
    };
    check("No such file", |_, at| std::fs::remove_file(at.join("tls.crt")).unwrap());
    check("no certificate", |_, at| std::fs::write(at.join("ca.crt"), "").unwrap());
    check("no private key", |_, at| std::fs::write(at.join("tls.key"), "not a key").unwrap());
    check("does not belong", |pki, at| {
        std::fs::write(at.join("tls.key"), pki.authority.issue(&Wanted::named(&[SERVER])).private_key).unwrap();
    });
    check("renew it", |pki, at| {
        write(at, &pki.authority.issue(&expired(&[SERVER])), &[&pki.authority]).unwrap();
    });
    check("clock", |pki, at| {
        let wanted = Wanted::named(&[SERVER]);
        let future = Wanted { not_before: wanted.not_after - Duration::from_mins(1), ..wanted };
        write(at, &pki.authority.issue(&future), &[&pki.authority]).unwrap();
    });
}
