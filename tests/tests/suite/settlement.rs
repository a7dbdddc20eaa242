//! Settlement, played on a real store: crashed at every point, run twice at once, and against everything that changes
//! meanwhile.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::join;
use tollgate_domain::{PaymentStatus, SettlementStatus, settlement::LineKind};
use tollgate_gateway::{
    JobRun,
    contract::{Story, yen},
    ports::{FailPoint, Settlements, Store, Time, fail_points::NoFailPoints},
};

use super::settlement_support::{DiesAt, FEE, Meanwhile, Till, context, run, settled};

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
