use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use cpctl::{Login, Registry, Verdict};

/// A registry of one user, which wants to be told who asks in this way.
async fn registry(bearer: bool) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let challenge = if bearer {
        format!(r#"Bearer realm="http://{host}/token",service="a registry""#)
    } else {
        r#"Basic realm="x""#.to_owned()
    };
    let app = Router::new()
        .route("/v2/", get(move |headers: HeaderMap| async move { greet(&headers, bearer, &challenge) }))
        .route("/token", get(token))
        .with_state(());
    tokio::spawn(async { axum::serve(listener, app).await });
    host
}

fn authorization(headers: &HeaderMap) -> &str {
    headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn basic(headers: &HeaderMap) -> bool {
    // ci:right
    authorization(headers) == "Basic Y2k6cmlnaHQ="
}

fn greet(headers: &HeaderMap, bearer: bool, challenge: &str) -> axum::response::Response {
    let good = if bearer { authorization(headers) == "Bearer good" } else { basic(headers) };
    if good {
        StatusCode::OK.into_response()
    } else {
        (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
    }
}

async fn token(State(()): State<()>, headers: HeaderMap, uri: axum::http::Uri) -> axum::response::Response {
    assert_eq!(uri.query(), Some("service=a%20registry&account=ci"));
    if basic(&headers) { r#"{"token": "good"}"#.into_response() } else { StatusCode::UNAUTHORIZED.into_response() }
}

#[tokio::test]
async fn a_login_is_tried_as_docker_tries_it() {
    for bearer in [true, false] {
        let host = registry(bearer).await;
        let ask = async |password: &str| {
            let login = Login { username: "ci".to_owned(), password: cloud_rest::Secret::new(password) };
            Registry::new().unwrap().ask(&host, &login).await
        };
        assert_eq!(ask("right").await, Verdict::Good, "bearer: {bearer}");
        assert!(matches!(ask("wrong").await, Verdict::Bad(_)), "bearer: {bearer}");
    }
}

#[tokio::test]
async fn a_registry_that_cannot_be_reached_says_nothing_about_a_login() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let login = Login { username: "ci".to_owned(), password: cloud_rest::Secret::new("x") };
    assert!(matches!(Registry::new().unwrap().ask(&host, &login).await, Verdict::Unknown(_)));
}
