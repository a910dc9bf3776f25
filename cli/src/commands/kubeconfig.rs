//! `kubeconfig` and `credential`.

use std::{path::Path, time::SystemTime};

use cloud_provider_api::v1::ClusterEndpoint;
use serde_json::{Map, Value, json};

use crate::{
    Failure, Provider, Terminal,
    args::{ClusterArgs, CredentialArgs, Endpoint, KubeconfigArgs, ProviderArgs},
    credential::{Cache, Kept, Question, Status, Version, answer, asked_by_client},
    kubeconfig::{Entry, Issued, Origin, default_path, update},
    names::CPCTL,
    registry_user::moment,
};

/// Has a kubeconfig issued and merges or prints it.
pub(super) async fn write(flags: &ProviderArgs, args: &KubeconfigArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    // Before anything is issued: a file that cannot be named needs no key.
    let path = match (&args.kubeconfig, args.stdout) {
        (Some(path), _) => Some(path.clone()),
        (None, true) => None,
        (None, false) => Some(default_path()?),
    };
    let provider = Provider::connect(flags).await?;
    let issued = issue(&provider, &args.cluster).await?;
    if issued.skips_verification() {
        terminal.note("warning: the cloud's kubeconfig for this endpoint does not verify the server; --endpoint may name a better one");
    }
    let (flags, id) = (flags.flags(), &args.cluster.cluster);
    let user = if args.exec { exec_user(&flags, args)? } else { issued.user.clone() };
    let name = args.context.clone().unwrap_or_else(|| format!("cpctl-{id}"));
    let origin = Origin { provider: provider.info().provider_name.clone(), cluster: id.clone() };
    let entry = Entry { name: name.clone(), origin, cluster: issued.cluster.clone(), user };
    if args.exec {
        // The first client need not ask again. Where nothing can be kept, it does.
        let now = SystemTime::now();
        let kept = Kept::new(Status::of(&issued)?, now, issued.expires_at, args.cluster.lifetime);
        if let Some(Err(failure)) = Cache::of_user().map(|cache| cache.put(&question(&flags, &args.cluster), &kept)) {
            terminal.note(&format!("note: {failure}"));
        }
    }
    let Some(path) = path else {
        let mut document = crate::kubeconfig::Document::parse("")?;
        document.merge(entry, true, true)?;
        return terminal.secret(&document.render()?, args.stdout);
    };
    let merged = update(&path, |file| file.merge(entry, args.force, args.set_current))?;
    let verb = if merged.replaced { "replaced" } else { "added" };
    let current = if merged.current { ", the current one" } else { "" };
    terminal.note(&format!("{verb} context {name:?}{current} in {}", path.display()));
    match issued.expires_at {
        _ if args.exec => terminal.note("the file holds no key: clients have cpctl fetch one when they need it"),
        Some(ends) => terminal.note(&format!("its key ends {}", moment(ends))),
        None => terminal.note("when its key ends is not known"),
    }
    Ok(())
}

/// Answers a client that asks for a credential.
pub(super) async fn credential(
    flags: &ProviderArgs,
    args: &CredentialArgs,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let client = asked_by_client()?;
    // A client reads it from a pipe, whatever this process was started from.
    let asked = args.stdout || client.is_some();
    let words = flags.flags();
    let question = question(&words, &args.cluster);
    let cache = if args.no_cache { None } else { Cache::of_user() };
    let kept = match &cache {
        None => fetch(flags, &args.cluster).await?,
        Some(cache) => match cache.get(&question, SystemTime::now()) {
            Some(kept) => kept,
            None => {
                let _turn = cache.turn(&question)?;
                // Another process may have asked while this one waited.
                match cache.get(&question, SystemTime::now()) {
                    Some(kept) => kept,
                    None => {
                        let kept = fetch(flags, &args.cluster).await?;
                        cache.put(&question, &kept)?;
                        kept
                    }
                }
            }
        },
    };
    terminal.secret(&answer(client.unwrap_or(Version::V1), &kept.status, kept.ends())?, asked)
}

async fn fetch(flags: &ProviderArgs, cluster: &ClusterArgs) -> Result<Kept, Failure> {
    let now = SystemTime::now();
    let issued = issue(&Provider::connect(flags).await?, cluster).await?;
    Ok(Kept::new(Status::of(&issued)?, now, issued.expires_at, cluster.lifetime))
}

async fn issue(provider: &Provider, cluster: &ClusterArgs) -> Result<Issued, Failure> {
    let endpoint = match cluster.endpoint {
        None => ClusterEndpoint::Unspecified,
        Some(Endpoint::Public) => ClusterEndpoint::Public,
        Some(Endpoint::Vpc) => ClusterEndpoint::Vpc,
    };
    Issued::read(provider.issue_kubeconfig(&cluster.cluster, endpoint, cluster.lifetime).await?)
}

fn question<'a>(flags: &'a [String], cluster: &'a ClusterArgs) -> Question<'a> {
    Question {
        provider: flags,
        cluster: &cluster.cluster,
        endpoint: cluster.endpoint.map_or("", Endpoint::as_str),
        lifetime: cluster.lifetime,
    }
}

/// A user that is this program.
fn exec_user(flags: &[String], args: &KubeconfigArgs) -> Result<Map<String, Value>, Failure> {
    let command = match &args.exec_command {
        Some(command) => command.clone(),
        None => own_command()?,
    };
    let mut words = vec!["credential".to_owned(), format!("--cluster={}", args.cluster.cluster)];
    words.extend(args.cluster.endpoint.map(|endpoint| format!("--endpoint={}", endpoint.as_str())));
    words.extend(args.cluster.lifetime.map(|lifetime| format!("--lifetime={}s", lifetime.as_secs())));
    words.extend(flags.iter().cloned());
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": command,
        "args": words,
        "interactiveMode": "Never",
        "provideClusterInfo": false,
        "installHint": "cpctl fetches the credential from the provider daemon; it is part of the same release",
    });
    Ok(Map::from_iter([("exec".to_owned(), exec)]))
}

/// How a client starts this program: by its name, if that leads here, or else by its path.
fn own_command() -> Result<String, Failure> {
    let own = std::env::current_exe().map_err(|error| Failure::failed(format!("where this program is: {error}")))?;
    let same = |candidate: &Path| candidate.canonicalize().ok() == own.canonicalize().ok();
    let on_path = std::env::var_os("PATH").and_then(|list| {
        let mut folders = std::env::split_paths(&list);
        folders.find_map(|folder| Some(folder.join(CPCTL)).filter(|candidate| candidate.is_file()))
    });
    let by_name = on_path.is_some_and(|first| same(&first));
    Ok(if by_name { CPCTL.to_owned() } else { own.display().to_string() })
}
