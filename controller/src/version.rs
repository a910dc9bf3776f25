//! What this build is.

/// A build, as `--version=raw` and `kubernetes_build_info` show it.
#[derive(Clone, Debug)]
pub struct Info {
    /// First number of the version.
    pub major: &'static str,
    /// Second number of the version.
    pub minor: &'static str,
    /// `v` and the version.
    pub git_version: &'static str,
    /// The commit, if the environment variable `GIT_COMMIT` named it at build time, else `unknown`.
    pub git_commit: &'static str,
    /// `rustc`, in place of the Go compiler.
    pub compiler: &'static str,
    /// `<os>/<arch>` in Go's words.
    pub platform: String,
}

/// What this build is.
pub fn info() -> Info {
    Info {
        major: env!("CARGO_PKG_VERSION_MAJOR"),
        minor: env!("CARGO_PKG_VERSION_MINOR"),
        git_version: concat!("v", env!("CARGO_PKG_VERSION")),
        git_commit: option_env!("GIT_COMMIT").unwrap_or("unknown"),
        compiler: "rustc",
        platform: format!("{}/{}", std::env::consts::OS, go_arch(std::env::consts::ARCH)),
    }
}

/// The user agent of requests to the kube-apiserver: upstream's form, `<program>/<version> (<platform>) kubernetes/<commit>`.
pub fn user_agent() -> String {
    let info = info();
    format!("cloud-controller-manager/{} ({}) kubernetes/{}", info.git_version, info.platform, info.git_commit)
}

fn go_arch(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
