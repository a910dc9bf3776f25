//! Base URLs as people write them into configurations.

use reqwest::Url;

/// Reads a base URL: `https://host[:port][/prefix]`, or a bare `host[:port]`.
pub fn base_url(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url: Url = full.parse().map_err(|error| format!("is not a URL: {error}"))?;
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => {
            Err("must not hold a user or password".to_owned())
        }
        _ if url.query().is_some() || url.fragment().is_some() => Err("must end with host, port or path".to_owned()),
        _ if url.host_str().is_none_or(str::is_empty) => Err("names no host".to_owned()),
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err("is not encrypted: use https (http is for loopback only)".to_owned()),
        other => Err(format!("has the scheme `{other}`: use https")),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_encrypted_addresses_without_extras_are_taken() {
        for text in ["https://a.test", "a.test:8443", "http://127.0.0.1:80/p", "http://[::1]:1", "http://localhost"] {
            base_url(text).unwrap();
        }
        for text in ["http://a.test", "ftp://a.test", "https://u:p@a.test", "https://a.test/?x=1", "https://", "a b"] {
            base_url(text).unwrap_err();
        }
    }
}
