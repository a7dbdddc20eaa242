//! Everything that is told of payments, held against each other when all is over: what merchants were answered, the API,
//! the provider's books, settlements, events, and the merchants' inbox. Nothing doubled, nothing lost, every merchant told.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tollgate_sandbox::{
    client::{Answer, Client},
    process::identity_of,
};
use tollgate_tests::stage::{Stage, assert_timeline};

/// What merchants were told, as they remember it.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Each payment with every status that was answered.
    payments: BTreeMap<String, BTreeSet<String>>,
    /// Each refund with every status that was answered.
    refunds: BTreeMap<String, BTreeSet<String>>,
    /// What a confirmed capture was to take; `None`: all.
    captures: BTreeMap<String, Option<i64>>,
}

impl Told {
    /// A merchant reads an answer.
    pub(crate) fn take(&mut self, answer: &Answer) {
        let into = match answer.text("object") {
            "payment" => &mut self.payments,
            "refund" => &mut self.refunds,
            _ => return,
        };
        into.entry(answer.text("id").to_owned()).or_default().insert(answer.text("status").to_owned());
    }

    /// A capture was confirmed.
    pub(crate) fn captured(&mut self, payment: &str, amount: Option<i64>) {
        self.captures.insert(payment.to_owned(), amount);
    }
}

/// What there is to see once all is over.
struct Seen {
    /// Payments by id, of every merchant.
    payments: BTreeMap<String, Value>,
    /// Charges at the provider by payment.
    charges: BTreeMap<String, Vec<Value>>,
    books: Connection,
}

/// Asserts that everything agrees. Answers how many payments are in each status.
pub(crate) async fn assert_whole_truth(stage: &Stage, told: &Told) -> BTreeMap<String, usize> {
    let merchants = [stage.client(), stage.other_merchant()];
    nothing_is_left(&merchants[0]).await;
    let seen = Seen::look(stage, &merchants).await;
    for (id, payment) in &seen.payments {
        let charges = seen.charges.get(id).map(Vec::as_slice).unwrap_or_default();
        assert_true(payment, charges);
    }
    let strangers: Vec<_> = seen.charges.keys().filter(|id| !seen.payments.contains_key(*id)).collect();
    assert!(strangers.is_empty(), "charges that are no payment's: {strangers:?}");
    seen.keeps_what_was_told(told);
    seen.refunds_add_up(told);
    seen.settled_once();
    seen.totals_add_up();
    seen.merchants_see_their_settlements(stage).await;
    let mut events = BTreeSet::new();
    for client in &merchants {
        events.extend(every_event_was_told(client, &seen).await);
    }
    for hook in merchants[0].inbox().await.unwrap() {
        assert!(events.contains(text(&hook["headers"], "webhook-id")), "told of what never happened: {hook:#}");
    }
    let mut statuses = BTreeMap::new();
    for payment in seen.payments.values() {
        *statuses.entry(text(payment, "status").to_owned()).or_default() += 1;
    }
    statuses
}

/// Nothing waits for a person, and the books have no violation.
async fn nothing_is_left(client: &Client) {
    client.run_job("stuck-payments").await.unwrap();
    assert!(client.metric("payments_need_review").await.unwrap() < 1.0, "something needs review");
    for status in ["PENDING", "AUTHORIZED", "CAPTURED", "SETTLED", "REFUNDED", "FAILED", "VOIDED"] {
        let stuck = client.metric(&format!("payments_stuck{{status=\"{status}\"}}")).await.unwrap();
        assert!(stuck < 1.0, "{stuck} payments are stuck in {status}");
    }
    loop {
        let report = client.run_job("invariants").await.unwrap();
        assert_eq!(report["could_not"], serde_json::json!({}), "the books do not add up: {report}");
        if report["more"] != true {
            break;
        }
    }
}

/// Everything of a list that goes on with `next`, page by page.
async fn all(client: &Client, path: &str, next: impl Fn(&Value) -> Option<String>) -> Vec<Value> {
    let (mut found, mut query) = (Vec::new(), String::new());
    loop {
        let answer = client.get(&format!("{path}?limit=100{query}")).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        found.extend(answer.body["data"].as_array().unwrap().iter().cloned());
        match next(&answer.body) {
            Some(more) => query = more,
            None => return found,
        }
    }
}

async fn payments_of(client: &Client) -> Vec<Value> {
    all(client, "/v1/payments", |page| page["next_cursor"].as_str().map(|cursor| format!("&cursor={cursor}"))).await
}

async fn events_of(client: &Client) -> Vec<Value> {
    let next = |page: &Value| {
        let last = page["data"].as_array().and_then(|events| events.last()).filter(|_| page["has_more"] == true);
        last.map(|event| format!("&after={}", text(event, "id")))
    };
    all(client, "/v1/events", next).await
}

impl Seen {
    async fn look(stage: &Stage, merchants: &[Client]) -> Self {
        let mut payments = BTreeMap::new();
        for client in merchants {
            for payment in payments_of(client).await {
                assert_timeline(&payment, &client.timeline(text(&payment, "id")).await.unwrap());
                payments.insert(text(&payment, "id").to_owned(), payment);
            }
        }
        let mut charges: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for charge in stage.transactions().await {
            charges.entry(text(&charge, "payment_id").to_owned()).or_default().push(charge);
        }
        let file = stage.data().join("tollgate.sqlite");
        let books = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        Self { payments, charges, books }
    }

    /// Whatever a query finds.
    fn rows(&self, sql: &str) -> Vec<Vec<rusqlite::types::Value>> {
        let mut statement = self.books.prepare(sql).unwrap();
        let columns = statement.column_count();
        let read = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
        statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// Asserts that a query about what may not be finds nothing.
    fn none(&self, what: &str, sql: &str) {
        let found = self.rows(sql);
        assert!(found.is_empty(), "{what}: {found:?}");
    }

    /// What was confirmed is not taken back: the same status, or one that the machine leads to.
    fn keeps_what_was_told(&self, told: &Told) {
        for (id, statuses) in &told.payments {
            let payment = self.payments.get(id).unwrap_or_else(|| panic!("{id} was told of, and is not there"));
            let now = text(payment, "status");
            for was in statuses {
                // Where the payer's bank has sent a refund back.
                let came_back = was == "REFUNDED" && now == "SETTLED" && self.refund_came_back(id);
                assert!(leads_to(was, now) || came_back, "{was} was answered: {payment:#}");
            }
        }
        for (id, amount) in &told.captures {
            let payment = &self.payments[id];
            let whole = &payment["amount"];
            let expected = amount.map_or(whole.clone(), Value::from);
            assert_eq!(payment["amount_captured"], expected, "a confirmed capture took what it was asked for");
        }
    }

    fn refund_came_back(&self, payment: &str) -> bool {
        let sql = format!(
            "SELECT refund_id FROM settlement_lines WHERE kind = 'refund_returned' AND payment_id = '{payment}'
             UNION SELECT id FROM refunds WHERE status = 'FAILED' AND payment_id = '{payment}'"
        );
        !self.rows(&sql).is_empty()
    }

    /// Whatever was refunded is a refund, and the other way round.
    fn refunds_add_up(&self, told: &Told) {
        use rusqlite::types::Value::{Integer, Text};
        let (mut completed, mut statuses) = (BTreeMap::<String, i64>::new(), BTreeMap::new());
        for row in self.rows("SELECT id, payment_id, status, amount FROM refunds") {
            let [Text(id), Text(payment), Text(status), Integer(amount)] = row.as_slice() else { panic!("{row:?}") };
            assert_ne!(status, "PENDING", "refund {id} is still on its way");
            if status == "COMPLETED" {
                *completed.entry(payment.clone()).or_default() += amount;
            }
            statuses.insert(id.clone(), status.clone());
        }
        // What is reserved can be given back: the provider refuses none. A payer's bank may, later.
        self.none(
            "refused by the provider",
            "SELECT id, failure FROM refunds WHERE status = 'FAILED' AND failure ->> 'code' IS NOT 'refund_failed'",
        );
        for (id, payment) in &self.payments {
            let refunded = payment["amount_refunded"].as_i64().unwrap();
            assert_eq!(refunded, completed.get(id).copied().unwrap_or_default(), "{payment:#}");
            assert!(refunded <= payment["amount_captured"].as_i64().unwrap(), "{payment:#}");
        }
        for (id, was) in &told.refunds {
            let now = statuses.get(id).unwrap_or_else(|| panic!("refund {id} was told of, and is not there"));
            // A payer's bank may send a refund back that was done.
            let kept = was.iter().all(|was| was == "PENDING" || was == now || (was == "COMPLETED" && now == "FAILED"));
            assert!(kept, "refund {id} was {was:?} and is {now}");
        }
    }

    /// What was captured is in one settlement, with one line of what was captured; so is every refund.
    fn settled_once(&self) {
        for payment in self.payments.values() {
            let captured = payment["amount_captured"].as_i64().unwrap() > 0;
            let settled = ["SETTLED", "REFUNDED"].contains(&text(payment, "status"));
            assert_eq!(captured, settled, "what was captured is settled by now: {payment:#}");
            assert_eq!(payment["settlement_id"].is_string(), settled, "{payment:#}");
        }
        self.none("unfinished", "SELECT id, date FROM settlements WHERE status <> 'COMPLETED'");
        let lines = "(SELECT payment_id, settlement_id, gross, currency, merchant_id FROM settlement_lines WHERE kind = 'payment')";
        self.none(
            "settled twice",
            &format!("SELECT payment_id, count(*) FROM {lines} GROUP BY payment_id HAVING count(*) > 1"),
        );
        self.none(
            "not in its settlement as it is",
            &format!(
                "SELECT p.id, p.status, p.captured FROM payments p LEFT JOIN {lines} l ON l.payment_id = p.id
                  AND l.settlement_id = p.settlement_id AND l.gross = p.captured AND l.currency = p.currency
                  AND l.merchant_id = p.merchant_id
                  WHERE (p.status IN ('SETTLED', 'REFUNDED')) <> (l.payment_id IS NOT NULL)"
            ),
        );
        self.none(
            "a refund in no settlement, or in several (one that came back is in two, or in none)",
            "SELECT r.id, r.amount, r.status, count(l.refund_id), sum(l.gross) FROM refunds r
             LEFT JOIN settlement_lines l ON l.refund_id = r.id
             GROUP BY r.id HAVING sum(l.gross) IS NOT iif(r.status = 'COMPLETED', -r.amount, iif(count(l.refund_id) = 0, NULL, 0))
                OR count(l.refund_id) > 2 OR (r.status = 'COMPLETED' AND count(l.refund_id) <> 1)",
        );
        self.none(
            "a line of a payment or refund that there is not",
            "SELECT payment_id, refund_id FROM settlement_lines WHERE kind <> 'carried_over' AND
             (payment_id NOT IN (SELECT id FROM payments)
              OR (refund_id IS NOT NULL AND refund_id NOT IN (SELECT id FROM refunds)))",
        );
    }

    /// What each merchant gets is the sum of its lines.
    fn totals_add_up(&self) {
        self.none(
            "totals that are not those of their lines",
            "SELECT * FROM
             (SELECT settlement_id, merchant_id, currency, sum(payments) AS payments, sum(gross) AS gross,
                     sum(fees) AS fees, sum(refunds) AS refunds, sum(refunds_returned) AS returned, sum(carried_over) AS carried_over, sum(net) AS net
              FROM settlement_totals GROUP BY 1, 2, 3) t
             FULL JOIN
             (SELECT settlement_id, merchant_id, currency, sum(kind = 'payment') AS payments,
                     sum(iif(kind = 'payment', gross, 0)) AS gross, sum(fee) AS fees,
                     -sum(iif(kind = 'refund', gross, 0)) AS refunds,
                     sum(iif(kind = 'refund_returned', gross, 0)) AS returned,
                     sum(iif(kind = 'carried_over', gross, 0)) AS carried_over, sum(net) AS net
              FROM settlement_lines GROUP BY 1, 2, 3) l USING (settlement_id, merchant_id, currency)
             WHERE t.payments IS NOT l.payments OR t.gross IS NOT l.gross OR t.fees IS NOT l.fees
                OR t.refunds IS NOT l.refunds OR t.returned IS NOT l.returned OR t.carried_over IS NOT l.carried_over OR t.net IS NOT l.net",
        );
    }

    /// What each merchant sees of a settlement: totals that are the sums of the lines, and lines of its own payments only.
    async fn merchants_see_their_settlements(&self, stage: &Stage) {
        let identity = identity_of(&stage.data()).unwrap();
        let mut settled = BTreeSet::new();
        for row in self.rows("SELECT id FROM settlements ORDER BY date") {
            let [rusqlite::types::Value::Text(id)] = row.as_slice() else { panic!("{row:?}") };
            for key in ["api_key", "other_api_key"] {
                let ask = |accept: &str| {
                    let request = http::Request::get(format!("{}/v1/settlements/{id}", stage.url()))
                        .header("x-api-key", text(&identity, key))
                        .header("accept", accept);
                    request.body(bytes::Bytes::new()).unwrap()
                };
                let shown = stage.http().send(ask("application/json")).await;
                if shown.status() == 404 {
                    continue;
                }
                let shown: Value = serde_json::from_slice(shown.body()).unwrap();
                let csv = stage.http().send(ask("text/csv")).await;
                let csv = String::from_utf8(csv.body().to_vec()).unwrap();
                let lines = lines_of(&csv);
                let sum = |kind: &str, of: usize| -> i64 {
                    lines.iter().filter(|line| kind.is_empty() || line.0 == kind).map(|line| line.2[of]).sum()
                };
                let totals = &shown["totals"][0];
                let expected = [
                    ("gross", sum("payment", 0)),
                    ("fees", sum("", 1)),
                    ("refunds", -sum("refund", 0)),
                    ("refunds_returned", sum("refund_returned", 0)),
                    ("carried_over", sum("carried_over", 0)),
                    ("net", sum("", 2)),
                ];
                for (field, sum) in expected {
                    assert_eq!(totals[field], sum, "{field} of {shown:#}\n{csv}");
                }
                assert_eq!(shown["totals"].as_array().map(Vec::len), Some(1), "{shown:#}");
                for (_, payment, [gross, ..]) in lines.iter().filter(|line| line.0 == "payment") {
                    assert_eq!(self.payments[*payment]["settlement_id"], id.as_str());
                    assert_eq!(self.payments[*payment]["amount_captured"], *gross);
                    assert!(settled.insert((*payment).to_owned()), "{payment} is in several lines");
                }
            }
        }
        let expected = self.payments.values().filter(|payment| payment["settlement_id"].is_string()).count();
        assert_eq!(settled.len(), expected, "every settled payment is in a merchant's lines");
    }
}

/// A merchant's settlement as CSV: kind, payment, gross, fee and net of each line.
fn lines_of(csv: &str) -> Vec<(&str, &str, [i64; 3])> {
    let mut rows = csv.lines();
    assert_eq!(rows.next(), Some("kind,payment_id,refund_id,merchant_reference,currency,gross,fee,net,at"));
    // Nothing here holds a comma: these payments have no reference of the merchant's.
    rows.map(|row| {
        let fields: Vec<&str> = row.split(',').collect();
        let number = |index: usize| fields[index].parse::<i64>().unwrap();
        (fields[0], fields[1], [number(5), number(6), number(7)])
    })
    .collect()
}

/// Asserts that the provider's books say of `payment` what it says itself: one charge that counts at most, and nothing
/// held or taken beside it.
fn assert_true(payment: &Value, charges: &[Value]) {
    let told = || format!("{payment:#}\n{charges:#?}");
    let status = text(payment, "status");
    assert_ne!(status, "PENDING", "nothing is pending any more: {}", told());
    assert!(payment["pending_operation"].is_null() && payment["next_action"].is_null(), "{}", told());
    let is_nothing = |charge: &&Value| match text(charge, "status") {
        "canceled" | "requires_payment_method" => true,
        "succeeded" => charge["captured"] == charge["refunded"],
        _ => false,
    };
    if ["FAILED", "VOIDED"].contains(&status) {
        assert!(charges.iter().all(|charge| is_nothing(&charge)), "something is held or taken: {}", told());
        assert_eq!((&payment["amount_captured"], &payment["amount_refunded"]), (&0.into(), &0.into()), "{}", told());
        return;
    }
    let (own, others): (Vec<_>, Vec<_>) =
        charges.iter().partition(|charge| charge["provider_transaction_id"] == payment["provider_transaction_id"]);
    let [charge] = own.as_slice() else { panic!("no charge, or more than one: {}", told()) };
    assert!(others.iter().all(is_nothing), "charged more than once: {}", told());
    let expected = if status == "AUTHORIZED" { "requires_capture" } else { "succeeded" };
    assert_eq!(charge["status"], expected, "the books say otherwise: {}", told());
    for (theirs, ours) in [
        ("captured", "amount_captured"),
        ("refunded", "amount_refunded"),
        ("amount", "amount"),
        ("currency", "currency"),
        ("provider_request_id", "provider_request_id"),
    ] {
        assert_eq!(charge[theirs], payment[ours], "{theirs}: {}", told());
    }
    let all_back = payment["amount_captured"] == payment["amount_refunded"];
    assert_eq!(status == "REFUNDED", all_back && status != "AUTHORIZED", "{}", told());
}

/// Whether the machine leads from one status to the other.
fn leads_to(from: &str, to: &str) -> bool {
    let behind: &[&str] = match from {
        "PENDING" => return true,
        "AUTHORIZED" => &["CAPTURED", "SETTLED", "REFUNDED", "VOIDED"],
        "CAPTURED" => &["SETTLED", "REFUNDED"],
        "SETTLED" => &["REFUNDED"],
        _ => &[],
    };
    from == to || behind.contains(&to)
}

/// The feed has every event without gaps, the inbox has each of them, verified and the same to the byte however often it
/// came; every delivery knows that it arrived. Answers the events' ids.
async fn every_event_was_told(client: &Client, seen: &Seen) -> BTreeSet<String> {
    let events = events_of(client).await;
    let mut sequences: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut last: BTreeMap<&str, &Value> = BTreeMap::new();
    for event in &events {
        let data = &event["data"];
        let payment = if data["object"] == "refund" { text(data, "payment_id") } else { text(data, "id") };
        assert!(seen.payments.contains_key(payment), "an event of no payment: {event:#}");
        sequences.entry(payment).or_default().push(event["sequence"].as_u64().unwrap());
        if data["object"] == "payment" {
            last.insert(payment, data);
        }
    }
    for (payment, sequence) in &sequences {
        assert!(sequence.iter().copied().eq(1..=sequence.len() as u64), "a gap: {payment} has {sequence:?}");
        let (told, is) = (last[payment], &seen.payments[*payment]);
        // A refund that came back is told as `refund.failed`.
        let same = told["status"] == is["status"] || (told["status"] == "REFUNDED" && seen.refund_came_back(payment));
        assert!(same, "the last event tells how it is: {is:#}");
        let deliveries = client.deliveries(payment).await.unwrap();
        assert_eq!(deliveries.len(), sequence.len(), "{deliveries:#?}");
        assert!(deliveries.iter().all(|delivery| delivery["status"] == "DELIVERED"), "{payment}: {deliveries:#?}");
    }
    for payment in payments_of(client).await {
        assert!(sequences.contains_key(text(&payment, "id")), "nobody was told of {payment:#}");
    }
    let mut came: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for hook in client.inbox().await.unwrap() {
        came.entry(text(&hook["headers"], "webhook-id").to_owned()).or_default().push(hook);
    }
    for event in &events {
        let id = text(event, "id");
        let hooks = came.get(id).unwrap_or_else(|| panic!("the merchant never received {event:#}"));
        assert!(hooks.iter().any(|hook| hook["answered"] == 200), "{id} was never taken: {hooks:#?}");
        for hook in hooks {
            assert_eq!(hook["verified"], true, "{hook:#}");
            assert_eq!(hook["body"], hooks[0]["body"], "the same event, another body");
            let body: Value = serde_json::from_str(text(hook, "body")).unwrap();
            assert_eq!(&body, event, "the feed and the webhook differ");
        }
    }
    events.iter().map(|event| text(event, "id").to_owned()).collect()
}

fn text<'a>(of: &'a Value, field: &str) -> &'a str {
    of[field].as_str().unwrap_or_default()
}
