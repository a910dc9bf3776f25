//! Values of flags.

use std::time::Duration;

/// `1h`, `90m`, `1h30m`, `36h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed.ok_or_else(|| format!("{text:?} is no duration such as 90m, 1h30m or 24h"))
}

/// More than zero.
pub(super) fn lifetime(text: &str) -> Result<Duration, String> {
    duration(text)
        .and_then(|lifetime| if lifetime.is_zero() { Err("must be more than zero".to_owned()) } else { Ok(lifetime) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_and_people_write_them() {
        for (text, seconds) in [("1h", 3_600), ("90m", 5_400), ("1h30m", 5_400), ("36h", 129_600), ("0s", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for nonsense in ["", "1", "-1h", "soon"] {
            duration(nonsense).unwrap_err();
        }
        lifetime("0s").unwrap_err();
    }
}
