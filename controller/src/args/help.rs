//! `--help` and `docs/flags.md`, both made from the table.

use std::fmt::Write as _;

use super::table::{Effect, Flag, Kind, SECTIONS};

/// Columns of `--help`.
const WIDTH: usize = 110;
const INDENT: &str = "            ";

/// What `--help` prints.
pub fn usage() -> String {
    let mut out = String::from(
        "The cloud-controller-manager: keeps Nodes, load balancers of Services and routes in step with one or more clouds,\n\
         each of which is reached through a provider daemon.\n\n\
         Usage:\n  cloud-controller-manager --provider URI [flags]\n",
    );
    for section in SECTIONS {
        let name = section.name;
        let _ = writeln!(out, "\n{}{} flags:\n", name[..1].to_uppercase(), &name[1..]);
        for flag in section.flags {
            usage_of(&mut out, flag);
        }
    }
    out.push_str("\n  -h, --help\n        Print this and end.\n      --version\n        Print the version and end; --version=raw prints all of it.\n");
    out
}

fn usage_of(out: &mut String, flag: &Flag) {
    let (short, word) = (if flag.name == "v" { "-v, " } else { "    " }, kind_word(flag.kind));
    let default = if flag.default.is_empty() { String::new() } else { format!(" (default {})", flag.default) };
    let _ = writeln!(out, "  {short}--{}{word}{default}", flag.name);
    let effect = match flag.effect {
        Effect::Works => String::new(),
        Effect::Partly(what) => format!(" PARTLY: {what}."),
        Effect::None(why) => format!(" NO EFFECT: {why}."),
        Effect::Refused(why) => format!(" REFUSED: {why}."),
    };
    for line in wrapped(&format!("{}{effect}", flag.help), WIDTH - INDENT.len()) {
        let _ = writeln!(out, "{INDENT}{line}");
    }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "",
        Kind::Int => " int",
        Kind::Float => " number",
        Kind::Duration => " duration",
        Kind::Text | Kind::Repeated => " text",
        Kind::File => " path",
        Kind::List => " list",
        Kind::Switches => " name=bool,...",
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("one at least");
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// The page `docs/flags.md`.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Flags of cloud-controller-manager\n\n\
         <!-- Made from controller/src/args/table by a test; write it anew with\n\
         UPDATE_DOCS=1 cargo test -p cloud-controller-manager flags_page -->\n\n\
         Names, meanings and syntax are upstream's: `--flag=value` or `--flag value`, durations such as `1m30s`, lists with\n\
         commas, `--switch` or `--switch=false`, and `_` for `-`. All faults are reported at once, before anything starts. Where\n\
         a default differs from upstream's, upstream's stands beside it: such defaults are only a brake upstream (one worker,\n\
         20 requests a second, a poll every ten seconds), and what replaces them adapts to what the apiserver and the clouds bear.\n\n\
         | mark | means |\n| --- | --- |\n\
         | **new** | upstream has no such flag |\n\
         | **no effect** | taken, and a line in the log says that it does nothing |\n\
         | **refused** | any value but the default is an error: running without it would not be what was asked for |\n",
    );
    for section in SECTIONS {
        let _ = write!(out, "\n## {}\n\n| flag | default | meaning |\n| --- | --- | --- |\n", section.name);
        for flag in section.flags {
            let _ = writeln!(out, "| `--{}` | {} | {} |", flag.name, default_cell(flag), meaning_cell(flag));
        }
    }
    out
}

fn default_cell(flag: &Flag) -> String {
    let shown = |text: &str| if text.is_empty() { "–".to_owned() } else { format!("`{text}`") };
    match flag.upstream {
        Some(upstream) if upstream != flag.default => {
            format!("{} (upstream {})", shown(flag.default), shown(upstream))
        }
        _ => shown(flag.default),
    }
}

fn meaning_cell(flag: &Flag) -> String {
    let mark = if flag.upstream.is_none() { "**new** " } else { "" };
    let effect = match flag.effect {
        Effect::Works => String::new(),
        Effect::Partly(what) => format!(" **partly**: {what}."),
        Effect::None(why) => format!(" **no effect**: {why}."),
        Effect::Refused(why) => format!(" **refused**: {why}."),
    };
    format!("{mark}{}{effect}", flag.help).replace('|', "\\|").replace("'*'", "`*`").replace("in *", "in `*`")
}
