//! Values that the configurations of clouds' daemons write alike. Errors go on after the key's name.

use std::time::Duration;

use reqwest::Url;

/// `30s`, `15m`, `1h`, or a bare number of seconds; more than zero.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3_600),
        _ => None,
    };
    let seconds = unit.and_then(|unit| digits.parse::<u64>().ok()?.checked_mul(unit)).filter(|seconds| *seconds > 0);
    seconds.map(Duration::from_secs).ok_or_else(|| "is no duration such as `30s`, `15m` or `1h`".to_owned())
}

/// Where a machine's metadata service is: plain HTTP, on a link-local or loopback address.
pub fn metadata_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("is not a URL: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err("is neither http nor https".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit_or_none() {
        for (text, seconds) in [("30s", 30), ("15m", 900), ("1h", 3_600), ("45", 45)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for nonsense in
            ["", "s", "0", "0s", "-1s", "1d", "1h30m", "1.5h", "99999999999999999999s", "9999999999999999999h"]
        {
            assert!(duration(nonsense).unwrap_err().starts_with("is no duration"), "{nonsense}");
        }
    }

    #[test]
    fn metadata_is_asked_for_over_http() {
        metadata_url("http://169.254.169.254").unwrap();
        for nonsense in ["169.254.169.254", "ftp://169.254.169.254"] {
            metadata_url(nonsense).unwrap_err();
        }
    }
}
