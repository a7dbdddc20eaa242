//! Finding C1: a merchant who retries, in a rolling update or after a time-out, must not charge twice.

use anyhow::{Context, bail};
use futures::future::join_all;

use super::{Stage, story::Story, wording::short};

const AT_ONCE: usize = 100;
const KEY: &str = "drill-c1";
const YEN: i64 = 1200;
const CARD: &str = "pm_card_visa";

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let mut stage = Stage::start(story).await?;
    let client = stage.client()?;
    story.tell("merchant", format!("sends {AT_ONCE} copies of one request at once, Idempotency-Key {KEY}"))?;
    let copies = join_all((0..AT_ONCE).map(|_| client.create(KEY, YEN, CARD)));
    let answers = story.follow(&client, "stripe", copies).await?.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let counted = |statuses: &[u16]| answers.iter().filter(|answer| statuses.contains(&answer.status)).count();
    let (made, later) = (counted(&[201]), counted(&[200, 202, 409]));
    if let Some(other) = answers.iter().find(|answer| !matches!(answer.status, 200 | 201 | 202 | 409)) {
        bail!("answered {}: {}", other.status, other.body);
    }
    let id = answers.iter().find(|answer| answer.status == 201).context("one makes the payment")?.text("id");
    story.payment(&client, id).await?;
    let (replays, busy) = (counted(&[200, 202]), counted(&[409]));
    story.tell(
        "merchant",
        format!(
            "{made} answer 201 (made), {replays} the same payment again, {busy} 409 (its first copy is still at work)"
        ),
    )?;
    story.check_equal("a duplicate key makes no second transaction: of 100 copies, made", 1, made)?;
    story.check_equal(
        "a duplicate is answered with the existing transaction, or told to wait for it",
        AT_ONCE - 1,
        later,
    )?;
    let there = client.transactions("stripe").await?.len();
    story.tell("stripe", format!("its own books hold {there} charge"))?;

    stage.kill().await?;
    stage.restart().await?;
    let client = stage.client()?;
    story.tell("merchant", "had no answer, for all he knows, and sends the same request once more")?;
    let again = client.create(KEY, YEN, CARD).await?;
    let replayed = if again.replayed { "Idempotent-Replayed: true" } else { "not replayed" };
    story.tell("merchant", format!("{}  is answered {}, {replayed}", short(again.text("id")), again.status))?;
    let same = again.status == 200 && again.replayed && again.text("id") == id;
    story.check(
        "the key outlives a restart (the rolling update): 200 with the existing transaction",
        id,
        again.text("id"),
        same,
    )?;
    let other = client.create(KEY, YEN + 100, CARD).await?;
    story.tell("merchant", format!("the same key with {} yen: {} {}", YEN + 100, other.status, other.text("code")))?;
    story.check_equal("the same key with another amount is refused", 422, other.status)?;
    story.payment(&client, id).await?;
    let there = client.transactions("stripe").await?.len();
    story.tell("stripe", format!("its own books hold {there} charge, after {} requests", AT_ONCE + 2))?;
    story.check_equal("no duplicate charge: the customer's card is charged", 1, there)
}
