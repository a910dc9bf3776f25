//! A call's deadline, as gRPC writes it: `grpc-timeout`.

use std::time::Duration;

use http::HeaderMap;

/// Metadata key of the time a call may take.
pub const GRPC_TIMEOUT: &str = "grpc-timeout";

/// A `grpc-timeout` that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("grpc-timeout {0:?}: must be 1 to 8 digits and one of H, M, S, m, u, n")]
pub struct InvalidTimeout(String);

/// The time the caller gives a call. `None`: it gives none.
pub fn grpc_timeout(headers: &HeaderMap) -> Result<Option<Duration>, InvalidTimeout> {
    let Some(value) = headers.get(GRPC_TIMEOUT) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    parse(&text).map(Some).ok_or_else(|| InvalidTimeout(text.into_owned()))
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_hours(n),
        "M" => Duration::from_mins(n),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_micros(n),
        "n" => Duration::from_nanos(n),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_and_nonsense_is_named() {
        let check = |text: &str, expected: Option<Duration>| {
            let headers = [(http::HeaderName::from_static(GRPC_TIMEOUT), text.parse().unwrap())].into_iter().collect();
            match grpc_timeout(&headers) {
                Ok(read) => assert_eq!(read, expected, "{text}"),
                Err(error) => {
                    assert_eq!(expected, None, "{text}");
                    assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
                }
            }
        };
        check("2H", Some(Duration::from_hours(2)));
        check("3M", Some(Duration::from_mins(3)));
        check("15S", Some(Duration::from_secs(15)));
        check("99999999m", Some(Duration::from_millis(99_999_999)));
        check("7u", Some(Duration::from_micros(7)));
        check("0n", Some(Duration::ZERO));
        for nonsense in ["", "S", "5", "-1S", "+1S", "123456789m", "1.5S", "1s", "1 S"] {
            check(nonsense, None);
        }
        assert_eq!(grpc_timeout(&HeaderMap::new()), Ok(None));
    }
}
