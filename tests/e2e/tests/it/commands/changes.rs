use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cpctl::{Kind, pull_secrets::Scope, registry_user::Order};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    robots::{OLD_ID, REGISTRY},
    world::{StopAt, World, logins_of},
};

/// More steps than a change has.
const MOST: usize = 40;

#[tokio::test]
async fn a_change_interrupted_before_any_step_goes_on_and_no_secret_is_ever_without_a_login() -> Result<()> {
    let world = World::start().await?;
    let (stop, order) = (CancellationToken::new(), world.order());
    world.reset().await?;
    let watch = world.watch(&stop);
    let mut steps = 0;
    for at in 0..MOST {
        world.reset().await?;
        let mut first = StopAt { at: Some(at), ..StopAt::default() };
        let interrupted = world.change(&order, &mut first).await;
        if interrupted.is_ok() {
            steps = at;
            break;
        }
        let old_is_there = world.robots.has(OLD_ID);
        let mut second = StopAt::default();
        world.change(&order, &mut second).await.with_context(|| format!("after {:?}", first.seen))?;
        world.check_changed().await.with_context(|| format!("after {:?}, {:?}", first.seen, second.seen))?;
        ensure!(!world.robots.has(OLD_ID) && !world.has_record().await?, "after {:?}", first.seen);
        // Only what was lost before anything had it is made anew.
        let passwords = world.robots.state().passwords;
        ensure!(passwords <= 2 && (passwords == 1 || old_is_there), "{passwords} after {:?}", first.seen);
    }
    stop.cancel();
    let (looks, wrong) = watch.await??;
    ensure!(wrong.is_empty(), "logins that did not work were in {wrong:?}");
    ensure!(steps >= 9 && looks > steps, "{steps} steps, {looks} looks");
    // Once more, with nothing left to do.
    let mut again = StopAt::default();
    ensure!(world.change(&order, &mut again).await?.is_none() && again.seen.is_empty(), "{:?}", again.seen);
    Ok(())
}

#[tokio::test]
async fn a_lost_answer_costs_a_password_that_nobody_had() -> Result<()> {
    let world = World::start().await?;
    world.reset().await?;
    world.robots.state().lose_answer = true;
    let failure = world.change(&world.order(), &mut StopAt::default()).await.unwrap_err();
    ensure!(failure.kind() == Kind::TryAgain, "{failure}");
    world.change(&world.order(), &mut StopAt::default()).await?;
    world.check_changed().await?;
    ensure!(world.robots.state().passwords == 2, "the second is the one in use");
    Ok(())
}

#[tokio::test]
async fn a_user_that_another_cluster_may_use_keeps_its_password() -> Result<()> {
    let world = World::start().await?;
    world.reset().await?;
    world.change(&world.order(), &mut StopAt::default()).await?;
    // The same name, seen from a place where nothing logs in with it.
    let password = world.robots.state().robots.iter().map(|robot| robot.password.clone()).collect::<Vec<_>>();
    let elsewhere = Order {
        scope: Scope::Namespaces(vec!["kube-public".to_owned()]),
        replaces: None,
        secret: Some("pull".to_owned()),
        state_namespace: "kube-public".to_owned(),
        ..world.order()
    };
    let failure = world.change(&elsewhere, &mut StopAt::default()).await.unwrap_err();
    ensure!(failure.kind() == Kind::Refused && failure.to_string().contains("--take-over"), "{failure}");
    let after = world.robots.state().robots.iter().map(|robot| robot.password.clone()).collect::<Vec<_>>();
    ensure!(after == password, "the password was changed");
    Ok(())
}

#[tokio::test]
async fn an_immutable_secret_blocks_the_end_or_gets_a_successor() -> Result<()> {
    let world = World::start().await?;
    world.reset().await?;
    world.add_immutable().await?;
    let failure = world.change(&world.order(), &mut StopAt::default()).await.unwrap_err();
    ensure!(failure.kind() == Kind::Unfinished && world.robots.has(OLD_ID), "{failure}");
    let order = Order { accounts: true, ..world.order() };
    world.change(&order, &mut StopAt::default()).await?;
    world.check_changed().await?;
    let account = world.accounts("b").get("default").await?;
    let used: Vec<String> = account.image_pull_secrets.into_iter().flatten().map(|one| one.name).collect();
    ensure!(used.len() == 3 && used[0] == "first" && used[1].starts_with("frozen-") && used[2] == "frozen", "{used:?}");
    let api = kube::Api::<k8s_openapi::api::core::v1::Secret>::namespaced(world.client.clone(), "b");
    let successor = api.get(&used[1]).await?;
    ensure!(logins_of(&successor, "elsewhere.example") == [("x".to_owned(), "y".to_owned())], "its other logins");
    Ok(())
}

/// The program as a person runs it: a plan that changes nothing, kills at any moment, the change, its end.
#[tokio::test]
async fn the_program_changes_a_name_through_kills_and_shows_no_password() -> Result<()> {
    let world = World::start().await?;
    world.reset().await?;
    let stop = CancellationToken::new();
    let watch = world.watch(&stop);
    let base = [
        "registry",
        "set-username",
        "--registry",
        REGISTRY,
        "--username=new",
        "--replaces",
        OLD_ID,
        "--namespace=a",
        "--namespace=b",
    ];
    let with = |more: &[&'static str]| [&base[..], more].concat();

    let plan = world.program(&with(&["--dry-run", "--output=json"]), None).await?.context("it ran")?;
    let plan: Value = serde_json::from_slice(&plan.stdout)?;
    ensure!(
        plan["rewrite"].as_array().map(Vec::len) == Some(3) && plan["replaces"]["username"] == "robot$old",
        "{plan}"
    );
    ensure!(!world.has_record().await? && world.robots.state().passwords == 0, "a plan changes nothing");
    let asked = world.program(&base, None).await?.context("it ran")?;
    ensure!(asked.status.code() == Some(5), "nobody confirmed it: {:?}", asked.status);

    for milliseconds in [20, 60, 100, 150, 250] {
        let _ = world.program(&with(&["--yes"]), Some(Duration::from_millis(milliseconds))).await?;
    }
    let made = world.program(&with(&["--yes"]), None).await?.context("it ran")?;
    let told = String::from_utf8(made.stderr)? + &String::from_utf8(made.stdout)?;
    ensure!(made.status.success() && told.contains("--finish"), "{told}");
    world.check_changed().await?;
    ensure!(world.robots.has(OLD_ID) && world.has_record().await?, "the old user stays for its grace");
    let passwords: Vec<String> = world.robots.state().robots.iter().map(|robot| robot.password.clone()).collect();
    ensure!(passwords.iter().all(|password| !told.contains(password)), "a password was shown");

    let early = world.program(&with(&["--yes", "--finish"]), None).await?.context("it ran")?;
    ensure!(early.status.code() == Some(6) && world.robots.has(OLD_ID), "the grace is not over: {:?}", early.status);
    let ended = world.program(&with(&["--yes", "--finish", "--grace=0s"]), None).await?.context("it ran")?;
    ensure!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    ensure!(!world.robots.has(OLD_ID) && !world.has_record().await?, "nothing is left");
    world.check_changed().await?;
    stop.cancel();
    let (_, wrong) = watch.await??;
    ensure!(wrong.is_empty(), "logins that did not work were in {wrong:?}");
    Ok(())
}
