//! The page `docs/baidu-configuration.md`, made from the tables.

use std::fmt::Write as _;

use super::{Profile, keys::KEYS};

const HEAD: &str = "# Configuration of provider-baidu

<!-- Made from provider-baidu/src/config by a test; write it anew with
UPDATE_DOCS=1 cargo test -p provider-baidu configuration_page -->

`--cloud-config` names the JSON file the Go provider reads; names are read in any case. An old file works as it is. What is unknown
is ignored, with a line in the log; all faults are reported at once, before anything starts.

**new** marks keys the Go provider does not know. **reloads** marks those that take effect within seconds when the file changes; the
others need a restart.
";

const ENVIRONMENT: &str = "
## Environment

| variable | use |
| --- | --- |
| `CCE_GATEWAY_ENDPOINT`, `CCE_GATEWAY_HOST` | Address of CCE's gateway, when `GatewayEndpoint` is absent; `http://` is added if missing. |
| `SSL_CERT_FILE` | PEM certificates trusted beside the system's and those of `CAFile`. |
| `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` | Proxy, with `ProxyFromEnvironment`. |
";

/// The page.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    let mut group = None;
    for key in KEYS {
        if group != Some(key.group) {
            group = Some(key.group);
            let title = key.group.title();
            let _ = write!(page, "\n## {title}\n\n| key | default | meaning |\n| --- | --- | --- |\n");
        }
        let default = if key.default.is_empty() { "–" } else { key.default };
        let marks = [(!key.since_go).then_some("**new** "), key.reloads.then_some("**reloads** ")];
        let marks: String = marks.into_iter().flatten().collect();
        let _ = writeln!(page, "| `{}` | {default} | {marks}{} |", key.name, key.help);
    }
    page.push_str(ENVIRONMENT);
    page.push_str(&profiles());
    page
}

fn profiles() -> String {
    let mut page = "\n## Profiles\n\nAn installation's kind, as data: `Profile` names one of these, or `ProfileFile` a JSON file of the \
                    same form, for which `provider-baidu/src/config/profiles.json` is the pattern.\n\n\
                    | profile | for | services | machines | routes | public addresses |\n\
                    | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for (name, profile) in Profile::all() {
        let features = &profile.features;
        let machines =
            [("BCC", features.bcc), ("BBC", features.bbc), ("BEC", features.bec), ("own", features.own_machines)];
        let machines: Vec<&str> = machines.into_iter().filter(|(_, has)| *has).map(|(kind, _)| kind).collect();
        let yes = |has: bool| if has { "yes" } else { "no" };
        let _ = writeln!(
            page,
            "| `{name}` | {} | `{}` | {} | {} | {} |",
            profile.about,
            profile.service,
            machines.join(", "),
            yes(features.routes),
            yes(features.eips),
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_page_is_up_to_date() {
        provider_kit::testing::is_page(env!("CARGO_MANIFEST_DIR"), "baidu-configuration.md", &markdown());
    }

    #[test]
    fn no_name_is_there_twice_in_any_case() {
        let mut names: Vec<String> = KEYS.iter().map(|key| key.name.to_lowercase()).collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
