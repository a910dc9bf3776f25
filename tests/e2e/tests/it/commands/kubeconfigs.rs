use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};
use testkit::{
    Binaries, ControlPlane, Profile, client_from_kubeconfig,
    cloud::{
        baidu::{Baidu, BaiduSettings},
        huawei::{Huawei, HuaweiSettings},
    },
};
use tokio::process::Command;

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
fn managed(plane: &ControlPlane, id: &str, address: &str) -> Result<Value> {
    let admin = read(&plane.kubeconfig())?;
    let user = &admin["users"][0]["user"];
    let pem = |key: &str| -> Result<String> {
        Ok(String::from_utf8(STANDARD.decode(user[key].as_str().context("a key in the kubeconfig")?)?)?)
    };
    Ok(json!({
        "id": id, "name": "prod", address: plane.url(), "ca": plane.ca_pem(),
        "clientCertificate": pem("client-certificate-data")?, "clientKey": pem("client-key-data")?,
    }))
}

/// The whole way: daemon, program, and a real client at a real API server. The file with an exec plugin in it.
async fn both_ways(binaries: &Binaries, home: &Path, endpoint: &str, cluster: &str, more: &[&str]) -> Result<PathBuf> {
    std::fs::create_dir_all(home)?;
    let words = |file: &Path, further: &[&str]| -> Vec<String> {
        let file = format!("--kubeconfig={}", file.display());
        let fixed = ["kubeconfig".to_owned(), format!("--cluster={cluster}"), format!("--provider={endpoint}"), file];
        let further = ["--endpoint=vpc"].iter().chain(more).chain(further).map(|&word| word.to_owned());
        fixed.into_iter().chain(further).collect()
    };
    let with_key = home.join("with-key");
    cpctl(binaries, home, &words(&with_key, &[])).await?;
    works(&with_key).await.context("the kubeconfig with a key")?;

    let exec = home.join("exec");
    cpctl(binaries, home, &words(&exec, &["--exec", "--context=prod"])).await?;
    let mut written = read(&exec)?;
    let text = written.to_string();
    ensure!(!text.contains("client-key-data") && !text.contains("token"), "a key is in the file");
    // Clients hand their own environment on; this one's cache is the test's.
    written["users"][0]["user"]["exec"]["env"] = json!([{ "name": "XDG_CACHE_HOME", "value": home.join("cache") }]);
    std::fs::write(&exec, written.to_string())?;
    works(&exec).await.context("the exec plugin, which asks the daemon")?;
    Ok(exec)
}

/// What was issued is used until it ends, whether the daemon is there or not.
async fn without_a_daemon(home: &Path, exec: &Path) -> Result<()> {
    works(exec).await.context("the exec plugin, from what it kept")?;
    std::fs::remove_dir_all(home.join("cache"))?;
    ensure!(works(exec).await.is_err(), "without a daemon and with nothing kept there is no credential");
    Ok(())
}

fn secrets_for_this_user() -> [String; 1] {
    [format!("--secret-peer-uid={}", rustix::process::geteuid().as_raw())]
}

#[tokio::test]
async fn a_kubeconfig_of_huawei_cloud_works_with_a_real_client_and_as_an_exec_plugin() -> Result<()> {
    let plane = ControlPlane::builder().start().await?;
    let binaries = Binaries::build(Profile::Test).await?;
    let settings = HuaweiSettings { args: secrets_for_this_user().into(), ..HuaweiSettings::default() };
    let mut cloud = Huawei::start_with(binaries, plane.folder(), None, settings).await?;
    let id = "cce00000-0000-4000-8000-000000000001";
    cloud.simulator().seed(&json!({ "clusters": [managed(&plane, id, "internal")?] })).await?;
    let home = plane.folder().join("home");
    let exec = both_ways(binaries, &home, cloud.endpoint(), id, &["--lifetime=1h"]).await?;
    cloud.daemon_mut().stop().await?;
    without_a_daemon(&home, &exec).await
}

#[tokio::test]
async fn a_kubeconfig_of_baidu_ai_cloud_works_with_a_real_client_and_as_an_exec_plugin() -> Result<()> {
    let plane = ControlPlane::builder().start().await?;
    let binaries = Binaries::build(Profile::Test).await?;
    let settings = BaiduSettings { args: secrets_for_this_user().to_vec(), ..BaiduSettings::default() };
    let mut cloud = Baidu::start_with(binaries, plane.folder(), None, settings).await?;
    for id in ["cce-1a2b3c4d", "c-AbCd1234"] {
        cloud.simulator().seed(&json!({ "clusters": [managed(&plane, id, "vpcEndpoint")?] })).await?;
        let home = plane.folder().join(id);
        let exec = both_ways(binaries, &home, cloud.endpoint(), id, &[]).await.context(id)?;
        if id.starts_with("c-") {
            cloud.daemon_mut().stop().await?;
            without_a_daemon(&home, &exec).await?;
        }
    }
    Ok(())
}
