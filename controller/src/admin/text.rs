//! Small pieces of text handling: percent-encoding and query strings.

/// The text that a percent-encoded one stands for; what is not well encoded stays as it is.
pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    while let Some((first, rest)) = bytes.split_first() {
        let decoded = rest.get(..2).filter(|_| *first == b'%').and_then(|hex| {
            let hex = std::str::from_utf8(hex).ok()?;
            u8::from_str_radix(hex, 16).ok().filter(|_| hex.bytes().all(|b| b.is_ascii_hexdigit()))
        });
        out.push(decoded.unwrap_or(*first));
        bytes = if decoded.is_some() { &rest[2..] } else { rest };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The values of a parameter in a query string, and an empty one for a parameter without a value.
pub(super) fn parameters(query: &str, name: &str) -> Vec<String> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| percent_decoded(&value.replace('+', " "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_is_encoded_and_leaves_the_rest() {
        for (text, want) in [
            ("", ""),
            ("plain", "plain"),
            ("a%2Fb%2fc", "a/b/c"),
            ("100%", "100%"),
            ("%zz%+1", "%zz%+1"),
            ("%C3%A9", "é"),
        ] {
            assert_eq!(percent_decoded(text), want);
        }
    }

    #[test]
    fn finds_every_value_of_a_parameter() {
        assert_eq!(parameters("verbose&exclude=a&exclude=b%2Fc", "exclude"), ["a", "b/c"]);
        assert_eq!(parameters("verbose&exclude=a", "verbose"), [""]);
        assert!(parameters("", "verbose").is_empty());
    }
}
