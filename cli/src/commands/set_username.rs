//! `registry set-username`.

use serde_json::json;

use crate::{
    Failure, Kind, Provider, Terminal,
    args::{Output, SetUsernameArgs},
    pull_secrets::{Cluster, Scope},
    registry_user::{self, Order, Stage, Watcher, moment},
};

/// Tells the person what is done.
struct Told<'t>(&'t mut Terminal);

impl Watcher for Told<'_> {
    fn stage(&mut self, stage: &Stage) -> Result<(), Failure> {
        self.0.note(&stage.to_string());
        Ok(())
    }

    fn note(&mut self, text: &str) {
        self.0.note(&format!("note: {text}"));
    }
}

pub(super) async fn run(
    provider: &Provider,
    args: SetUsernameArgs,
    output: Output,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let cluster = Cluster::connect(&args.access).await?;
    let (certainty, finish) = (args.certainty, args.finish);
    let order = order(args);
    let mut survey = registry_user::survey(provider, &cluster, &order).await?;
    if survey.done {
        terminal.note(&format!(
            "nothing is left to do: user {:?} is there, and the one it replaces is gone",
            order.username
        ));
        return Ok(());
    }
    let (table, mut json) = (registry_user::show(&survey, &order), registry_user::as_json(&survey, &order));
    if certainty.dry_run {
        return terminal.show(output, &table, &json);
    }
    if output == Output::Table {
        terminal.show(output, &table, &json)?;
    }
    if !certainty.yes {
        terminal.confirm("Go on?")?;
    }
    let outcome = survey.carry_out(provider, &cluster, &order, &mut Told(terminal)).await?;
    if output == Output::Json {
        json["login"] = json!(outcome.username);
        json["graceEnds"] = json!(outcome.grace_ends.map(moment));
        terminal.result(&format!("{json:#}\n"))?;
    }
    if !outcome.blocked.is_empty() {
        let list: Vec<String> = outcome
            .blocked
            .iter()
            .map(|one| format!("\n  secret {}/{}: {}", one.namespace, one.name, one.why))
            .collect();
        let message = format!("these still have the old login, so the old user stays:{}", list.concat());
        return Err(Failure::new(Kind::Unfinished, message));
    }
    if finish {
        survey.finish(provider, &cluster, &order, &outcome, &mut Told(terminal)).await?;
        terminal.note("the change is finished");
        return Ok(());
    }
    match (&order.replaces, outcome.grace_ends) {
        (Some(_), Some(ends)) => terminal.note(&format!(
            "every secret logs in as {:?}. The old user stays until it is ended: run the command again with --finish after {}",
            outcome.username,
            moment(ends)
        )),
        // Nobody is to be ended: that was all.
        _ => {
            survey.finish(provider, &cluster, &Order { grace: std::time::Duration::ZERO, ..order }, &now(outcome), &mut Told(terminal)).await?;
        }
    }
    Ok(())
}

/// Without an old user there is no grace to wait for.
fn now(outcome: registry_user::Outcome) -> registry_user::Outcome {
    let grace_ends = outcome.grace_ends.map(|_| std::time::SystemTime::UNIX_EPOCH);
    registry_user::Outcome { grace_ends, ..outcome }
}

fn order(args: SetUsernameArgs) -> Order {
    let default = args.scope.namespace.first().cloned().unwrap_or_else(|| "kube-system".to_owned());
    Order {
        registry: args.registry,
        username: args.username,
        replaces: args.replaces,
        scope: if args.scope.all_namespaces { Scope::All } else { Scope::Namespaces(args.scope.namespace) },
        secret: args.secret,
        accounts: args.service_accounts,
        grace: args.grace,
        take_over: args.take_over,
        skip_verify: args.certainty.skip_verify,
        state_namespace: args.state_namespace.unwrap_or(default),
    }
}
