//! The controller's HTTPS server, with a real apiserver to review who calls and what they may do.

use std::net::TcpListener;

use anyhow::{Result, ensure};
use e2e::{
    Settings, World,
    admin::{client, get, token},
};
use testkit::{eventually, manifests, pki::Ca, scratch_folder};

/// What a monitoring system is given to read the metrics, and nothing else.
const MONITORING: &str = r"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: monitoring}
rules:
  - {nonResourceURLs: [/metrics, /configz], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: monitoring}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: monitoring}
subjects:
  - {kind: ServiceAccount, name: monitoring, namespace: default}
";

#[tokio::test]
async fn who_may_read_what_is_for_the_apiserver_to_say() -> Result<()> {
    let folder = scratch_folder("serving")?;
    let ca = Ca::new("serving")?;
    let ca_file = testkit::pki::write(folder.path(), "ca.crt", &ca.pem())?;
    let files = ca.server(&["127.0.0.1"])?.write(folder.path(), "serving")?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let controller_args = vec![
        "--bind-address=127.0.0.1".to_owned(),
        format!("--tls-cert-file={}", files.certificate.display()),
        format!("--tls-private-key-file={}", files.key.display()),
        "--authorization-webhook-cache-unauthorized-ttl=500ms".to_owned(),
    ];
    let mut world = World::start(Settings { secure_port: port, controller_args, ..Settings::default() }).await?;
    world.join(1).await?;

    let anonymous = client(port, &ca_file, None).await?;
    for (path, open) in
        [("/healthz", true), ("/livez", true), ("/readyz", true), ("/metrics", false), ("/configz", false)]
    {
        let (status, text) = get(&anonymous, path).await?;
        ensure!(if open { status == 200 } else { [401, 403].contains(&status) }, "anonymous {path}: {status} {text}");
    }
    let (status, _) = get(&client(port, &ca_file, Some("made-up")).await?, "/metrics").await?;
    ensure!(status == 401, "a token that nobody issued: {status}");

    let account = world.plane.service_account_kubeconfig("default", "monitoring").await?;
    let monitoring = client(port, &ca_file, Some(&token(&account)?)).await?;
    ensure!(get(&monitoring, "/metrics").await?.0 == 403, "a known caller without the right");
    manifests::apply(&world.client, MONITORING).await?;
    let metrics = eventually("the caller may read the metrics", e2e::PATIENCE, async || {
        let (status, text) = get(&monitoring, "/metrics").await?;
        ensure!(status == 200, "{status} {text}");
        Ok(text)
    })
    .await
    .map_err(|error| world.explain(&error))?;
    for name in ["cloudprovider_ready{provider=\"mock\"} 1", "workqueue_depth{name=\"service\"}"] {
        ensure!(metrics.contains(name), "{name} is not among the metrics");
    }
    let (status, configz) = get(&monitoring, "/configz").await?;
    ensure!(status == 200 && configz.contains("cloudcontrollermanager.config.k8s.io"), "/configz: {status} {configz}");
    let (status, _) = get(&monitoring, "/flagz").await?;
    ensure!(status == 403, "what the role does not name: {status}");
    Ok(())
}
