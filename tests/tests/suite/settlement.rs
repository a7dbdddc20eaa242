//! Settlement, played on a real store: crashed at every point, run twice at once, and against everything that changes
//! meanwhile.

use std::{sync::Arc, time::Duration};

use futures::future::join;
use tollgate_domain::{PaymentStatus, SettlementStatus, settlement::LineKind};
use tollgate_gateway::{
    JobReport, JobRun,
    contract::Samples,
    ports::{FailPoint, Settlements, Timelines, fail_points::NoFailPoints},
};

use super::settlement_support::{DiesAt, Meanwhile, Till, context, run, settled};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_captured_before_the_cut_off_is_settled_less_the_fee() {
    let till = Till::new().await;
    let payments = till.capture_many(&till.samples, 3).await;
    let theirs = till.capture_many(&till.other, 1).await;
    let day = till.night();
    let late = till.capture_many(&till.samples, 1).await;
    let (report, settlement) = till.settle().await;
    assert_eq!((settlement.status, settlement.day), (SettlementStatus::Completed, day));
    assert_eq!((report.more, report.did.get("settled")), (false, Some(&4)));
    let totals = till.totals(&settlement, &till.samples).await;
    assert_eq!((totals.payments, totals.gross, totals.fees, totals.net), (3, 303, 9, 294));
    assert_eq!(till.totals(&settlement, &till.other).await.net, 97);
    assert_eq!(settlement.totals.len(), 1);
    assert_eq!((settlement.totals[0].gross, settlement.totals[0].net), (403, 391));
    for payment in payments.iter().chain(&theirs) {
        assert!(settled(&till.payment(payment).await, &settlement));
    }
    assert_eq!(till.payment(&late[0]).await.status, PaymentStatus::Captured, "captured at the cut-off: the next one");
    till.each_settled_once(4);

    till.night();
    let (_, next) = till.settle().await;
    assert_eq!(next.previous, Some(settlement.id));
    assert_eq!(till.lines(&next, &till.samples).await, [(LineKind::Payment, Some(late[0].id), 97)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_after_the_end_writes_nothing() {
    let till = Till::new().await;
    till.capture_many(&till.samples, 5).await;
    till.night();
    let (_, settlement) = till.settle().await;
    let before = till.everything();
    till.hours(5);
    for _ in 0..3 {
        let (report, again) = till.settle().await;
        assert_eq!((again, report.saw, report.did.len()), (settlement.clone(), 0, 0));
    }
    assert_eq!(till.everything(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_without_anything_is_completed_too() {
    let till = Till::new().await;
    till.night();
    let (_, settlement) = till.settle().await;
    assert_eq!((settlement.status, settlement.totals.len()), (SettlementStatus::Completed, 0));
    assert_eq!(till.settle().await.1, settlement);
}

/// Crashes a run the n-th time that it comes to `point`, and lets another process go on.
async fn a_crash_is_taken_up(point: FailPoint, nth: u32) {
    let till = Till::new().await;
    till.capture_many(&till.samples, 250).await;
    till.night();
    let crashed = run(&till.gateway_with(100, DiesAt::the(nth, point))).await;
    assert!(crashed.is_err(), "{point}");
    let running = till.store.unfinished_settlement().await.unwrap().unwrap();
    let chunks = till.number("SELECT count(*) FROM settlement_chunks");
    let committed = till.number("SELECT coalesce(sum(payments), 0) FROM settlement_chunks");
    let settled = till.number("SELECT count(*) FROM payments WHERE status = 'SETTLED'");
    assert_eq!(committed, settled, "{point}: a chunk is there whole or not at all, and says what is in it");

    let (report, settlement) = till.settle().await;
    assert_eq!((settlement.id, settlement.status), (running.id, SettlementStatus::Completed), "{point}");
    assert_eq!(settlement.resumed, 1, "{point}");
    let rest = u64::try_from(250 - committed).unwrap();
    assert_eq!(report.did.get("settled").copied().unwrap_or(0), rest, "{point} after {chunks} chunks: only the rest");
    assert_eq!(settlement.totals[0].gross, (100..350).sum::<i64>(), "{point}");
    till.each_settled_once(250);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_died_before_a_chunk_is_taken_up_where_it_was() {
    a_crash_is_taken_up(FailPoint::BeforeChunk, 1).await;
    a_crash_is_taken_up(FailPoint::BeforeChunk, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_died_after_a_chunk_is_taken_up_behind_it() {
    a_crash_is_taken_up(FailPoint::AfterChunk, 1).await;
    a_crash_is_taken_up(FailPoint::AfterChunk, 3).await;
    a_crash_is_taken_up(FailPoint::AfterChunk, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_died_before_the_end_is_only_verified_by_the_next() {
    a_crash_is_taken_up(FailPoint::BeforeFinish, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_dies_again_and_again_gets_through_chunk_by_chunk() {
    let till = Till::new().await;
    till.capture_many(&till.samples, 120).await;
    till.night();
    let mut deaths = 0;
    while run(&till.gateway_with(10, DiesAt::the(1, FailPoint::AfterChunk))).await.is_err() {
        deaths += 1;
        assert!(deaths < 50, "it gets nowhere");
    }
    let settlement = till.settle().await.1;
    assert_eq!((settlement.status, settlement.resumed), (SettlementStatus::Completed, deaths));
    till.each_settled_once(120);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_time_is_over_leaves_the_rest_to_the_next() {
    let till = Till::new().await;
    till.capture_many(&till.samples, 30).await;
    till.night();
    let nothing = JobRun::scheduled(Duration::ZERO);
    let (report, settlement) = till.gateway().run_settlement(nothing, context()).await.unwrap();
    assert_eq!((report.more, settlement.status), (true, SettlementStatus::Running));
    let (report, settlement) = till.settle().await;
    assert_eq!((report.more, settlement.status), (false, SettlementStatus::Completed));
    till.each_settled_once(30);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_night_left_unfinished_is_ended_before_the_next_begins() {
    let till = Till::new().await;
    let first = till.capture_many(&till.samples, 30).await;
    let day = till.night();
    assert!(run(&till.gateway_with(10, DiesAt::the(2, FailPoint::AfterChunk))).await.is_err());
    let second = till.capture_many(&till.samples, 5).await;
    till.night();
    let (_, settlement) = till.settle().await;
    assert_eq!(settlement.day.before(), day);
    let earlier = till.store.settlement(settlement.previous.unwrap()).await.unwrap().unwrap();
    assert_eq!((earlier.day, earlier.status, earlier.counts.payments), (day, SettlementStatus::Completed, 30));
    assert_eq!(settlement.counts.payments, 5, "what was captured after its cut-off is not in the earlier one");
    assert!(
        settled(&till.payment(&first[29]).await, &earlier) && settled(&till.payment(&second[0]).await, &settlement)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_settle_each_of_2500_payments_once() {
    let till = Till::new().await;
    till.capture_many(&till.samples, 2000).await;
    till.capture_many(&till.other, 500).await;
    till.night();
    let (one, other) = (till.gateway_with(100, Arc::new(NoFailPoints)), till.gateway_with(70, Arc::new(NoFailPoints)));
    let (first, second) = join(run(&one), run(&other)).await;
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.1, second.1, "both tell of the same settlement");
    let settlement = first.1;
    assert_eq!((settlement.status, settlement.counts.payments), (SettlementStatus::Completed, 2500));
    let did = |report: &JobReport| report.did.get("settled").copied().unwrap_or(0);
    assert_eq!(did(&first.0) + did(&second.0), 2500);
    assert_eq!(till.totals(&settlement, &till.samples).await.gross, (100..2100).sum::<i64>());
    assert_eq!(till.totals(&settlement, &till.other).await.gross, (100..600).sum::<i64>());
    till.each_settled_once(2500);
    assert_eq!(till.number("SELECT count(*) FROM settlements"), 1);
    assert_eq!(till.number("SELECT count(*) FROM settlement_chunks WHERE part = 'closed'"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_changes_meanwhile_drops_out_of_its_chunk_and_joins_the_next_settlement() {
    let till = Arc::new(Till::new().await);
    let payments = till.capture_many(&till.samples, 30).await;
    // Captured at the same moment: the least id is on the first page.
    let first = payments.iter().min_by_key(|payment| payment.id).unwrap().clone();
    let (minor, fee) = (first.captured.minor(), (first.captured.minor() * 3 + 50) / 100);
    till.night();
    let (there, changed) = (till.clone(), first.clone());
    let meanwhile = Meanwhile::at(FailPoint::BeforeChunk, move || {
        Box::pin(async move { there.needs_review(&there.samples, &changed).await })
    });
    let (report, settlement) = run(&till.gateway_with(10, meanwhile)).await.unwrap();
    assert_eq!((report.did.get("settled"), report.could_not.get("changed_meanwhile")), (Some(&29), Some(&1)));
    assert_eq!((settlement.status, settlement.counts.dropped), (SettlementStatus::Completed, 1));
    assert_eq!(settlement.totals[0].gross, (100..130).sum::<i64>() - minor);
    till.each_settled_once(29);

    let payment = till.payment(&first).await;
    assert_eq!(payment.status, PaymentStatus::Captured);
    let over = payment.review_over(tollgate_domain::ReviewReason::ProviderDiffers, payment.updated_at).unwrap();
    till.commit_change(&till.samples, over).await;
    till.night();
    let next = till.settle().await.1;
    assert_eq!(till.lines(&next, &till.samples).await, [(LineKind::Payment, Some(payment.id), minor - fee)]);
    till.each_settled_once(30);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_in_a_chunk_may_change_meanwhile() {
    let till = Arc::new(Till::new().await);
    let payments = till.capture_many(&till.samples, 3).await;
    till.night();
    let there = till.clone();
    let meanwhile = Meanwhile::at(FailPoint::BeforeChunk, move || {
        Box::pin(async move {
            for payment in payments {
                there.needs_review(&there.samples, &payment).await;
            }
        })
    });
    let settlement = run(&till.gateway_with(10, meanwhile)).await.unwrap().1;
    assert_eq!((settlement.status, settlement.counts.payments), (SettlementStatus::Completed, 0));
    assert_eq!(settlement.counts.dropped, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_captured_during_a_run_is_in_the_next() {
    let till = Arc::new(Till::new().await);
    till.capture_many(&till.samples, 30).await;
    till.night();
    let there = till.clone();
    let meanwhile = Meanwhile::at(FailPoint::AfterChunk, move || {
        Box::pin(async move {
            there.capture_many(&there.other, 4).await;
        })
    });
    let settlement = run(&till.gateway_with(10, meanwhile)).await.unwrap().1;
    assert_eq!(settlement.counts.payments, 30);
    till.night();
    assert_eq!(till.settle().await.1.counts.payments, 4);
    till.each_settled_once(34);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_books_do_not_add_up_is_not_paid_out_until_they_do() {
    let till = Till::new().await;
    let payments = till.capture_many(&till.samples, 3).await;
    let spoil = |by: i64| {
        till.tamper(&format!(
            "UPDATE postings SET minor = minor + {by} WHERE payment_id = '{}' AND account LIKE 'pending%'",
            payments[1].id
        ));
    };
    let look = async || {
        let all = JobRun { budget: Duration::from_secs(600), everything: true };
        till.gateway().invariants(all, context()).await.unwrap()
    };
    spoil(-7);
    assert!(!look().await.could_not.is_empty());
    till.night();
    let (report, settlement) = till.settle().await;
    assert_eq!((settlement.status, settlement.counts.payments), (SettlementStatus::Completed, 2));
    assert_eq!(report.could_not.into_iter().collect::<Vec<_>>(), [("invariant_violated", 1)]);
    // Put right, and found to be.
    spoil(7);
    assert!(look().await.could_not.is_empty());
    till.night();
    assert_eq!(till.settle().await.1.counts.payments, 1);
    till.each_settled_once(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_settled_is_set_aside_with_its_reason_and_holds_nothing_up() {
    let till = Till::new().await;
    let payments = till.capture_many(&till.samples, 6).await;
    till.tamper(&format!("UPDATE payments SET details = '{{' WHERE id = '{}'", payments[3].id));
    till.needs_review(&till.samples, &payments[1]).await;
    till.reversal_open(&till.samples, &payments[2]).await;
    let strangers = Samples::new(503);
    till.capture_many(&strangers, 1).await;
    till.night();
    let (report, settlement) = till.settle().await;
    assert_eq!((settlement.status, settlement.counts.payments), (SettlementStatus::Completed, 3));
    let reasons: Vec<_> = report.could_not.into_iter().collect();
    assert_eq!(reasons, [("needs_review", 1), ("operation_open", 1), ("unknown_merchant", 1), ("unreadable", 1)]);
    assert_eq!(settlement.counts.set_aside, 4);
    let kept = |reason: &str, id| {
        till.number(&format!(
            "SELECT count(*) FROM settlement_set_aside WHERE reason = '{reason}' AND payment_id = '{id}'"
        ))
    };
    assert_eq!(kept("needs_review", payments[1].id) + kept("operation_open", payments[2].id), 2);
    assert_eq!(kept("unreadable", payments[3].id), 1);
    till.each_settled_once(3);

    till.fee(&strangers, 0).await;
    till.night();
    let next = till.settle().await.1;
    assert_eq!((next.counts.payments, next.counts.set_aside), (1, 3), "each settlement looks anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_of_one_payment_in_several_chunks_are_all_taken_off_by_one_settlement() {
    let till = Till::new().await;
    let payments = till.capture_many(&till.samples, 1).await;
    till.night();
    till.settle().await;
    till.hours(1);
    for amount in [1, 2, 3, 4] {
        till.refund(&till.samples, &payments[0], amount).await;
    }
    till.night();
    let settlement = run(&till.gateway_with(1, Arc::new(NoFailPoints))).await.unwrap().1;
    assert_eq!((settlement.counts.refunds, settlement.counts.dropped), (4, 0));
    assert_eq!(till.totals(&settlement, &till.samples).await.refunds, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_with_several_refunds_that_cannot_be_read_is_set_aside_however_they_fall_into_chunks() {
    for chunk in [1, 10] {
        let till = Till::new().await;
        let payments = till.capture_many(&till.samples, 2).await;
        till.night();
        till.settle().await;
        till.hours(1);
        for payment in [&payments[0], &payments[0], &payments[1]] {
            till.refund(&till.samples, payment, 5).await;
        }
        till.tamper(&format!("UPDATE payments SET details = '{{' WHERE id = '{}'", payments[0].id));
        till.night();
        let (report, settlement) = run(&till.gateway_with(chunk, Arc::new(NoFailPoints))).await.unwrap();
        assert_eq!((settlement.status, settlement.counts.refunds), (SettlementStatus::Completed, 1));
        assert_eq!(report.could_not.get("unreadable"), Some(&2), "each refund is counted");
        let kept = "SELECT count(*) FROM settlement_set_aside WHERE reason = 'unreadable'";
        assert_eq!(till.number(kept), 1, "and the payment is named once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_are_taken_off_and_a_late_failure_is_given_back_by_the_next_settlement() {
    let till = Till::new().await;
    let payments = till.capture_many(&till.samples, 2).await;
    till.night();
    till.settle().await;
    till.hours(1);
    let kept = till.refund(&till.samples, &payments[0], 40).await;
    let early = till.refund(&till.samples, &payments[1], 30).await;
    till.refund_comes_back(&till.samples, &early).await;
    let twice = till.refund(&till.samples, &payments[1], 11).await;
    let again = till.refund(&till.samples, &payments[1], 12).await;
    till.capture_many(&till.samples, 10).await;
    till.night();
    let second = till.settle().await.1;
    let totals = till.totals(&second, &till.samples).await;
    assert_eq!((totals.refunds, totals.refunds_returned), (63, 0), "what came back before is in no settlement");
    assert_eq!(second.counts.refunds, 3, "two of one payment too");
    for refund in [&kept, &twice, &again] {
        let lined = till.store.refund(refund.id).await.unwrap().unwrap();
        assert_eq!((lined.settlement, lined.to_settle_at), (Some(second.id), None));
    }

    till.hours(2);
    till.refund_comes_back(&till.samples, &kept).await;
    till.night();
    let third = till.settle().await.1;
    assert_eq!(till.lines(&third, &till.samples).await, [(LineKind::RefundReturned, Some(payments[0].id), 40)]);
    assert_eq!((third.totals[0].refunds_returned, third.totals[0].net), (40, 40));
    till.night();
    assert!(till.lines(&till.settle().await.1, &till.samples).await.is_empty(), "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_comes_back_while_it_is_lined_is_lined_by_the_next_settlement_or_not_at_all() {
    let till = Arc::new(Till::new().await);
    let payments = till.capture_many(&till.samples, 2).await;
    till.night();
    till.settle().await;
    let refund = till.refund(&till.samples, &payments[0], 40).await;
    till.night();
    let (there, lost) = (till.clone(), refund.clone());
    let meanwhile = Meanwhile::at(FailPoint::BeforeChunk, move || {
        Box::pin(async move { there.refund_comes_back(&there.samples, &lost).await })
    });
    let settlement = run(&till.gateway_with(10, meanwhile)).await.unwrap().1;
    assert_eq!((settlement.status, settlement.counts.refunds), (SettlementStatus::Completed, 0));
    assert_eq!(settlement.counts.dropped, 1);
    till.night();
    let next = till.settle().await.1;
    assert_eq!((next.counts.refunds, next.counts.refunds_returned), (0, 0), "it was never taken off");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_merchant_owes_is_carried_over_until_it_is_paid() {
    let till = Till::new().await;
    let payments = till.capture_many(&till.samples, 3).await;
    till.capture_many(&till.other, 1).await;
    till.night();
    till.settle().await;
    till.refund(&till.samples, &payments[2], 102).await;
    till.night();
    let second = till.settle().await.1;
    assert_eq!(till.totals(&second, &till.samples).await.net, -102);
    till.night();
    let third = till.settle().await.1;
    assert_eq!(till.lines(&third, &till.samples).await, [(LineKind::CarriedOver, None, -102)]);
    till.capture_many(&till.samples, 2).await;
    till.night();
    // Cut off right behind the line that carries over: it must not be carried over twice.
    assert!(run(&till.gateway_with(10, DiesAt::the(1, FailPoint::AfterChunk))).await.is_err());
    let fourth = till.settle().await.1;
    let totals = till.totals(&fourth, &till.samples).await;
    assert_eq!((totals.gross, totals.fees, totals.carried_over, totals.net), (201, 6, -102, 93));
    till.night();
    assert!(till.lines(&till.settle().await.1, &till.samples).await.is_empty(), "paid: nothing is carried over");
    assert_eq!(till.number("SELECT count(*) FROM settlement_lines WHERE kind = 'carried_over'"), 2);
}

/// Settles 25 payments, changing the books by `sql` before they are compared.
async fn tampered(sql: &'static str) -> (Arc<Till>, tollgate_domain::Settlement) {
    let till = Arc::new(Till::new().await);
    till.capture_many(&till.samples, 25).await;
    till.night();
    let there = till.clone();
    let meanwhile = Meanwhile::at(FailPoint::AfterChunk, move || Box::pin(async move { there.tamper(sql) }));
    let settlement = run(&till.gateway_with(10, meanwhile)).await.unwrap().1;
    (till, settlement)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_does_not_agree_fails_the_settlement_and_says_where() {
    for (sql, says) in [
        ("UPDATE postings SET minor = minor - 1 WHERE account = 'fee_income'", "fees"),
        ("DELETE FROM postings WHERE account = 'fee_income'", "chunk 1: JPY"),
        (
            "UPDATE postings SET account = 'suspense' WHERE account LIKE 'available:%'
                AND payment_id = (SELECT min(payment_id) FROM settlement_lines WHERE chunk = 1)",
            "elsewhere",
        ),
        ("UPDATE settlement_totals SET net = net + 1 WHERE chunk = 1", "its totals are not those of its lines"),
        ("DELETE FROM settlement_lines WHERE chunk = 1 AND number = 4", "it counts 10 payments, and has lines of 9"),
        ("DELETE FROM settlement_totals WHERE chunk = 1", "it counts 10 payments, and has lines of 0"),
    ] {
        let (till, settlement) = tampered(sql).await;
        assert_eq!(settlement.status, SettlementStatus::Failed, "{sql}");
        assert!(settlement.failure.as_ref().unwrap().contains(says), "{sql}: {:?}", settlement.failure);
        assert_eq!(settlement.counts.payments, 25, "everything is in it all the same");
        let before = till.everything();
        assert_eq!(till.settle().await.1, settlement, "{sql}: it stays so");
        assert_eq!(till.everything(), before, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_settlement_is_completed_by_the_next_run_once_the_ledger_is_right_and_holds_no_other_up() {
    let wrong = "UPDATE postings SET minor = minor - 1 WHERE account = 'fee_income'
        AND payment_id = (SELECT min(payment_id) FROM settlement_lines WHERE chunk = 1)";
    let (till, failed) = tampered(wrong).await;
    assert_eq!(failed.status, SettlementStatus::Failed);
    till.tamper(&wrong.replace("- 1", "+ 1"));
    let set_right = till.settle().await.1;
    assert_eq!((set_right.id, set_right.status, set_right.failure), (failed.id, SettlementStatus::Completed, None));

    let (till, failed) = tampered(wrong).await;
    till.capture_many(&till.samples, 2).await;
    till.night();
    let next = till.settle().await.1;
    assert_eq!((next.status, next.previous), (SettlementStatus::Completed, Some(failed.id)));
}
