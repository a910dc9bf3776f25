//! The page `docs/cpctl.md`, made from the command line's own definition.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command, CommandFactory as _};

use crate::{Args, Kind};

const HEAD: &str = "# cpctl

<!-- Made from cli/src/args by a test; write it anew with
UPDATE_DOCS=1 cargo test -p cpctl cpctl_page -->

What a person asks of a provider daemon: kubeconfigs of managed clusters, users of image registries, and what the daemon is and has. The
daemon holds the cloud's keys; `cpctl` holds none. Guides: [kubeconfig.md](kubeconfig.md), [registry-user.md](registry-user.md).

```sh
export CPCTL_PROVIDER=unix:/run/cloud-provider/provider.sock
cpctl provider info
```

A daemon answers secrets to those only whom it was told to: `--secret-peer-uid` or `--secret-peer-san`, see [daemon.md](daemon.md).
Results go to standard output, as tables or with `--output=json`; everything else goes to standard error. No secret is printed to a
screen unless `--stdout` asks for it.
";

/// The page.
pub fn markdown() -> String {
    let mut command = Args::command();
    command.build();
    let mut page = HEAD.to_owned();
    page.push_str("\n## Exit codes\n\n| code | means |\n| --- | --- |\n| 0 | done |\n");
    for kind in Kind::ALL {
        let _ = writeln!(page, "| {} | {} |", kind.exit_code(), kind.meaning());
    }
    page.push_str("\n## Flags of every command\n");
    flags(&mut page, command.get_arguments().filter(|arg| arg.is_global_set()));
    commands(&mut page, &command, "cpctl");
    page
}

fn commands(page: &mut String, command: &Command, path: &str) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        if sub.get_subcommands().any(|sub| sub.get_name() != "help") {
            commands(page, sub, &path);
            continue;
        }
        let about = sub.get_long_about().or_else(|| sub.get_about()).map(ToString::to_string).unwrap_or_default();
        let _ = write!(page, "\n## {path}\n\n{about}\n");
        flags(page, sub.get_arguments().filter(|arg| !arg.is_global_set()));
    }
}

fn flags<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let rows: Vec<String> = arguments.filter_map(flag).collect();
    if !rows.is_empty() {
        let _ = write!(page, "\n| flag | default | meaning |\n| --- | --- | --- |\n{}", rows.concat());
    }
}

fn flag(arg: &Arg) -> Option<String> {
    let name = arg.get_long().filter(|name| !matches!(*name, "help" | "version"))?;
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let choices: Vec<String> =
        arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).filter(|_| takes_value).collect();
    let value = match (takes_value, choices.is_empty()) {
        (false, _) => String::new(),
        (true, false) => format!(" {}", choices.join("\\|")),
        (true, true) => {
            let names = arg.get_value_names().unwrap_or_default();
            names.first().map_or_else(String::new, |name| format!(" {name}"))
        }
    };
    let defaults =
        arg.get_default_values().iter().filter(|_| takes_value).map(|value| value.to_string_lossy().into_owned());
    let default: Vec<String> = defaults.filter(|value| !value.is_empty()).map(|value| format!("`{value}`")).collect();
    let default = if default.is_empty() { "–".to_owned() } else { default.join(", ") };
    let mut help =
        arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default().replace('\n', " ");
    if !help.ends_with('.') {
        help.push('.');
    }
    if arg.is_required_set() {
        help = format!("**required** {help}");
    }
    if let Some(variable) = arg.get_env() {
        help = format!("{help} Variable: `{}`.", variable.to_string_lossy());
    }
    Some(format!("| `--{name}{value}` | {default} | {} |\n", help.replace('|', "\\|")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_cpctl_page_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cpctl.md");
        let want = markdown();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &want).expect("docs/cpctl.md is writable");
        }
        let have = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(have == want, "docs/cpctl.md is out of date: UPDATE_DOCS=1 cargo test -p cpctl cpctl_page");
    }
}
