use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};
use testkit::{Binaries, ControlPlane, Profile, client_from_kubeconfig, cloud::huawei::Huawei};
use tokio::process::Command;

const CLUSTER: &str = "cce00000-0000-4000-8000-000000000001";

fn read(path: &Path) -> Result<Value> {
    Ok(serde_saphyr::from_str(&std::fs::read_to_string(path)?)?)
}

async fn works(path: &Path) -> Result<()> {
    let client = client_from_kubeconfig(path).await?;
    let namespaces = Api::<Namespace>::all(client).list(&ListParams::default()).await?;
    ensure!(namespaces.items.iter().any(|one| one.metadata.name.as_deref() == Some("default")), "no namespaces");
    Ok(())
}

async fn cpctl(binaries: &Binaries, home: &Path, words: &[String]) -> Result<()> {
    let output =
        Command::new(binaries.cpctl()).args(words).env("HOME", home).env_remove("XDG_CACHE_HOME").output().await?;
    ensure!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    ensure!(output.stdout.is_empty(), "nothing is printed");
    Ok(())
}

/// What the cloud would issue for a real API server: its address, its CA, a client certificate and its key.
fn managed(plane: &ControlPlane) -> Result<Value> {
    let admin = read(&plane.kubeconfig())?;
    let user = &admin["users"][0]["user"];
    let pem = |key: &str| -> Result<String> {
        Ok(String::from_utf8(STANDARD.decode(user[key].as_str().context("a key in the kubeconfig")?)?)?)
    };
    Ok(json!({
        "id": CLUSTER, "name": "prod", "internal": plane.url(), "ca": plane.ca_pem(),
        "clientCertificate": pem("client-certificate-data")?, "clientKey": pem("client-key-data")?,
    }))
}

/// The whole way: cloud, daemon, program, and a real client at a real API server.
#[tokio::test]
async fn a_kubeconfig_from_the_clouds_key_works_with_a_real_client_and_as_an_exec_plugin() -> Result<()> {
    let plane = ControlPlane::builder().start().await?;
    let binaries = Binaries::build(Profile::Test).await?;
    let uid = rustix::process::geteuid().as_raw();
    let mut cloud = Huawei::start_with(binaries, plane.folder(), None, &[format!("--secret-peer-uid={uid}")]).await?;
    cloud.simulator().seed(&json!({ "clusters": [managed(&plane)?] })).await?;
    let home = plane.folder().join("home");
    std::fs::create_dir_all(&home)?;
    let file = |name: &str| home.join(name);
    let words = |file: &Path, more: &[&str]| -> Vec<String> {
        let provider = format!("--provider={}", cloud.endpoint());
        let fixed = [
            "kubeconfig".to_owned(),
            format!("--cluster={CLUSTER}"),
            provider,
            format!("--kubeconfig={}", file.display()),
        ];
        fixed.into_iter().chain(more.iter().map(|&word| word.to_owned())).collect()
    };

    let with_key = file("with-key");
    cpctl(binaries, &home, &words(&with_key, &["--endpoint=vpc", "--lifetime=1h"])).await?;
    works(&with_key).await.context("the kubeconfig with a key")?;

    let exec = file("exec");
    cpctl(binaries, &home, &words(&exec, &["--endpoint=vpc", "--lifetime=1h", "--exec", "--context=prod"])).await?;
    let mut written = read(&exec)?;
    let text = written.to_string();
    ensure!(!text.contains("client-key-data") && !text.contains("token"), "a key is in the file");
    // Clients hand their own environment on; this one's cache is the test's.
    written["users"][0]["user"]["exec"]["env"] = json!([{ "name": "XDG_CACHE_HOME", "value": file("cache") }]);
    std::fs::write(&exec, written.to_string())?;
    works(&exec).await.context("the exec plugin, which asks the daemon")?;
    // What was issued is used until it ends, whether the daemon is there or not.
    cloud.daemon_mut().stop().await?;
    works(&exec).await.context("the exec plugin, from what it kept")?;
    std::fs::remove_dir_all(file("cache"))?;
    ensure!(works(&exec).await.is_err(), "without a daemon and with nothing kept there is no credential");
    Ok(())
}
