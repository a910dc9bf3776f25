//! The dialect of INI files that Go's `gcfg` reads, which is git's: sections in brackets, `key = value`, comments after `;` or `#`,
//! double quotes around values with blanks or comment signs in them. Names are read without regard to case.

/// One `key = value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The section's name, in lower case.
    pub section: String,
    /// The subsection's name, as it is; empty without one.
    pub subsection: String,
    /// The key, in lower case.
    pub key: String,
    /// The value, unquoted.
    pub value: String,
    /// Where it is, from 1.
    pub line: usize,
}

/// A line that cannot be read. Does not quote it: it may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Where, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// Reads all lines; those that are wrong are all told.
pub(super) fn parse(text: &str) -> (Vec<Entry>, Vec<Fault>) {
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    let mut section: Option<(String, String)> = None;
    for (at, line) in joined(text.trim_start_matches('\u{feff}')) {
        let line_text = line.trim();
        if line_text.is_empty() || line_text.starts_with([';', '#']) {
            continue;
        }
        let outcome = if line_text.starts_with('[') {
            header(line_text).map(|read| section = Some(read))
        } else {
            variable(line_text).and_then(|(key, value)| {
                let (section, subsection) = section.clone().ok_or("a key before the first [section]")?;
                entries.push(Entry { section, subsection, key, value, line: at });
                Ok(())
            })
        };
        faults.extend(outcome.err().map(|what| Fault { line: at, what }));
    }
    (entries, faults)
}

/// Lines with their numbers; one that ends in a backslash goes on in the next.
fn joined(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (at, line) in text.lines().enumerate() {
        let stripped = line.strip_suffix('\\').filter(|rest| !rest.trim_start().starts_with([';', '#']));
        let part = stripped.unwrap_or(line);
        match lines.last_mut() {
            Some((_, last)) if continues => last.push_str(part),
            _ => lines.push((at + 1, part.to_owned())),
        }
        continues = stripped.is_some();
    }
    lines
}

/// `[section]` or `[section "subsection"]`.
fn header(line: &str) -> Result<(String, String), &'static str> {
    let (inside, rest) = line[1..].split_once(']').ok_or("a section without its closing bracket")?;
    if !rest.trim().is_empty() && !rest.trim_start().starts_with([';', '#']) {
        return Err("something after the section's closing bracket");
    }
    let (name, subsection) = match inside.trim().split_once(char::is_whitespace) {
        None => (inside.trim(), ""),
        Some((name, quoted)) => {
            let quoted = quoted.trim();
            let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            (name, inner.ok_or("a subsection's name without its quotes")?)
        }
    };
    if !is_name(name) {
        return Err("a section's name may hold letters, digits, - and . only");
    }
    Ok((name.to_lowercase(), subsection.to_owned()))
}

fn variable(line: &str) -> Result<(String, String), &'static str> {
    // A key alone is a boolean that is on, as in git.
    let (key, value) = match line.split_once('=') {
        Some((key, value)) => (key.trim(), value),
        None => (line.split([';', '#']).next().unwrap_or_default().trim(), " true"),
    };
    if !is_name(key) {
        return Err("no `key = value`: a key may hold letters, digits, - and . only");
    }
    // `cloud==x` is in manifests in the wild.
    let value = value.strip_prefix('=').unwrap_or(value);
    Ok((key.to_lowercase(), unquoted(value.trim())?))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic())
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'))
}

/// The value without quotes, escapes and a comment behind it.
fn unquoted(text: &str) -> Result<String, &'static str> {
    let (mut value, mut quoted, mut kept) = (String::new(), false, 0);
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' => value.push(match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(c @ ('"' | '\\')) => c,
                _ => return Err(r#"a backslash that is not \\, \", \n or \t: put two for one"#),
            }),
            ';' | '#' if !quoted => break,
            c => value.push(c),
        }
        // Blanks at the end count inside quotes only.
        if quoted || !c.is_whitespace() {
            kept = value.len();
        }
    }
    if quoted {
        return Err("a quote without its end");
    }
    value.truncate(kept);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &[(&str, &str, &str)]) {
        let (entries, faults) = parse(text);
        assert_eq!(faults, [], "{text}");
        let got: Vec<_> = entries.iter().map(|e| (e.section.as_str(), e.key.as_str(), e.value.as_str())).collect();
        assert_eq!(got, want, "{text}");
    }

    #[test]
    fn reads_what_gcfg_reads() {
        check("", &[]);
        check("[Global]\nregion=a\n", &[("global", "region", "a")]);
        check("\u{feff}[GLOBAL]\r\nRegion = a b  \r\n", &[("global", "region", "a b")]);
        check("; c\n# c\n [ Vpc ] ; c\n\tid = x ; c\n", &[("vpc", "id", "x")]);
        check("[g]\nk = \"a;b#c \" # c", &[("g", "k", "a;b#c ")]);
        check("[g]\nk = a\"b c\"d", &[("g", "k", "ab cd")]);
        check(
            r#"[g]
k = a\\b\"c"#,
            &[("g", "k", r#"a\b"c"#)],
        );
        check("[g]\nk = a\\\n  b", &[("g", "k", "a  b")]);
        check("[g]\nk=\nl", &[("g", "k", ""), ("g", "l", "true")]);
        check("[g]\nk = a=b==", &[("g", "k", "a=b==")]);
        check("[Global]\ncloud==example.test", &[("global", "cloud", "example.test")]);
    }

    #[test]
    fn subsections_keep_their_case() {
        let (entries, faults) = parse("[Account \"Team A\"]\nk=v");
        assert_eq!(faults, []);
        assert_eq!((entries[0].section.as_str(), entries[0].subsection.as_str()), ("account", "Team A"));
    }

    #[test]
    fn all_faults_are_told_with_their_lines_and_without_the_text() {
        let (entries, faults) = parse("k=v\n[g\n[g] x\n[a b]\n[g]\n=v\nk=\"v\nk=\\x\nk=v");
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [1, 2, 3, 4, 6, 7, 8]);
        assert_eq!(entries.len(), 1);
    }
}
