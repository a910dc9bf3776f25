//! What values mean. Each parser's error is the remedy alone: the caller knows key and value.

pub(super) type Parsed<T> = Result<T, String>;

/// An id of the cloud's: never a path, a query or a second header.
pub(super) fn id(value: &str) -> Parsed<String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if (1..=64).contains(&value.len()) && value.chars().all(valid) {
        return Ok(value.to_owned());
    }
    Err("write the id as the console shows it: letters, digits, '-' and '_', at most 64".to_owned())
}

pub(super) fn address(value: &str) -> Parsed<String> {
    let address: std::net::IpAddr = value.parse().map_err(|_| "write an IP address".to_owned())?;
    Ok(address.to_string())
}

/// The name of a load balancer.
pub(super) fn name(value: &str) -> Parsed<String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.');
    if value.len() <= 65 && value.starts_with(|c: char| c.is_ascii_alphabetic()) && value.chars().all(valid) {
        return Ok(value.to_owned());
    }
    Err("write at most 65 letters, digits, '-', '_', '/' and '.', a letter first".to_owned())
}

/// The name of an address.
pub(super) fn eip_name(value: &str) -> Parsed<String> {
    if value.len() <= 65 { Ok(value.to_owned()) } else { Err("write at most 65 bytes".to_owned()) }
}

/// As Go's `strconv.Atoi` reads it: a sign, digits, nothing else. `what`: as the Go provider calls it.
pub(super) fn integer(value: &str, what: &str) -> Parsed<i64> {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    let fits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| value.parse().ok()).flatten().ok_or_else(|| format!("ServiceAnnotation{what} must be int"))
}

pub(super) fn within(value: &str, what: &str, least: u16, most: u16) -> Parsed<u16> {
    let number = integer(value, what)?;
    u16::try_from(number)
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("ServiceAnnotation{what} must be in [{least}, {most}]"))
}

pub(super) fn one_of(value: &str, words: &[&'static str], otherwise: impl FnOnce() -> String) -> Parsed<&'static str> {
    words.iter().copied().find(|word| *word == value).ok_or_else(otherwise)
}
