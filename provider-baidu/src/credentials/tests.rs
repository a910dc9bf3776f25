use std::sync::Mutex;

use axum::{Router, body::Body, extract::State, http::Request, response::IntoResponse};
use cloud_rest::{Credentials, SourceError, TransportSettings};

use super::*;
use crate::config::{Role, parse};

fn write(folder: &tempfile::TempDir, files: &[(&str, &str)]) {
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
}

fn refusal(outcome: Result<Credentials, SourceError>) -> String {
    match outcome.unwrap_err() {
        SourceError::Refused(why) => why,
        SourceError::Unavailable(why) => panic!("only unavailable: {why}"),
    }
}

#[tokio::test]
async fn the_keys_of_the_configuration_are_read_again() {
    let folder = tempfile::TempDir::new().unwrap();
    let source = ConfigFile(folder.path().join("config"));
    let file = |key: &str| format!(r#"{{"clusterid":"c-1","accesskeyid":"{key}","secretaccesskey":"marker-{key}"}}"#);
    for key in ["AK1", "AK2"] {
        write(&folder, &[("config", &file(key))]);
        assert_eq!(source.fetch().await.unwrap(), Credentials::lasting(key, format!("marker-{key}")));
    }
    write(&folder, &[("config", r#"{"clusterid":"c-1","secretaccesskey":"marker-3"}"#)]);
    let why = refusal(source.fetch().await);
    assert!(why.contains("AccessKeyID is missing") && !why.contains("marker"), "{why}");
    write(&folder, &[("config", r#"{"clusterid":"c-1","credentialsource":"imds"}"#)]);
    assert!(refusal(source.fetch().await).contains("start the daemon anew"));
}

#[tokio::test]
async fn a_folder_holds_a_file_for_each_part() {
    let folder = tempfile::TempDir::new().unwrap();
    let source = KeyFolder(folder.path().to_owned());
    assert!(matches!(source.fetch().await, Err(SourceError::Unavailable(_))));
    write(&folder, &[("access-key-id", "AK\n"), ("secret-access-key", "SK\n")]);
    assert_eq!(source.fetch().await.unwrap(), Credentials::lasting("AK", "SK"));
    write(&folder, &[("session-token", "ST\n")]);
    assert_eq!(source.fetch().await.unwrap().token.unwrap().expose(), "ST");
    write(&folder, &[("secret-access-key", "\n")]);
    assert!(refusal(source.fetch().await).contains("secret-access-key"));
}

#[tokio::test]
async fn the_gateways_token_comes_with_its_end_and_blanks_do_not_matter() {
    let folder = tempfile::TempDir::new().unwrap();
    let source = TokenFolder(folder.path().to_owned());
    write(&folder, &[("token", " marker-token\n"), ("expiredAt", " 1700000000 \n")]);
    let credentials = source.fetch().await.unwrap();
    assert_eq!(credentials.token.unwrap().expose(), "marker-token");
    assert_eq!(credentials.expires_at.unwrap().as_second(), 1_700_000_000);
    for end in ["", "soon", "99999999999999999999"] {
        write(&folder, &[("expiredAt", end)]);
        assert!(refusal(source.fetch().await).contains("expiredAt"), "{end}");
    }
}

/// A server that answers everything alike, and what it was asked.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Scripted>>);

#[derive(Default)]
struct Scripted {
    status: u16,
    body: String,
    asked: Vec<Asked>,
}

/// Method, URI, and whether it was signed.
type Asked = (String, String, bool);

impl Server {
    async fn start(&self) -> cloud_rest::Url {
        async fn answer(State(server): State<Server>, request: Request<Body>) -> impl IntoResponse {
            let mut state = server.0.lock().unwrap();
            let signed = request.headers().contains_key("authorization");
            state.asked.push((request.method().to_string(), request.uri().to_string(), signed));
            (axum::http::StatusCode::from_u16(state.status).unwrap(), state.body.clone())
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let app = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async { axum::serve(listener, app).await });
        url
    }

    fn answers(&self, status: u16, body: &str) {
        let mut state = self.0.lock().unwrap();
        (state.status, state.body) = (status, body.to_owned());
    }

    fn asked(&self) -> Vec<Asked> {
        self.0.lock().unwrap().asked.clone()
    }
}

const KEY: &str = r#"{"accessKeyId":"TAK","secretAccessKey":"marker-sk","sessionToken":"marker-st","expiration":"2030-01-02T03:04:05Z",
    "createTime":"2030-01-02T01:04:05Z","userId":"u","roleId":"r"}"#;

fn expected() -> Credentials {
    Credentials {
        token: Some(cloud_rest::Secret::new("marker-st")),
        expires_at: Some("2030-01-02T03:04:05Z".parse().unwrap()),
        ..Credentials::lasting("TAK", "marker-sk")
    }
}

fn transport() -> Transport {
    Transport::new(&TransportSettings::default()).unwrap()
}

#[tokio::test]
async fn the_machines_role_gives_keys_without_a_signature() {
    let server = Server::default();
    let source = Metadata::new("test", transport(), server.start().await);
    server.answers(200, KEY);
    assert_eq!(source.fetch().await.unwrap(), expected());
    assert_eq!(server.asked(), [("GET".to_owned(), "/latest/meta-data/sts-credential".to_owned(), false)]);
    server.answers(200, "");
    assert!(refusal(source.fetch().await).contains("give it a role"), "an empty body: no such thing");
    server.answers(404, "404 page not found");
    assert!(refusal(source.fetch().await).contains("give it a role"));
    server.answers(200, r#"{"accessKeyId":"TAK","secretAccessKey":"marker-sk","sessionToken":"marker-st"}"#);
    let why = refusal(source.fetch().await);
    assert!(why.contains("expiration") && !why.contains("marker"), "{why}");
}

#[tokio::test]
async fn a_role_is_assumed_with_a_signed_call() {
    let server = Server::default();
    let url = server.start().await;
    let text = format!(
        r#"{{"ClusterId":"c-1","AccessKeyID":"AK","SecretAccessKey":"SK","Endpoints":{{"sts":"{url}"}},
            "RoleName":"ccm","RoleAccountId":"acc-1","RoleUserId":"u-1","RoleDuration":"1h"}}"#
    );
    let config = parse(&text, &|_| None).unwrap().config;
    let role = Role { user_id: Some("u-1".to_owned()), ..config.role.clone().unwrap() };
    assert_eq!(config.role, Some(role));
    let source = signing("test", &config, None, &transport(), &transport(), &Traces::default()).unwrap().source;
    server.answers(200, KEY);
    assert_eq!(source.fetch().await.unwrap(), expected());
    let want = "/v1/credential?assumeRole&durationSeconds=3600&accountId=acc-1&roleName=ccm&userId=u-1";
    assert_eq!(server.asked(), [("POST".to_owned(), want.to_owned(), true)]);
    server.answers(403, r#"{"code":"AccessDenied","message":"no trust","requestId":"r-1"}"#);
    let why = refusal(source.fetch().await);
    assert!(why.contains("role ccm of account acc-1") && why.contains("no trust"), "{why}");
}
