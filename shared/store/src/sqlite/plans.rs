//! No statement of the store scans a table: every one is traced, and its plan looked at.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use rusqlite::{
    Connection,
    trace::{TraceEvent, TraceEventCodes},
};
use tollgate_domain::{
    MerchantId, Money, PaymentStatus, ProviderName, RefundId, Settlement, SettlementDay, SettlementId, Timestamp,
    Tried,
    audit::Invariant,
    settlement::{Line, SettlementCounts, Totals},
};
use tollgate_gateway::{
    contract::Samples,
    ports::{
        agenda::Agendum,
        audit::JobState,
        deliveries::{DeliveryAttempt, DeliveryQuery},
        exceptions::KeptRecord,
        merchants::{ApiKey, Merchant, WebhookEndpoint},
        operators::OperatorAct,
        settlements::{Checkpoint, Chunk, ChunkCommitted, Lane, SetAside, ShardBooks},
    },
    records::{Cause, ChangeSet, ListQuery},
};

use super::{
    agenda, audit, change_set, deliveries, delivery_lists, events, exceptions, idempotency, jobs, merchants,
    migrations, operations, operator_acts, payments, provider_records, received_events, refunds, settlement_chunks,
    settlement_lines, settlement_shards, settlements, timeline,
};

#[test]
fn no_statement_scans_a_table_or_sorts_a_list() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrations::migrate(&mut connection).unwrap();
    let statements = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&statements);
    let trace = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(statement, _) = event {
            seen.lock().unwrap().insert(statement.sql().into_owned());
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(trace)).unwrap();
    everything(&connection);
    connection.trace_v2(TraceEventCodes::empty(), None::<fn(TraceEvent<'_>)>).unwrap();

    let statements = statements.lock().unwrap();
    assert!(statements.len() >= 48, "{statements:#?}");
    for sql in statements.iter().filter(|sql| !sql.starts_with(['B', 'C'])) {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan: Vec<String> = explain.raw_query_plan();
        let plan = plan.join("; ");
        assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
        let lists = sql.contains("LIMIT");
        let lists = lists || sql.contains("FROM api_keys");
        assert!(!lists || !plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
    }
}

trait QueryPlan {
    fn raw_query_plan(&mut self) -> Vec<String>;
}

impl QueryPlan for rusqlite::Statement<'_> {
    fn raw_query_plan(&mut self) -> Vec<String> {
        let mut rows = self.raw_query();
        let mut plan = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            plan.push(row.get("detail").unwrap());
        }
        plan
    }
}

/// Every statement at least once.
pub(super) fn everything(connection: &Connection) {
    let samples = Samples::new(170);
    for (_, mut story) in samples.every_state() {
        let (call, event, reference) = (samples.call(&story), samples.event(&story), samples.reference(&story));
        story.last_mut().calls.push(call);
        story.last_mut().received = Some(event);
        story.last_mut().reference = Some(reference);
        for set in &story.sets {
            change_set::apply(connection, set).unwrap();
        }
        let id = story.payment.id;
        payments::find(connection, id).unwrap();
        operations::find(connection, id, 1).unwrap();
        timeline::of_payment(connection, id).unwrap();
    }
    for set in &samples.bare().sets {
        change_set::apply(connection, set).unwrap();
    }
    for merchant_reference in [None, Some("order 1".to_owned())] {
        let query = ListQuery {
            merchant: samples.merchant,
            merchant_reference,
            status: Some(PaymentStatus::Pending),
            after: None,
            limit: 10,
        };
        payments::list(connection, &query).unwrap();
    }
    let merchant = Merchant {
        id: samples.merchant,
        name: "Shoes".to_owned(),
        requests_per_minute: None,
        fee_basis_points: 0,
        created_at: Samples::start(),
    };
    merchants::put(connection, &merchant).unwrap();
    let digest = samples.key();
    let key = ApiKey { digest, merchant: merchant.id, created_at: Samples::start(), revoked_at: None };
    merchants::put_key(connection, &key).unwrap();
    let endpoint = WebhookEndpoint {
        merchant: merchant.id,
        url: String::new(),
        sealed_secret: Vec::new(),
        sealed_previous: Vec::new(),
        paused_at: None,
        revision: 1,
        updated_at: Samples::start(),
    };
    merchants::put_endpoint(connection, &endpoint).unwrap();
    merchants::by_key(connection, digest).unwrap();
    merchants::find(connection, merchant.id).unwrap();
    assert_eq!(merchants::page(connection, None, 10).unwrap().len(), 1);
    assert_eq!(merchants::keys(connection, merchant.id).unwrap(), [key]);
    merchants::endpoint(connection, merchant.id).unwrap();
    merchants::put_endpoint(connection, &WebhookEndpoint { revision: 2, ..endpoint }).unwrap();
    jobs_and_deliveries(connection, merchant.id);
    records(connection);
    operators(connection, &samples);
    settle(connection, &samples);
    idempotency::find(connection, digest).unwrap();
    idempotency::delete_expired(connection, Timestamp::MAX, 10).unwrap();
    received_events::delete_before(connection, Timestamp::MAX, 10).unwrap();
}

/// Every statement that the comparison with providers' records needs.
fn records(connection: &Connection) {
    let (exception, change) = Samples::exception("txn_1", Samples::start());
    let kept = KeptRecord {
        provider: ProviderName::Stripe,
        subject: "pay_1".to_owned(),
        record: "txn_1".to_owned(),
        amount: exception.our_amount,
        at: Samples::start(),
    };
    assert_eq!(provider_records::keep(connection, &kept).unwrap(), "txn_1");
    let period = (Timestamp::MIN, Timestamp::MAX);
    assert!(!provider_records::captured(connection, ProviderName::Stripe, period, None, 10).unwrap().is_empty());
    assert!(!provider_records::refunded(connection, period, None, 10).unwrap().is_empty());
    assert!(exceptions::put(connection, &exception, Some(&change)).unwrap());
    exceptions::changes(connection, exception.id, 10).unwrap();
    exceptions::standing(connection).unwrap();
    for open in [true, false] {
        assert_eq!(exceptions::page(connection, open, None, 10).unwrap().len(), 1);
    }
}

/// Every statement that the operator's command needs for itself.
fn operators(connection: &Connection, samples: &Samples) {
    let act = OperatorAct {
        id: samples.change_id(),
        at: Samples::start(),
        by: "ann".to_owned(),
        why: None,
        command: "deliveries redeliver".to_owned(),
        subject: "all".to_owned(),
        outcome: None,
    };
    operator_acts::begin(connection, &act).unwrap();
    operator_acts::end(connection, act.id, "1 is due again").unwrap();
    assert_eq!(operator_acts::page(connection, None, 10).unwrap().len(), 1);
    let query = DeliveryQuery {
        merchant: None,
        statuses: Vec::new(),
        from: Samples::start(),
        until: Timestamp::MAX,
        after: None,
        limit: 1,
    };
    let page = delivery_lists::look_through(connection, &query).unwrap();
    let query = DeliveryQuery { after: page.next, ..query };
    assert_eq!(delivery_lists::look_through(connection, &query).unwrap().seen, 1);
}

/// Every statement that a settlement needs.
fn settle(connection: &Connection, samples: &Samples) {
    let day = SettlementDay::of(Samples::start());
    let settlement = Settlement::open(SettlementId::from_random([1; 16]), day, None, Samples::start());
    let id = settlement.id;
    assert!(settlements::put(connection, &settlement).unwrap());
    assert!(settlements::put(connection, &settlement.resumed()).unwrap());
    settlements::find(connection, id).unwrap().unwrap();
    settlements::latest(connection, day.date()).unwrap().unwrap();
    settlements::unfinished(connection).unwrap().unwrap();
    let payments = settlement_chunks::payments_to_settle(connection, None, Timestamp::MAX, None, 10).unwrap();
    let refunds = settlement_chunks::refunds_to_settle(connection, None, Timestamp::MAX, None, 10).unwrap();
    settlement_chunks::payments_to_settle(connection, Some(1), Timestamp::MAX, None, 10).unwrap();
    settlement_chunks::refunds_to_settle(connection, Some(1), Timestamp::MAX, None, 10).unwrap();
    let (refund, refunded) = refunds[0].read.as_ref().unwrap();
    let captured = payments[0].read.as_ref().unwrap();
    let free = Money::zero(captured.captured.currency());
    let settled = captured.settle(id, free, Samples::start()).unwrap();
    let taken_off = refunded.settle_refund(refund, id, Samples::start()).unwrap();
    let lines = vec![Line::of_payment(captured, &settled, free), Line::of_refund(refund, &taken_off)];
    let set = |change| ChangeSet::of(samples.change_id(), change, Cause::Job("settlement".to_owned()), "", Vec::new());
    let chunk = Chunk {
        settlement: id,
        number: 1,
        change_id: samples.change_id(),
        sets: vec![set(settled), set(taken_off)],
        totals: vec![(samples.merchant, Totals::none(free.currency()))],
        lines,
        set_aside: vec![SetAside { payment: samples.payment_id(), merchant: samples.merchant, reason: "fee" }],
        counts: SettlementCounts::default(),
        checkpoint: Checkpoint::Closed,
        at: Samples::start(),
    };
    assert_eq!(settlement_chunks::commit(connection, &chunk).unwrap(), ChunkCommitted::Done);
    settlement_chunks::last(connection, id, Lane::MAIN).unwrap().unwrap();
    settlement_chunks::sums(connection, id, 1).unwrap().unwrap();
    settlements::merchant_totals(connection, id, samples.merchant).unwrap();
    assert_eq!(settlement_lines::page(connection, id, samples.merchant, None, 10).unwrap().len(), 2);
    settlement_lines::negative_balances(connection, id, None, 10).unwrap();
    settlement_shards::put(connection, &ShardBooks::none(id, 7)).unwrap();
    assert_eq!(settlement_shards::of(connection, id).unwrap().len(), 1);
}

/// Every statement that jobs and deliveries need.
fn jobs_and_deliveries(connection: &Connection, merchant: MerchantId) {
    let mut due = deliveries::claim_due(connection, Timestamp::MAX, Samples::start(), 10).unwrap();
    let due = due.pop().unwrap();
    let delivery = deliveries::outgoing(connection, due.payment, due.sequence).unwrap().unwrap().delivery;
    let attempt = DeliveryAttempt {
        number: 1,
        at: Samples::start(),
        http_status: Some(200),
        error: None,
        duration: Duration::ZERO,
    };
    let taken = delivery.after(Tried::Taken, 0.5, Samples::start());
    assert!(deliveries::record_attempt(connection, &delivery, &taken, &attempt).unwrap());
    deliveries::of_payment(connection, due.payment).unwrap();
    merchants::waited_for(connection, None, 10).unwrap();
    deliveries::release(connection, merchant, Samples::start(), 10).unwrap();
    let first = events::of_merchant(connection, due.merchant, None, 1).unwrap().unwrap();
    events::of_merchant(connection, due.merchant, Some(first[0].id), 1).unwrap().unwrap();
    refunds::of_payment(connection, due.payment).unwrap();
    refunds::find(connection, RefundId::from_random([1; 16])).unwrap();
    for what in [Agendum::Stuck, Agendum::Truth] {
        agenda::due(connection, what, Timestamp::MAX, None, 10).unwrap();
        agenda::postpone(connection, what, due.payment, 1, None).unwrap();
    }
    audit::books(connection, None, 100).unwrap();
    audit::keep(connection, None, due.payment, &[(due.payment, Invariant::Memo)]).unwrap();
    audit::violations(connection).unwrap();
    jobs::find(connection, "job").unwrap();
    jobs::put(connection, "job", &JobState::default()).unwrap();
    agenda::next_due(connection).unwrap();
    agenda::standing(connection, Samples::start()).unwrap();
}
