//! The gateway of CCE: clusters that CCE runs hold no key of the user's but a token, and the gateway puts the real signature on
//! what it passes on.

use bytes::Bytes;
use cloud_rest::{Credentials, Sign, SignError};
use http::{HeaderValue, header, uri};
use jiff::Timestamp;

use super::{name_request, set, set_secret};

/// Sends requests to the gateway, with the cluster's token on them.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// `http` or `https`.
    scheme: uri::Scheme,
    /// Host, and port if it is not the scheme's own.
    authority: uri::Authority,
    /// The cluster's id.
    cluster: String,
}

impl Gateway {
    /// Path and query of what is sent stay as they are, so the gateway's URL has no path. The error says what is unfit.
    pub fn new(url: &cloud_rest::Url, cluster: &str) -> Result<Self, String> {
        let parsed: http::Uri = url.as_str().parse().map_err(|error| format!("is not a URL: {error}"))?;
        if !matches!(parsed.path(), "" | "/") {
            return Err("must not have a path: the gateway takes the paths of the services".to_owned());
        }
        match (parsed.scheme(), parsed.authority()) {
            (Some(scheme), Some(authority)) => {
                Ok(Self { scheme: scheme.clone(), authority: authority.clone(), cluster: cluster.to_owned() })
            }
            _ => Err("names no host".to_owned()),
        }
    }
}

impl Sign for Gateway {
    fn sign(
        &self,
        request: &mut http::Request<Bytes>,
        credentials: &Credentials,
        _: Timestamp,
    ) -> Result<(), SignError> {
        let Some(token) = &credentials.token else {
            return Err(SignError("there is no token for the gateway"));
        };
        let remote = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        *request.uri_mut() =
            http::Uri::from_parts(parts).map_err(|_| SignError("the gateway's address fits no request"))?;
        let headers = request.headers_mut();
        headers.remove(header::AUTHORIZATION);
        headers.remove(header::HOST);
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        name_request(headers)?;
        set(headers, "cce-remote-host", &remote, SignError("the service's host is not fit for a header"))?;
        set(headers, "cce-cluster", &self.cluster, SignError("the cluster's id is not fit for a header"))?;
        set_secret(headers, "cce-token", token.expose(), "the token holds characters that no token has")
    }
}

#[cfg(test)]
mod tests {
    use cloud_rest::Secret;

    use super::*;

    fn gateway(url: &str) -> Result<Gateway, String> {
        Gateway::new(&url.parse().unwrap(), "cce-demo0001")
    }

    fn token(text: &str) -> Credentials {
        Credentials { token: Some(Secret::new(text)), ..Credentials::default() }
    }

    #[test]
    fn only_the_host_is_changed_and_the_token_takes_the_place_of_a_signature() {
        let mut request = http::Request::builder()
            .method("PUT")
            .uri("https://blb.bj.baidubce.com/v1/blb/lb-1%2B?clientToken=a%2Fb&bind")
            .header("authorization", "left over")
            .body(Bytes::from_static(b"{}"))
            .unwrap();
        let signer = gateway("http://cce-gateway.bj.baidubce.com").unwrap();
        signer.sign(&mut request, &token("marker-token"), Timestamp::UNIX_EPOCH).unwrap();
        let want = "http://cce-gateway.bj.baidubce.com/v1/blb/lb-1%2B?clientToken=a%2Fb&bind";
        assert_eq!(request.uri().to_string(), want);
        let headers = request.headers();
        assert_eq!(headers["cce-remote-host"], "blb.bj.baidubce.com");
        assert_eq!(headers["cce-cluster"], "cce-demo0001");
        assert_eq!(headers["cce-token"], "marker-token");
        assert!(headers["cce-token"].is_sensitive());
        assert_eq!(headers["content-type"], "application/json");
        assert!(!headers.contains_key("authorization") && headers.contains_key("x-bce-request-id"));
    }

    #[test]
    fn without_a_token_nothing_is_sent() {
        let mut request = http::Request::builder().uri("https://a.test/v1").body(Bytes::new()).unwrap();
        let signer = gateway("http://127.0.0.1:8080").unwrap();
        signer.sign(&mut request, &Credentials::lasting("AK", "SK"), Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(request.uri().to_string(), "https://a.test/v1");
    }

    #[test]
    fn a_gateway_with_a_path_is_refused() {
        gateway("http://a.test/").unwrap();
        assert!(gateway("http://a.test/prefix").unwrap_err().contains("path"));
    }
}
