//! Durations as Go writes and reads them (`1m30s`, `1.5h`, `100ms`): the form of upstream's flags.

use std::{fmt, time::Duration};

use thiserror::Error;

/// Why a text is not a duration this program takes.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ParseError {
    #[error("is empty; write a number with a unit, such as 30s")]
    Empty,
    #[error("has no unit; write one of ns, us, ms, s, m, h after each number, such as 30s")]
    MissingUnit,
    #[error("has the unknown unit {0:?}; the units are ns, us, ms, s, m, h")]
    UnknownUnit(String),
    #[error("is not a duration; write numbers with units, such as 1m30s")]
    Malformed,
    #[error("is negative")]
    Negative,
    #[error("is longer than 2562047h47m16.854775807s")]
    TooLong,
}

/// Go's longest duration: `i64::MAX` nanoseconds.
const LONGEST: u128 = i64::MAX as u128;

/// Reads a duration as Go's `time.ParseDuration` does: an optional sign, then numbers, each with an optional fraction and a
/// unit. A lone `0` needs no unit. Negative ones are refused; no flag has a use for them.
pub fn parse(text: &str) -> Result<Duration, ParseError> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(if text.is_empty() { ParseError::Empty } else { ParseError::Malformed });
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let (part, after) = component(rest)?;
        nanos = nanos.checked_add(part).filter(|sum| *sum <= LONGEST).ok_or(ParseError::TooLong)?;
        rest = after;
    }
    if negative && nanos > 0 {
        return Err(ParseError::Negative);
    }
    Ok(from_nanos(nanos))
}

fn from_nanos(nanos: u128) -> Duration {
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    let below = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
    Duration::new(seconds, below)
}

/// One number with its unit, in nanoseconds, and what follows it.
fn component(text: &str) -> Result<(u128, &str), ParseError> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text.split_at(digits(text));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(after) => after.split_at(digits(after)),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(ParseError::Malformed);
    }
    let (name, rest) = rest.split_at(rest.bytes().take_while(|b| *b != b'.' && !b.is_ascii_digit()).count());
    let unit = unit(name)?;
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| ParseError::TooLong)? };
    let whole = whole.checked_mul(unit).ok_or(ParseError::TooLong)?;
    Ok((whole + fraction_of(fraction, unit), rest))
}

fn unit(name: &str) -> Result<u128, ParseError> {
    Ok(match name {
        "ns" => 1,
        // Go takes the micro sign and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "" => return Err(ParseError::MissingUnit),
        other => return Err(ParseError::UnknownUnit(other.to_owned())),
    })
}

/// `0.<digits>` units in nanoseconds, rounded down.
fn fraction_of(digits: &str, unit: u128) -> u128 {
    // 18 digits: what lies below is less than a nanosecond of an hour, and the product fits.
    let digits = &digits[..digits.len().min(18)];
    let scale = 10_u128.pow(u32::try_from(digits.len()).unwrap_or(0));
    digits.parse::<u128>().unwrap_or(0) * unit / scale
}

/// A duration shown as Go's `Duration.String` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoDuration(pub Duration);

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        for (below, unit, name) in [(1_000, 1, "ns"), (1_000_000, 1_000, "\u{b5}s"), (1_000_000_000, 1_000_000, "ms")] {
            if nanos < below {
                return write!(f, "{}{name}", decimal(nanos, unit));
            }
        }
        let minutes = nanos / 60_000_000_000;
        let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000);
        match (minutes / 60, minutes % 60) {
            (0, 0) => write!(f, "{seconds}s"),
            (0, minutes) => write!(f, "{minutes}m{seconds}s"),
            (hours, minutes) => write!(f, "{hours}h{minutes}m{seconds}s"),
        }
    }
}

/// `nanos / unit` without trailing zeros; `unit` is a power of ten.
fn decimal(nanos: u128, unit: u128) -> String {
    let (whole, below) = (nanos / unit, nanos % unit);
    if below == 0 {
        return whole.to_string();
    }
    let digits = unit.ilog10() as usize;
    let text = format!("{whole}.{below:0digits$}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ns(nanos: u64) -> Duration {
        Duration::from_nanos(nanos)
    }

    #[test]
    fn reads_what_go_reads() {
        for (text, want) in [
            ("0", ns(0)),
            ("+0", ns(0)),
            ("-0", ns(0)),
            ("-0s", ns(0)),
            ("5s", Duration::from_secs(5)),
            ("30s", Duration::from_secs(30)),
            ("1478s", Duration::from_secs(1478)),
            ("+5s", Duration::from_secs(5)),
            ("5.0s", Duration::from_secs(5)),
            ("5.6s", Duration::from_millis(5600)),
            ("5.s", Duration::from_secs(5)),
            (".5s", Duration::from_millis(500)),
            ("1.004s", Duration::from_millis(1004)),
            ("100.00100s", Duration::from_millis(100_001)),
            ("10ns", ns(10)),
            ("11us", ns(11_000)),
            ("12\u{b5}s", ns(12_000)),
            ("12\u{3bc}s", ns(12_000)),
            ("13ms", ns(13_000_000)),
            ("3h30m", Duration::from_secs(12_600)),
            ("10.5s4m", Duration::from_millis(250_500)),
            ("1h2m3s4ms5us6ns", ns(3_723_004_005_006)),
            ("39h9m14.425s", Duration::from_millis(140_954_425)),
            ("0.3333333333333333333h", Duration::from_nanos(1_199_999_999_999)),
            ("9223372036854775807ns", ns(9_223_372_036_854_775_807)),
            ("5m0s", Duration::from_secs(300)),
        ] {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses_and_says_why() {
        let unit = |name: &str| ParseError::UnknownUnit(name.to_owned());
        for (text, want) in [
            ("", ParseError::Empty),
            ("3", ParseError::MissingUnit),
            ("3000", ParseError::MissingUnit),
            ("-", ParseError::Malformed),
            ("s", ParseError::Malformed),
            (".", ParseError::Malformed),
            ("-.", ParseError::Malformed),
            (".s", ParseError::Malformed),
            ("+.s", ParseError::Malformed),
            ("1d", unit("d")),
            ("1m 30s", unit("m ")),
            (" 1s", ParseError::Malformed),
            ("1S", unit("S")),
            ("9223372036854775808ns", ParseError::TooLong),
            ("3000000h", ParseError::TooLong),
            ("-5s", ParseError::Negative),
        ] {
            assert_eq!(parse(text), Err(want), "{text:?}");
        }
    }

    #[test]
    fn shows_durations_as_go_shows_them() {
        for (nanos, want) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1\u{b5}s"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
            (9_223_372_036_854_775_807, "2562047h47m16.854775807s"),
            (300_000_000_000, "5m0s"),
            (43_200_000_000_000, "12h0m0s"),
        ] {
            let shown = GoDuration(ns(nanos)).to_string();
            assert_eq!(shown, want);
            assert_eq!(parse(&shown), Ok(ns(nanos)), "what is shown can be read back");
        }
    }
}
