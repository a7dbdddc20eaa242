//! Whether everything agrees in the end: the provider's books, the payments, the ledger, the events, and what the merchant was told.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{
    deployment::Deployment,
    load::{Known, Load},
};

/// What a job says where nothing is wrong.
const FINE: [&str; 2] = ["in_order", "agreed"];
/// A job that could not do everything is asked again for so long: longer than a circuit breaker stays open.
const JOBS_PATIENCE: Duration = Duration::from_secs(45);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the merchant has not been told yet of these payments; and what it should never have been told.
pub(super) struct Told {
    pub(super) missing: Vec<String>,
    pub(super) wrong: Vec<String>,
    /// Events that came more than once, with the same id.
    pub(super) again: usize,
}

/// Holds the merchant's feed against what its endpoint took.
pub(super) async fn told(deployment: &Deployment, load: &Load, known: &[Known]) -> Told {
    let ours: BTreeSet<&str> = known.iter().map(|known| known.id.as_str()).collect();
    let mut taken: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (id, body) in deployment.taken() {
        taken.entry(id).or_default().push(body);
    }
    let mut told = Told { missing: Vec::new(), wrong: Vec::new(), again: 0 };
    let (mut numbers, mut after) = (BTreeMap::<String, Vec<u64>>::new(), String::new());
    let mut seen = BTreeSet::new();
    loop {
        let path = format!("/v1/events?limit=100{after}");
        let Some((200, _, page)) = load.send(Method::GET, &path, "-", &Value::Null).await else {
            told.missing = vec!["anything: the feed is not answered".to_owned()];
            return told;
        };
        let page = page["data"].as_array().cloned().unwrap_or_default();
        let Some(last) = page.last() else { break };
        after = format!("&after={}", last["id"].as_str().unwrap_or_default());
        for event in page {
            let payment = payment_of(&event).to_owned();
            if !ours.contains(payment.as_str()) {
                continue;
            }
            let id = event["id"].as_str().unwrap_or_default().to_owned();
            numbers.entry(payment).or_default().push(event["sequence"].as_u64().unwrap_or_default());
            match taken.get(&id).map(Vec::as_slice) {
                None => told.missing.push(format!("{id} ({})", event["type"])),
                Some(bodies) => {
                    told.again += bodies.len() - 1;
                    if bodies.iter().any(|body| *body != event) {
                        told.wrong.push(format!("{id} said something else: {bodies:?} {event}"));
                    }
                }
            }
            if !seen.insert(id.clone()) {
                told.wrong.push(format!("{id} is twice in the feed"));
            }
        }
    }
    for (payment, mut numbers) in numbers {
        numbers.sort_unstable();
        if !numbers.iter().copied().eq(1..=numbers.len() as u64) {
            told.wrong.push(format!("the events of {payment} have gaps: {numbers:?}"));
        }
    }
    for id in taken.into_iter().filter(|(_, bodies)| bodies.iter().any(|body| ours.contains(payment_of(body)))) {
        if !seen.contains(&id.0) {
            told.wrong.push(format!("{} was sent and is no event", id.0));
        }
    }
    told
}

fn payment_of(event: &Value) -> &str {
    event["data"]["payment_id"].as_str().or_else(|| event["data"]["id"].as_str()).unwrap_or_default()
}

/// What does not agree.
pub(super) async fn money(deployment: &Deployment, load: &Load, known: &[Known]) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    let books = deployment.control(Method::GET, "/sandbox/providers/stripe/transactions", &json!({})).await?;
    let mut charges: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for charge in books.as_array().into_iter().flatten() {
        charges.entry(charge["payment_id"].as_str().unwrap_or_default()).or_default().push(charge);
    }
    for known in known {
        let path = format!("/v1/payments/{}", known.id);
        let Some((200, _, payment)) = load.send(Method::GET, &path, "-", &Value::Null).await else {
            wrong.push(format!("{} is not shown", known.id));
            continue;
        };
        let of_it = charges.remove(known.id.as_str()).unwrap_or_default();
        wrong.extend(payment_against_books(&payment, &of_it).map(|what| format!("{what}: {payment} {of_it:?}")));
        let refunded: i64 = known.refunds.values().map(|(_, amount)| amount).sum();
        if payment["amount_refunded"] != refunded {
            wrong.push(format!("{refunded} was refunded, by what was answered: {payment}"));
        }
    }
    for job in ["invariants", "provider-truth"] {
        let clock = SystemClock::start();
        let run = async || deployment.job("reconciliation", job).await.unwrap_or_else(|error| json!(error.to_string()));
        let mut report = run().await;
        // A job's own circuit breaker may have opened last of all.
        while !found_nothing(&report) && clock.monotonic() < JOBS_PATIENCE {
            clock.sleep(LOOK_EVERY).await;
            report = run().await;
        }
        if !found_nothing(&report) {
            wrong.push(format!("{job} reports {report}"));
        }
    }
    Ok(wrong)
}

/// Whether a job could do everything, and found nothing to complain of.
fn found_nothing(report: &Value) -> bool {
    let agrees = |(what, _): (&String, &Value)| FINE.contains(&what.as_str());
    report["could_not"].as_object().is_some_and(serde_json::Map::is_empty)
        && report["did"].as_object().is_some_and(|did| did.iter().all(agrees))
}

/// What a payment and the provider's books say differently.
fn payment_against_books(payment: &Value, charges: &[&Value]) -> Option<String> {
    let status = payment["status"].as_str().unwrap_or_default();
    if !payment["pending_operation"].is_null() || status == "PENDING" {
        return Some("it is not known what became of it".to_owned());
    }
    let (captured, refunded) = (payment["amount_captured"].as_i64(), payment["amount_refunded"].as_i64());
    if refunded > captured {
        return Some("more was refunded than captured".to_owned());
    }
    let stand: Vec<_> = charges
        .iter()
        .filter(|charge| {
            !["canceled", "failed", "requires_payment_method"].contains(&charge["status"].as_str().unwrap_or_default())
        })
        .collect();
    let expected = usize::from(!["FAILED", "VOIDED"].contains(&status));
    if stand.len() != expected {
        return Some(format!("{} charges stand", stand.len()));
    }
    let agrees =
        stand.iter().all(|charge| charge["captured"].as_i64() == captured && charge["refunded"].as_i64() == refunded);
    (!agrees).then(|| "the provider's books have other amounts".to_owned())
}

/// Charges at the provider for payments that no merchant knows of: `all` are those that merchants know, of the whole deployment.
pub(super) async fn strangers(deployment: &Deployment, all: &BTreeSet<String>) -> anyhow::Result<Vec<String>> {
    let books = deployment.control(Method::GET, "/sandbox/providers/stripe/transactions", &json!({})).await?;
    let ids = books.as_array().into_iter().flatten().map(|charge| charge["payment_id"].as_str().unwrap_or_default());
    let unknown: BTreeSet<_> = ids.filter(|id| !all.contains(*id)).collect();
    Ok(unknown.into_iter().map(|id| format!("the provider charged for {id}, which no merchant knows")).collect())
}
