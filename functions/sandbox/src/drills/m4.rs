//! Finding M4: the database is lost, and what is restored is older than what the providers and the merchants know.
//!
//! What a backup does not hold was made under idempotency keys that nobody has any more, and sent under request ids that were drawn by
//! lot: a provider cannot tell a retry from another payment. So nobody is let in before what it holds for us has been looked at.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tollgate_gateway::{
    ports::Time,
    recovery::{compare, examine},
};
use tollgate_runtime::SystemClock;
use tollgate_store::FrozenFile;

use super::{
    Stage,
    story::Story,
    wording::{self, short, span},
};
use crate::client::Client;

const YEN: i64 = 900;
/// Stripe's word for money that is held.
const HELD: &str = "requires_capture";
/// The recovery time objective.
const RTO: Duration = Duration::from_secs(30 * 60);

pub(super) async fn play(story: &Story) -> anyhow::Result<()> {
    let mut stage = Stage::start(story).await?;
    let client = stage.client()?;
    let made = Made::begin(&stage, &client).await?;
    let clock = SystemClock::start();
    stage.kill().await?;
    stage.restore().await?;
    stage.restart().await?;
    let client = stage.client()?;
    // New payments go nowhere until this is over.
    client.switch("stripe", "off", "drill", "restored from a backup").await?;
    story.tell("operator", "turns Stripe off for new payments, until what it holds has been looked at")?;
    let lost = lost(&client).await?;
    for transaction in &lost {
        let text = |field: &str| transaction[field].as_str().unwrap_or_default();
        let (id, status) = (short(text("payment_id")), text("status"));
        story.tell("stripe", format!("{id}  has {YEN} yen ({status}); our database does not know it"))?;
    }
    story.check_equal("restore procedure, step 1: payments that Stripe holds and we lost are found", 2, lost.len())?;
    let refused = client.create("drill-m4-taken", YEN, "pm_card_visa").await?;
    story.tell("merchant", format!("sends a lost payment again: {} {}", refused.status, refused.text("code")))?;
    story.check_equal("nobody is let in before that is right: a new payment", 503, refused.status)?;

    set_right(story, &client, &made.held).await?;
    let doubled = too_soon(story, &client, &made).await?;
    given_back(&stage, &client, &lost).await?;
    let early = client.create("drill-m4-early", YEN, "pm_card_visa").await?;
    ensure!(early.replayed && early.text("id") == doubled, "the same key, the same payment: {}", early.body);
    let taken = client.create_as("drill-m4-taken", &at_once()).await?;
    story.tell(
        "merchant",
        format!(
            "sends both lost payments again, with their keys: {} and {}",
            early.text("status"),
            taken.text("status")
        ),
    )?;
    ensure!(taken.text("status") == "CAPTURED", "expected that the retry is taken: {}", taken.body);
    let now = live(&client).await?;
    story.tell("stripe", format!("its own books have the money of {now} payments"))?;
    story.check_equal(
        "data integrity after it: payments whose payer's money Stripe holds or has, once each",
        made.live,
        now,
    )?;
    let kept = client.payment(&made.kept).await?;
    story.check_equal(
        "what the backup held is as it was",
        "AUTHORIZED",
        kept["status"].as_str().unwrap_or_default(),
    )?;
    client.run_job("provider-truth").await?;
    story.books_add_up(&client).await?;
    let took = clock.monotonic();
    story.check(
        "RTO: from the loss to service",
        format!("less than {}", span(RTO)),
        format!("{:.1} s of machine time (people's steps not counted)", took.as_secs_f64()),
        took < RTO,
    )
}

/// What was there when the database was lost.
struct Made {
    /// Held in the backup, captured after it.
    held: String,
    kept: String,
    /// Not in the backup.
    early: String,
    /// How many payments have money at Stripe.
    live: usize,
}

impl Made {
    async fn begin(stage: &Stage, client: &Client) -> anyhow::Result<Self> {
        let story = &stage.story;
        let held = client.create("drill-m4-held", YEN, "pm_card_visa").await?.text("id").to_owned();
        let kept = client.create("drill-m4-kept", YEN, "pm_card_visa").await?.text("id").to_owned();
        story.tell("merchant", format!("{} and {} hold {YEN} yen each", short(&held), short(&kept)))?;
        story.payment(client, &held).await?;
        let compared = stage.back_up().await?;
        story
            .tell("operator", format!("takes a backup and compares it with the store: {compared} figures are equal"))?;
        let asked = "the backup is tested: counts, totals and ledger are what the store has";
        story.check(asked, "all equal", format!("{compared} of {compared} equal"), compared > 0)?;

        // What the backup does not know: a capture, an authorization, and money that was taken at once.
        let captured = client.capture(&held, "drill-m4-capture", None).await?;
        ensure!(captured.text("status") == "CAPTURED", "expected that it is captured: {}", captured.body);
        let early = client.create("drill-m4-early", YEN, "pm_card_visa").await?;
        let taken = client.create_as("drill-m4-taken", &at_once()).await?;
        let (early_id, taken_id) = (early.text("id"), taken.text("id"));
        ensure!(
            early.status == 201 && taken.text("status") == "CAPTURED",
            "expected both: {} {}",
            early.body,
            taken.body
        );
        let after =
            format!("{} is captured, {} is authorized, {} captured", short(&held), short(early_id), short(taken_id));
        story.tell("merchant", format!("after the backup: {after}"))?;
        story.payment(client, &held).await?;
        let live = live(client).await?;
        ensure!(live == 4, "expected four payments at Stripe, not {live}");
        Ok(Self { held, kept, early: early_id.to_owned(), live })
    }
}

/// What the backup holds, and moved after it.
async fn set_right(story: &Story, client: &Client, held: &str) -> anyhow::Result<()> {
    let report = client.run_job("provider-truth").await?;
    story.tell("gateway", format!("job provider-truth: {}", wording::report(&report)))?;
    story.payment(client, held).await?;
    let adopted = client.payment(held).await?;
    let asked = "restore procedure, step 2: what moved since the backup is reconciled with the provider's truth";
    let seen = format!("{} {}", adopted["status"].as_str().unwrap_or_default(), adopted["amount_captured"]);
    story.check_equal(asked, format!("CAPTURED {YEN}"), seen)?;
    let again = client.capture(held, "drill-m4-capture", None).await?;
    story.tell(
        "merchant",
        format!("{}  sends its capture again: {} {}", short(held), again.status, again.text("code")),
    )?;
    story.check_equal("and the capture's retry takes nothing", 409, again.status)
}

/// What happens where merchants are let in too soon. Answers the payment that a lost key made once more.
async fn too_soon(story: &Story, client: &Client, made: &Made) -> anyhow::Result<String> {
    client.switch("stripe", "on", "drill", "too soon").await?;
    story.tell("drill", "on purpose one merchant is let in too soon, with the key of a payment that was lost")?;
    let doubled = client.create("drill-m4-early", YEN, "pm_card_visa").await?;
    let id = doubled.text("id");
    ensure!(doubled.status == 201 && id != made.early, "the key was lost: {}", doubled.body);
    let held = live(client).await?;
    story.tell(
        "stripe",
        format!("holds that payer's money twice, as {} and {}: it sees another request", short(&made.early), short(id)),
    )?;
    story.check_equal(
        "why nobody is let in: the payments with money at Stripe, one more than there were",
        made.live + 1,
        held,
    )?;
    client.switch("stripe", "off", "drill", "restored from a backup").await?;
    Ok(id.to_owned())
}

/// What Stripe holds and we lost goes back to its payers, by hand.
async fn given_back(stage: &Stage, client: &Client, lost: &[Value]) -> anyhow::Result<()> {
    const UNMATCHED: &str = "provider_webhooks_total{provider=\"stripe\",outcome=\"unmatched\"}";
    for transaction in lost {
        stage.give_back(transaction).await?;
    }
    stage
        .story
        .tell("operator", format!("cancels and refunds the {} lost payments in Stripe's dashboard", lost.len()))?;
    stage.story.later(client, 60).await?;
    let unmatched = client.metric(UNMATCHED).await?;
    stage.story.tell("on-call", format!("{UNMATCHED} is {unmatched}"))?;
    let asked = "on-call sees events of payments that were lost";
    stage.story.check(asked, "2 at least", unmatched, unmatched >= 2.0)?;
    client.switch("stripe", "on", "drill", "what was lost is given back").await?;
    stage.story.tell("operator", "turns Stripe on: merchants are let in")
}

fn at_once() -> Value {
    json!({"amount": YEN, "currency": "JPY", "payment_method": {"stripe": "pm_card_visa"}, "capture_method": "automatic"})
}

/// How many transactions at Stripe hold or have a payer's money.
async fn live(client: &Client) -> anyhow::Result<usize> {
    let all = client.transactions("stripe").await?;
    let holds = |one: &&Value| {
        let (captured, refunded) = (one["captured"].as_i64().unwrap_or(0), one["refunded"].as_i64().unwrap_or(0));
        one["status"] == HELD || captured > refunded
    };
    Ok(all.iter().filter(holds).count())
}

/// What Stripe has under an id of ours that we do not know.
async fn lost(client: &Client) -> anyhow::Result<Vec<Value>> {
    let mut lost = Vec::new();
    for transaction in client.transactions("stripe").await? {
        let id = transaction["payment_id"].as_str().context("it is one of ours")?;
        if client.get(&format!("/v1/payments/{id}")).await?.status == 404 {
            lost.push(transaction);
        }
    }
    Ok(lost)
}

impl Stage {
    /// Copies the store while it is in use, as `tollgate recovery backup` does.
    /// Answers how many figures were compared.
    async fn back_up(&self) -> anyhow::Result<usize> {
        let (store, backup) = (self.store(), self.store().with_extension("backup"));
        let clock = SystemClock::start();
        let source = FrozenFile::open(&store, &clock)?;
        source.copy_to(&backup)?;
        let copy = FrozenFile::open(&backup, &clock)?;
        let compared = compare(&examine(&source).await?, &examine(&copy).await?);
        let differs = compared.iter().find(|one| !one.equal);
        ensure!(differs.is_none(), "expected that the backup is what the store was: {differs:?}");
        Ok(compared.len())
    }

    /// The store's files are lost, and the backup comes in their place.
    async fn restore(&self) -> anyhow::Result<()> {
        let (store, backup) = (self.store(), self.store().with_extension("backup"));
        for ending in ["", "-wal", "-shm"] {
            let mut file = store.clone().into_os_string();
            file.push(ending);
            // Those beside it are not always there.
            _ = std::fs::remove_file(file);
        }
        ensure!(!store.exists(), "expected that it is lost");
        self.story.tell("drill", "the store's files are lost")?;
        FrozenFile::open(&backup, &SystemClock::start())?.copy_to(&store)?;
        let restored = FrozenFile::open(&store, &SystemClock::start())?;
        ensure!(restored.damage()?.is_empty(), "expected that it is whole");
        let violations = examine(&restored).await?.violations;
        ensure!(violations.is_empty(), "expected that its books add up: {violations:?}");
        self.story.tell("operator", "restores the backup: the file is whole, and its books add up")
    }

    /// What operators do in Stripe's dashboard with a payment that nobody of ours knows: cancel it, or refund it.
    async fn give_back(&self, transaction: &Value) -> anyhow::Result<()> {
        let id = transaction["provider_transaction_id"].as_str().context("it has an id")?;
        if transaction["status"] == HELD {
            return self.at_stripe(&format!("payment_intents/{id}/cancel"), String::new()).await;
        }
        self.at_stripe("refunds", format!("payment_intent={id}")).await
    }
}
