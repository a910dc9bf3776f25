use std::{fs, os::unix::fs::symlink, path::Path, sync::Arc, time::Duration};

use provider_hop::{
    connect::ConnectOptions,
    listen::ListenOptions,
    testing::{Authority, Issued, Wanted, write},
    tls::{Tls, TlsFiles, TlsStatus},
};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::rig::{Rig, assert_unavailable, call};

const SERVER: &str = "provider.example";
const CLIENT: &str = "ccm.example";

fn issue(authority: &Authority, name: &str) -> Issued {
    authority.issue(&Wanted::named(&[name]))
}

fn listening(tls: &Arc<Tls>) -> ListenOptions {
    ListenOptions { tls: Some(tls.clone()), ..ListenOptions::default() }
}

fn connecting(tls: &Arc<Tls>) -> ConnectOptions {
    ConnectOptions { tls: Some(tls.clone()), server_san: Some(SERVER.parse().unwrap()), ..ConnectOptions::default() }
}

async fn until(tls: &Tls, what: &str, reached: impl FnMut(&TlsStatus) -> bool) -> TlsStatus {
    let mut status = tls.status();
    let seen = timeout(Duration::from_secs(20), status.wait_for(reached)).await;
    seen.unwrap_or_else(|_| panic!("{what} was not seen")).unwrap().clone()
}

/// Publishes files as a mounted Secret does: a new directory, then one link swapped.
fn publish(volume: &Path, generation: &str, issued: &Issued, trusted: &[&Authority]) {
    fs::create_dir(volume.join(generation)).unwrap();
    write(&volume.join(generation), issued, trusted).unwrap();
    symlink(generation, volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
}

#[tokio::test]
async fn a_mounted_secret_that_changes_is_taken_over() {
    let folder = TempDir::new().unwrap();
    let volume = folder.path();
    let authority = Authority::new("test CA");
    publish(volume, "..1", &issue(&authority, SERVER), &[&authority]);
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        symlink(Path::new("..data").join(name), volume.join(name)).unwrap();
    }
    let tls = Tls::load(TlsFiles {
        certificate: volume.join("tls.crt"),
        private_key: volume.join("tls.key"),
        ca: volume.join("ca.crt"),
    })
    .unwrap();
    let before = tls.status().borrow().clone();
    let _task = tls.watch();
    let longer = Wanted { not_after: before.not_after + Duration::from_hours(1), ..Wanted::named(&[SERVER]) };
    publish(volume, "..2", &authority.issue(&longer), &[&authority]);
    let after = until(&tls, "the new certificate", |status| status.reloads == 2).await;
    assert_eq!(after.not_after, before.not_after + Duration::from_hours(1));
    assert_eq!((after.refused, after.fault), (0, None));
}

#[tokio::test]
async fn a_bad_pair_is_refused_and_reported_and_the_old_one_serves_on() {
    let server_folder = TempDir::new().unwrap();
    let client_folder = TempDir::new().unwrap();
    let authority = Authority::new("test CA");
    let tls = Tls::load(authority.write(server_folder.path(), &[SERVER]).unwrap()).unwrap();
    let _task = tls.watch();
    let client = Tls::load(authority.write(client_folder.path(), &[CLIENT]).unwrap()).unwrap();
    let rig = Rig::start("https://127.0.0.1:0", listening(&tls)).await;

    fs::write(server_folder.path().join("tls.key"), issue(&authority, SERVER).private_key).unwrap();
    let status = until(&tls, "the fault", |status| status.fault.is_some()).await;
    assert!(status.fault.unwrap().contains("does not belong"));
    assert_eq!((status.reloads, status.refused), (1, 1));
    call(&rig.client(&connecting(&client))).await.unwrap();

    write(server_folder.path(), &issue(&authority, SERVER), &[&authority]).unwrap();
    let status = until(&tls, "the good pair", |status| status.reloads == 2).await;
    assert_eq!(status.fault, None);
    call(&rig.client(&connecting(&client))).await.unwrap();
}

#[tokio::test]
async fn calls_under_way_outlive_a_change_and_new_connections_use_it() {
    let server_folder = TempDir::new().unwrap();
    let client_folder = TempDir::new().unwrap();
    let (old, new) = (Authority::new("old CA"), Authority::new("new CA"));
    let server = Tls::load(old.write(server_folder.path(), &[SERVER]).unwrap()).unwrap();
    let client = Tls::load(old.write(client_folder.path(), &[CLIENT]).unwrap()).unwrap();
    let rig = Rig::start("https://127.0.0.1:0", listening(&server)).await;
    let connected = rig.client(&connecting(&client));
    call(&connected).await.unwrap();

    let step = async |server_by: &Authority, client_by: &Authority, trusted: &[&Authority]| {
        write(server_folder.path(), &issue(server_by, SERVER), trusted).unwrap();
        write(client_folder.path(), &issue(client_by, CLIENT), trusted).unwrap();
        assert!(server.reload().unwrap());
        assert!(client.reload().unwrap());
        call(&connected).await.expect("an open connection is not touched");
        call(&rig.client(&connecting(&client))).await.expect("a new connection is made");
    };
    // The change of a CA: trust both, issue by the new one, trust only that.
    step(&old, &old, &[&old, &new]).await;
    step(&new, &old, &[&old, &new]).await;
    step(&new, &new, &[&old, &new]).await;
    step(&new, &new, &[&new]).await;

    // Who stayed behind is out, although it knew the server before: nothing is resumed.
    write(client_folder.path(), &issue(&old, CLIENT), &[&new]).unwrap();
    client.reload().unwrap();
    assert_unavailable(&rig.client(&connecting(&client)), "UnknownCA").await;
}
