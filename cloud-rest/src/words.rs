//! What clouds' error bodies have in common, whatever their form: words for people, out of what may be anything.

use serde_json::Value;

/// Longer words are cut: nobody reads them.
const LONGEST: usize = 500;

/// Words for a body that is not of the cloud's form: a page of a proxy in between, bare text, or nothing.
pub fn foreign(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    match text.trim() {
        page if page.starts_with('<') => "the answer is a page, not an API's: a proxy or gateway in between".to_owned(),
        text => cut(text),
    }
}

/// A code or words: clouds write numbers as texts and the other way round.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// On one line, and not too long.
pub fn cut(text: &str) -> String {
    let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
    let mut short: String = text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if end < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_any_kind_becomes_one_short_line() {
        for (body, words) in [
            ("", ""),
            (" token expired\n", "token expired"),
            ("a\nb", "a b"),
            ("<html>404</html>", "the answer is a page, not an API's: a proxy or gateway in between"),
        ] {
            assert_eq!(foreign(body.as_bytes()), words, "{body:?}");
        }
        let long = foreign("ä".repeat(2_000).as_bytes());
        assert!(long.chars().count() == LONGEST + 1 && long.ends_with('…'));
    }

    #[test]
    fn numbers_are_words_too_and_the_rest_is_not() {
        assert_eq!(text(&Value::from(404)).as_deref(), Some("404"));
        assert_eq!(text(&Value::from("x")).as_deref(), Some("x"));
        assert_eq!(text(&Value::Bool(true)), None);
    }
}
