//! Finding C1: a merchant who retries, in a rolling update or after a time-out, must not charge twice.

use anyhow::ensure;
use futures::future::join_all;

use super::Stage;
use crate::demo::say;

const AT_ONCE: usize = 100;

pub(super) async fn play() -> anyhow::Result<()> {
    let mut stage = Stage::start().await?;
    let client = stage.client()?;
    let answers = join_all((0..AT_ONCE).map(|_| client.create("drill-c1", 1200, "pm_card_visa"))).await;
    let mut made = 0;
    let mut later = 0;
    for answer in answers {
        let answer = answer?;
        match answer.status {
            201 => made += 1,
            200 | 202 | 409 => later += 1,
            other => anyhow::bail!("answered {other}: {}", answer.body),
        }
    }
    say(&format!("  {AT_ONCE} requests at once with one key: {made} made the payment, {later} were told of it"))?;
    ensure!(made == 1, "expected that one request makes the payment");

    stage.kill().await?;
    stage.restart().await?;
    let client = stage.client()?;
    let again = client.create("drill-c1", 1200, "pm_card_visa").await?;
    ensure!(again.status == 200 && again.replayed, "expected that after a restart the key still gives the payment");
    let other = client.create("drill-c1", 1300, "pm_card_visa").await?;
    ensure!(other.status == 422, "expected that the same key with another amount is refused");
    let transactions = client.transactions("stripe").await?;
    say(&format!(
        "  after a kill and a restart the same key gives the same payment; charges at Stripe: {}",
        transactions.len()
    ))?;
    ensure!(transactions.len() == 1, "expected that Stripe charged once");
    Ok(())
}
