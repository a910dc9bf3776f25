//! JSON as Go's decoder reads it: names in any case, the last of several wins.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

/// The pairs of an object, in the file's order, repeated ones included.
#[derive(Debug)]
pub(super) struct Pairs(pub(super) Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// Reads a file's text. The error tells the place and quotes nothing.
pub(super) fn parse(text: &str) -> Result<Pairs, String> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Err("it is empty: a JSON object is expected".to_owned());
    }
    serde_json::from_str(text).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Eof => "ends too early",
            serde_json::error::Category::Data => "is not a JSON object",
            _ => "is not JSON",
        };
        format!("it {what}, at line {} column {}", error.line(), error.column())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_their_order_and_repeats() {
        let pairs = parse("\u{feff}{\"b\": 1, \"A\": \"x\", \"b\": null}").unwrap().0;
        let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["b", "A", "b"]);
    }

    #[test]
    fn what_is_no_object_is_told_by_place_and_not_quoted() {
        for (text, want) in [
            ("", "empty"),
            ("{\"a\": \"marker", "too early"),
            ("\"marker\"", "not a JSON object"),
            ("[\"marker\"]", "not a JSON object"),
            ("{\n\"a\": marker}", "not JSON, at line 2"),
            ("[Global]\nregion=marker", "not"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.contains(want) && !fault.contains("marker"), "{text}: {fault}");
        }
    }
}
