//! From `OpenMetrics` text, which the registry writes, to the Prometheus text format 0.0.4 in the Go client's spelling.
//!
//! The two differ in four points: a counter's name in the comments carries `_total`; there is no `# EOF` and no `# UNIT`;
//! and the bound of a bucket is spelled `10` and `1e-08`, which matters because bounds are labels that dashboards compare.

use std::fmt::Write as _;

/// Rewrites a whole exposition.
pub(super) fn from_open_metrics(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        if let Some(help) = line.strip_prefix("# HELP ") {
            let name = help.split(' ').next().unwrap_or_default();
            let counter = lines.peek().is_some_and(|next| *next == format!("# TYPE {name} counter"));
            let suffix = if counter { "_total" } else { "" };
            let _ = writeln!(out, "# HELP {name}{suffix}{}", &help[name.len()..]);
        } else if let Some(name) = line.strip_prefix("# TYPE ").and_then(|rest| rest.strip_suffix(" counter")) {
            let _ = writeln!(out, "# TYPE {name}_total counter");
        } else {
            sample(&mut out, line);
        }
    }
    out
}

/// A sample line; only the value of an `le` label is spelled anew. The registry writes `le` before all other labels.
fn sample(out: &mut String, line: &str) {
    let spelled = line.split_once("{le=\"").and_then(|(name, rest)| {
        let (bound, rest) = rest.split_once('"')?;
        Some(format!("{name}{{le=\"{}\"{rest}", go_float(bound)))
    });
    out.push_str(spelled.as_deref().unwrap_or(line));
    out.push('\n');
}

/// A float as Go's shortest formatting writes it: no `.0`, and an exponent of at least two digits.
fn go_float(text: &str) -> String {
    let text = text.strip_suffix(".0").unwrap_or(text);
    match text.split_once("e-") {
        Some((mantissa, exponent)) if exponent.len() == 1 => {
            format!("{}e-0{exponent}", mantissa.strip_suffix(".0").unwrap_or(mantissa))
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_keep_their_suffix_in_the_comments() {
        let open = "# HELP a_b Help.\n# TYPE a_b counter\n# UNIT a_b b\na_b_total{x=\"1\"} 3\n# EOF\n";
        let prometheus = "# HELP a_b_total Help.\n# TYPE a_b_total counter\na_b_total{x=\"1\"} 3\n";
        assert_eq!(from_open_metrics(open), prometheus);
    }

    #[test]
    fn gauges_are_left_alone() {
        let text = "# HELP g Help with a counter\n# TYPE g gauge\ng{le_x=\"1.0\"} 3\n";
        assert_eq!(from_open_metrics(text), text);
    }

    #[test]
    fn bounds_are_spelled_as_go_spells_them() {
        for (have, want) in [
            ("1.0", "1"),
            ("0.005", "0.005"),
            ("1e-8", "1e-08"),
            ("1e-10", "1e-10"),
            ("+Inf", "+Inf"),
            ("1024.0", "1024"),
        ] {
            assert_eq!(go_float(have), want);
        }
        let line = "h_bucket{le=\"4.0\",name=\"x\"} 1\n";
        assert_eq!(from_open_metrics(line), "h_bucket{le=\"4\",name=\"x\"} 1\n");
    }
}
