//! A provider is out for a quarter of an hour: docs/runbooks/provider-outage.md is followed.

use std::{path::Path, time::Duration};

use anyhow::ensure;
use serde_json::json;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{
    Shop,
    on_call::{OnCall, all_show_something, said, shows},
    operator::ON_CALL,
    page::Page,
};
use crate::{
    client::Client,
    drills::{
        Stage,
        story::Story,
        wording::{short, took},
    },
};

const PAGE: Page = Page::new("provider-outage", include_str!("../../../../../docs/runbooks/provider-outage.md"));
/// What on-call gives as the reason, as the page has it.
const WHY: &str = "incident 4711: Stripe's API is down";
const MINUTE: u64 = 60;
/// Charges whose answer is lost; after them Stripe does nothing any more.
const LOST: u32 = 3;
/// More calls than a breaker looks at.
const CALLS: usize = 12;
/// Shorter than this, the page says, nothing is to be done.
const MINUTES: u64 = 15;
/// In steps of so many.
const LOOKED_AFTER: u64 = 3;
/// So many calls try whether a provider works again.
const TRIALS: usize = 5;
/// Functions follow a switch within this, the page says.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(5);
const OPEN: f64 = 2.0;

pub(super) async fn play(stage: &Stage, programs: &Path) -> anyhow::Result<()> {
    let mut on_call = OnCall::with(stage, programs, PAGE).await?;
    let client = on_call.client.clone();
    let mut shop = Shop::of(client.clone());
    let held = shop.stripe_only().await?;
    ensure!(held.text("status") == "AUTHORIZED", "expected a payment: {}", held.body);
    stage.story.tell("merchant", format!("{}  is authorized at Stripe, before it goes out", short(held.text("id"))))?;
    goes_out(&stage.story, &client, &mut shop).await?;

    let look = on_call.follow("Look", 0).await?;
    all_show_something(&look)?;
    let breakers =
        ["stripe", "paypal", "bank"].map(|name| shows(&look, "prom 'max by (provider) (circuit_breaker", name));
    let [stripe, paypal, bank] = breakers;
    let (stripe, paypal, bank) = (stripe?, paypal?, bank?);
    stage.story.check(
        "the runbook says which circuit breaker to check: Stripe's, PayPal's, the bank's (2 is open)",
        "2, 0, 0",
        format!("{stripe}, {paypal}, {bank}"),
        (stripe, paypal, bank) == (OPEN, 0.0, 0.0),
    )?;
    let unknown = shows(&look, "prom 'sum by (provider, operation, outcome)", "unknown")?;
    ensure!(unknown > 0.0, "expected that calls without an outcome are seen");
    ensure!(!said(&look, "tollgate provider list")?.contains("off"), "expected that nothing is off yet");

    let act = on_call.follow("Act", 0).await?;
    ensure!(said(&act, "tollgate provider off stripe")?.contains("stripe: on -> off"), "expected that it says so");
    let list = said(&act, "tollgate provider list")?;
    stage.story.check(
        "the runbook says how to turn the provider off; the list says who and why",
        format!("stripe off, {ON_CALL}, {WHY}"),
        list.lines().find(|line| line.contains("stripe")).unwrap_or_default().trim(),
        list.contains("stripe off") && list.contains(ON_CALL) && list.contains(WHY),
    )?;
    routed_around(&stage.story, &client, &mut shop, held.text("id")).await?;

    client.clear_faults("stripe").await?;
    stage.story.tell("stripe", "says that it is well again")?;
    stage.story.later(&client, 10 * MINUTE).await?;
    on_call.page().says("Act", &["When the provider says that it is over", "outcome=\"succeeded\""])?;
    let found = client.metrics().await?.sum(
        "provider_request_duration_seconds_count",
        &[("provider", "stripe"), ("operation", "look_up"), ("outcome", "succeeded")],
    );
    ensure!(found > 0.0, "expected that look-ups succeed before Stripe is turned on");
    stage.story.tell("on-call", format!("sees that {found} look-ups at Stripe succeeded"))?;
    let act = on_call.follow("Act", 1).await?;
    ensure!(said(&act, "tollgate provider on stripe")?.contains("stripe: off -> on"), "expected that it says so");
    over(stage, &on_call, &mut shop).await?;

    let captured = client.capture(held.text("id"), "drill-i3-capture", None).await?;
    let (id, status) = (held.text("id"), captured.text("status"));
    stage.story.tell("merchant", format!("{}  sends the capture that waited again: {status}", short(id)))?;
    stage.story.check_equal(
        "what waited goes on: the capture of a payment from before the outage",
        "CAPTURED",
        status,
    )?;
    shop.nobody_paid_twice(&stage.story).await
}

/// Stripe charges some and its answers are lost, then it does nothing at all; for a quarter of an hour.
async fn goes_out(story: &Story, client: &Client, shop: &mut Shop) -> anyhow::Result<()> {
    client.fault("stripe", &json!({"kind": "drop_webhooks", "times": 1000})).await?;
    client.fault("stripe", &json!({"kind": "charge_then_timeout", "times": LOST, "ms": 50})).await?;
    client.fault("stripe", &json!({"kind": "timeout", "ms": 50})).await?;
    let mut unknown = 0;
    for _ in 0..CALLS {
        let made = shop.either().await?;
        unknown += usize::from(made.text("status") == "PENDING");
        if made.text("provider") == "paypal" {
            break;
        }
    }
    story.tell("drill", "minute 0: Stripe charges and its answers are lost; then it does nothing at all")?;
    story.tell("merchant", format!("{unknown} payments have no outcome; the next one went to PayPal"))?;
    let mut trials = 0;
    for _ in 0..MINUTES / LOOKED_AFTER {
        story.later(client, LOOKED_AFTER * MINUTE).await?;
        for _ in 0..=TRIALS {
            trials += usize::from(shop.either().await?.text("status") == "PENDING");
        }
        let breaker = client.metric("circuit_breaker_state{provider=\"stripe\"}").await?;
        ensure!((breaker - OPEN).abs() < f64::EPSILON, "expected that the alert lasts, not {breaker}");
    }
    story.tell(
        "gateway",
        format!("minute {MINUTES}: the breaker tried again and again, {trials} payments more have no outcome"),
    )
}

/// New payments go elsewhere, and why stands in their timelines; nothing is tried at Stripe any more.
async fn routed_around(story: &Story, client: &Client, shop: &mut Shop, held: &str) -> anyhow::Result<()> {
    let clock = SystemClock::start();
    loop {
        let made = shop.either().await?;
        let why = client.timeline(made.text("id")).await?;
        if why.iter().any(|entry| entry["detail"].as_str().is_some_and(|detail| detail.contains(WHY))) {
            break;
        }
        let since = clock.monotonic();
        ensure!(since < FOLLOWED_WITHIN, "expected that payments follow the switch within {FOLLOWED_WITHIN:?}");
        clock.sleep(Duration::from_millis(250)).await;
    }
    let followed = clock.monotonic();
    let there = client.transactions("stripe").await?.len();
    for _ in 0..3 {
        client.advance(MINUTE).await?;
        let made = shop.either().await?;
        ensure!(
            made.text("provider") == "paypal" && made.text("status") == "AUTHORIZED",
            "expected that no payment is tried at Stripe any more: {}",
            made.body
        );
    }
    let only = shop.stripe_only().await?;
    ensure!(only.status == 503, "expected that who has a token there only is refused: {}", only.body);
    ensure!(client.transactions("stripe").await?.len() == there, "expected that nothing new came to Stripe");
    let capture = client.capture(held, "drill-i3-capture", None).await?;
    ensure!(matches!(capture.status, 202 | 503), "expected that a capture waits: {}", capture.body);
    story.tell(
        "merchant",
        "for three minutes every payment goes to PayPal; one for Stripe only is refused; a capture waits",
    )?;
    story.check(
        "the runbook says how to route around: payments follow, and say why",
        format!("within {} s", FOLLOWED_WITHIN.as_secs()),
        took(followed),
        followed < FOLLOWED_WITHIN,
    )
}

/// All that the page calls over, for as long as it says.
async fn over(stage: &Stage, on_call: &OnCall<'_>, shop: &mut Shop) -> anyhow::Result<()> {
    const COST: &str =
        "sum by (code) (increase(http_requests_total{function=\"payments\",code=\"provider_unavailable\"}[6h]))";
    let client = &on_call.client;
    on_call.page().says(
        "Over when",
        &[
            "`circuit_breaker_state` is 0 on every instance for 10 minutes",
            "`payments_stuck` is back at 0 after two runs of `stuck-payments`",
            "`reconciliation_discrepancies` has not grown",
            "`tollgate provider list` shows nothing off",
            COST,
        ],
    )?;
    let (clock, mut trials) = (SystemClock::start(), 0_usize);
    while trials < TRIALS {
        let made = shop.either().await?;
        trials += usize::from(made.text("provider") == "stripe");
        ensure!(clock.monotonic() < 2 * FOLLOWED_WITHIN, "expected that payments go to Stripe again: {}", made.body);
        clock.sleep(Duration::from_millis(100)).await;
    }
    for minute in 1..=10 {
        stage.story.quiet(minute > 1);
        stage.story.later(client, MINUTE).await?;
        stage.story.quiet(false);
        let made = shop.either().await?;
        ensure!(made.text("provider") == "stripe", "expected that it goes to Stripe: {}", made.body);
        let breaker = client.metrics().await?.sum("circuit_breaker_state", &[]);
        ensure!(breaker == 0.0, "expected every breaker closed in minute {minute}, not {breaker}");
    }
    stage.story.tell("merchant", "for ten minutes every payment goes to Stripe, and every breaker is closed")?;
    let now = client.metrics().await?;
    for gauge in ["payments_stuck", "reconciliation_discrepancies"] {
        let value = now.sum(gauge, &[]);
        ensure!(value == 0.0, "expected {gauge} 0, not {value}");
    }
    let list = on_call.types("tollgate provider list").await?;
    ensure!(!list.contains("off"), "expected that nothing is off: {list}");
    let cost = on_call.asks(COST).await?;
    stage
        .story
        .tell("on-call", format!("it cost {cost} refused payments; nothing is stuck, nothing off, no discrepancy"))?;
    stage.story.check(
        "the runbook says when it is over, and what it cost: refused payments, as the merchant counted them",
        shop.refused,
        cost,
        (cost - f64::from(shop.refused)).abs() < f64::EPSILON,
    )
}
