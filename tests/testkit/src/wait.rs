//! Waiting for something to become true.

use std::fmt::Display;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use control_plane::process::Ended;
use tokio::time::{Instant, sleep, timeout_at};

const POLL: Duration = Duration::from_millis(50);

/// Probes until it succeeds, at most for `within`, and answers what the probe answered.
///
/// The probe's error says what is the case instead; the last one stands in ours. A probe that hangs is abandoned at the end.
///
/// # Errors
/// If it did not succeed in time; at once if the probe finds that a process has [`Ended`], which no waiting mends.
pub async fn eventually<T>(
    what: impl Display,
    within: Duration,
    mut probe: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    let mut last = None;
    loop {
        match timeout_at(deadline, probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if error.is::<Ended>() => return Err(error).with_context(|| format!("waiting for: {what}")),
            Ok(Err(error)) if Instant::now() + POLL < deadline => last = Some(error),
            Ok(Err(error)) => return Err(error).with_context(|| format!("not within {within:?}: {what}")),
            Err(_) => {
                let error = last.unwrap_or_else(|| anyhow!("the first look has not been answered"));
                return Err(error).with_context(|| format!("not within {within:?}, and the last look hangs: {what}"));
            }
        }
        sleep(POLL).await;
    }
}

/// Probes for all of `during` and fails as soon as the probe does: what shall *not* happen.
///
/// # Errors
/// The probe's first error.
pub async fn throughout(
    what: impl Display,
    during: Duration,
    mut probe: impl AsyncFnMut() -> Result<()>,
) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < during {
        probe().await.with_context(|| format!("after {:?} no longer: {what}", started.elapsed()))?;
        sleep(POLL).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{bail, ensure};
    use control_plane::process::Exit;

    const MINUTE: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn answers_what_the_probe_answers_in_the_end() {
        tokio::time::pause();
        let mut looks = 0;
        let seen = eventually("three looks", MINUTE, async || {
            looks += 1;
            ensure!(looks == 3, "only {looks}");
            Ok(looks)
        });
        assert_eq!(seen.await.expect("seen"), 3);
    }

    #[tokio::test]
    async fn the_error_says_what_was_awaited_and_what_was_seen_last() {
        tokio::time::pause();
        let mut looks = 0;
        let error = eventually("a thousand looks", Duration::from_secs(1), async || -> Result<()> {
            looks += 1;
            bail!("look {looks}")
        });
        let error = format!("{:#}", error.await.unwrap_err());
        assert!(error.starts_with("not within 1s: a thousand looks: look "), "{error}");
    }

    #[tokio::test]
    async fn a_probe_that_hangs_is_abandoned() {
        tokio::time::pause();
        let error = eventually("an answer", MINUTE, async || std::future::pending::<Result<()>>().await);
        let error = format!("{:#}", error.await.unwrap_err());
        assert!(error.contains("the last look hangs"), "{error}");
    }

    #[tokio::test]
    async fn the_end_of_a_process_ends_the_waiting() {
        tokio::time::pause();
        let started = Instant::now();
        let ended = || Ended { name: "daemon".to_owned(), exit: Exit::Code(3), said: "why".to_owned() };
        let error = eventually("a sign", MINUTE, async || Err::<(), _>(ended()).context("looking for it"));
        let error = format!("{:#}", error.await.unwrap_err());
        assert!(error.contains("a sign") && error.contains("daemon ended with exit status 3"), "{error}");
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn throughout_fails_with_the_first_failure() {
        tokio::time::pause();
        let started = Instant::now();
        throughout("quiet", MINUTE, async || Ok(())).await.expect("quiet");
        assert!(started.elapsed() >= MINUTE);
        let error = throughout("quiet", MINUTE, async || bail!("noise")).await.unwrap_err();
        assert!(format!("{error:#}").contains("no longer: quiet: noise"), "{error:#}");
    }
}
