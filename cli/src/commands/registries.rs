//! `registry list`, `users`, `revoke` and `credential`.

use serde_json::{Value, json};

use super::time;
use crate::{
    Failure, Login, Provider, Terminal,
    args::{CredentialFormat, Output, RevokeArgs, ShortLivedArgs},
    pull_secrets::{DockerConfig, Format},
    terminal::Table,
};

pub(super) async fn list(provider: &Provider, output: Output, terminal: &mut Terminal) -> Result<(), Failure> {
    let registries = provider.registries().await?;
    let mut table = Table::new(&["ID", "NAME", "REGION", "HOSTS"]);
    for registry in &registries {
        table.row([registry.id.clone(), registry.name.clone(), registry.region.clone(), registry.hosts.join(", ")]);
    }
    let json: Value = registries
        .iter()
        .map(|registry| json!({ "id": registry.id, "name": registry.name, "region": registry.region, "hosts": registry.hosts }))
        .collect();
    terminal.show(output, &table, &json)
}

pub(super) async fn users(
    provider: &Provider,
    registry: &str,
    output: Output,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let users = provider.registry_users(registry).await?;
    let mut table = Table::new(&["ID", "USERNAME", "ENABLED", "ENDS", "MADE BY THE DAEMON"]);
    let yes = |holds: bool| if holds { "yes" } else { "no" }.to_owned();
    for user in &users {
        table.row([user.id.clone(), user.username.clone(), yes(user.enabled), time(user.expires_at), yes(user.ours)]);
    }
    let json: Value = users
        .iter()
        .map(|user| json!({ "id": user.id, "username": user.username, "enabled": user.enabled, "ours": user.ours }))
        .collect();
    terminal.show(output, &table, &json)
}

pub(super) async fn revoke(provider: &Provider, args: &RevokeArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    let users = provider.registry_users(&args.registry).await?;
    let Some(user) = users.iter().find(|user| user.id == args.user) else {
        // A name is no id: the daemon says so, and of what is gone that it is.
        provider.revoke_registry_user(&args.registry, &args.user).await?;
        terminal.note(&format!("registry {} has no user {}", args.registry, args.user));
        return Ok(());
    };
    if !args.yes {
        let whose = if user.ours { "" } else { ", which the daemon did not make" };
        let question = format!(
            "Revoke user {:?} (id {}){whose}? What logs in with it fails from then on.",
            user.username, user.id
        );
        terminal.confirm(&question)?;
    }
    provider.revoke_registry_user(&args.registry, &args.user).await?;
    terminal.note(&format!("user {:?} (id {}) is revoked", user.username, user.id));
    Ok(())
}

pub(super) async fn credential(
    provider: &Provider,
    args: &ShortLivedArgs,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let issued = provider.issue_registry_credential(&args.registry, args.lifetime).await?;
    let login = Login { username: issued.username, password: cloud_rest::Secret::new(issued.password) };
    let ends = time(issued.expires_at);
    let text = match args.format {
        CredentialFormat::Helper => {
            let host = issued.hosts.first().cloned().unwrap_or_default();
            json!({ "ServerURL": host, "Username": login.username, "Secret": login.password.expose() }).to_string()
        }
        CredentialFormat::DockerConfig => {
            let mut config = DockerConfig::empty(Format::DockerConfigJson);
            config.ensure(&issued.hosts, &login);
            String::from_utf8_lossy(&config.to_bytes()).into_owned()
        }
        CredentialFormat::Password => login.password.expose().to_owned(),
    };
    terminal.secret(&format!("{text}\n"), args.stdout)?;
    let ends = if ends.is_empty() { String::new() } else { format!(", ends {ends}") };
    terminal.note(&format!("user {:?} at {}{ends}", login.username, issued.hosts.join(", ")));
    Ok(())
}
