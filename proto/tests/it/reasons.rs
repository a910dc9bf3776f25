//! The page people look reasons up on says what the code says.

use std::{env, fs};

use cloud_provider_api::error::{DOMAIN, Reason, Side};
use tonic::Code;

use crate::schema::stored;

const PAGE: &str = "../docs/error-reasons.md";

/// The code's name on the wire: `FAILED_PRECONDITION`.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for (at, c) in format!("{code:?}").char_indices() {
        if at > 0 && c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

fn page() -> String {
    let head = format!(
        "# Reasons of errors\n\n\
        `ErrorInfo.reason` and `ItemStatus.reason` hold one of these words. The domain of `ErrorInfo` is `{DOMAIN}` for a fault \
        between\ncaller and daemon, or in the daemon, and the provider's name for one in the cloud behind it. The first code is the \
        one to send;\na receiver takes any of them, and goes by the code alone when it does not know the word.\n\n\
        This page is written by `cargo xtask api --accept` from `proto/src/error.rs`.\n\n\
        | reason | code | domain | meaning |\n| --- | --- | --- | --- |\n"
    );
    std::iter::once(head).chain(Reason::ALL.iter().copied().map(row)).collect()
}

fn row(reason: Reason) -> String {
    let codes: Vec<String> = reason.codes().iter().map(|code| format!("`{}`", code_name(*code))).collect();
    let domain = match reason.side() {
        Side::Api => format!("`{DOMAIN}`"),
        Side::Cloud => "the provider's".to_owned(),
        Side::Either => "either".to_owned(),
    };
    // Links of the source lead nowhere on the page.
    let meaning = reason.meaning().replace("[`DOMAIN`]", &format!("`{DOMAIN}`"));
    format!("| `{reason}` | {} | {domain} | {meaning} |\n", codes.join(", "))
}

#[test]
fn the_page_of_reasons_is_current() {
    if env::var_os("API_BASELINE").is_some() {
        fs::write(stored(PAGE), page()).expect("the page can be written");
    }
    let written = fs::read_to_string(stored(PAGE)).unwrap_or_default();
    assert!(written == page(), "docs/error-reasons.md is out of date: run `cargo xtask api --accept`");
}
