//! The page `docs/huawei-configuration.md`, made from the tables.

use std::fmt::Write as _;

use super::{Profile, keys::KEYS};

const HEAD: &str = "# Configuration of provider-huawei

<!-- Made from provider-huawei/src/config by a test; write it anew with
UPDATE_DOCS=1 cargo test -p provider-huawei configuration_page -->

`--cloud-config` names a file in the form the Go provider reads: `[Section]`, `key = value`, comments after `;` or `#`, double
quotes around values with blanks or comment signs, names without regard to case. An old file works as it is. What is unknown is
ignored, with a line in the log; all faults are reported at once, before anything starts.

**new** marks keys the Go provider does not know. **reloads** marks those that take effect within seconds when the file changes; the
others need a restart, and the log says so.
";

const ENVIRONMENT: &str = "
## Environment

| variable | use |
| --- | --- |
| `HUAWEICLOUD_SDK_AK`, `HUAWEICLOUD_SDK_SK`, `HUAWEICLOUD_SDK_SECURITY_TOKEN` | Keys, when neither the file nor `secret-folder` has any. |
| `HUAWEICLOUD_SDK_PROJECT_ID` | Project id, when `project-id` is absent. |
| `HUAWEICLOUD_SDK_IAM_ENDPOINT` | IAM's address, before `auth-url`; `https://` is added if missing. |
| `SSL_CERT_FILE` | PEM certificates trusted beside the system's and those of `ca-file`. |
| `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` | Proxy, with `proxy-from-environment = true`. |
";

/// The page.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    let mut section = "";
    for key in KEYS {
        if key.section != section {
            section = key.section;
            let _ = write!(page, "\n## `[{section}]`\n\n| key | default | meaning |\n| --- | --- | --- |\n");
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
    let mut page = "\n## Profiles\n\nAn installation's kind, as data: `profile` names one of these, or `profile-file` a JSON file of the \
                    same form, for which `provider-huawei/src/config/profiles.json` is the pattern.\n\n\
                    | profile | for | `cloud` | services | IAM |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for (name, profile) in Profile::all() {
        let cloud = profile.cloud.as_ref().map_or("required".to_owned(), |cloud| format!("`{cloud}`"));
        let _ =
            writeln!(page, "| `{name}` | {} | {cloud} | `{}` | `{}` |", profile.about, profile.service, profile.iam);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_page_is_up_to_date() {
        provider_kit::testing::is_page(env!("CARGO_MANIFEST_DIR"), "huawei-configuration.md", &markdown());
    }
}
