//! Lines and totals, from the transitions themselves.

use proptest::prelude::*;

use super::*;
use crate::{
    MerchantId, Payment, PaymentStatus, Refund, RefundId, RefundState, RefundStatus, RefundView, SettlementId,
    settlement::{Balance, fee},
    transitions::samples::{NOW, attempt, capturing, jpy, key, shows, taken},
};

const FIRST: SettlementId = SettlementId::from_random([1; 16]);
const SECOND: SettlementId = SettlementId::from_random([2; 16]);

fn captured(minor: i64) -> Payment {
    shows(&capturing(minor), taken(minor)).payment
}

fn settled(minor: i64, basis_points: u32) -> (Payment, Line) {
    let payment = captured(minor);
    let fee = fee(payment.captured, basis_points).unwrap();
    let change = payment.settle(FIRST, fee, NOW).unwrap();
    let line = Line::of_payment(&payment, &change, fee);
    (change.payment, line)
}

fn refunded(payment: &Payment, minor: i64) -> (Payment, Refund) {
    let asked = payment
        .request_refund(RefundId::from_random([7; 16]), Some(jpy(minor)), None, attempt(5, NOW), key(5), NOW)
        .unwrap();
    moved(&asked.payment, &asked.refund.unwrap(), RefundState::Completed)
}

fn moved(payment: &Payment, refund: &Refund, state: RefundState) -> (Payment, Refund) {
    let view = RefundView { refund_reference: "re_1".to_owned(), instead_of: None, state };
    let change = payment.refund_moved(refund, &view, NOW).unwrap();
    (change.payment, change.refund.unwrap())
}

fn came_back() -> RefundState {
    RefundState::Failed(crate::Failure {
        code: "expired_or_canceled_card".to_owned(),
        message: "The card is gone".to_owned(),
        provider_code: None,
    })
}

fn totals(lines: &[Line]) -> Totals {
    let mut totals = TotalsByCurrency::default();
    for line in lines {
        totals.add_line(line).unwrap();
    }
    totals.into_vec()[0]
}

#[test]
fn a_payment_is_lined_with_its_fee_and_its_version() {
    let (payment, line) = settled(1000, 325);
    assert_eq!((line.gross, line.fee, line.net), (1000, 33, 967));
    assert_eq!(line.payment, Some((payment.id, payment.version)));
    assert_eq!((payment.status, payment.settlement), (PaymentStatus::Settled, Some(FIRST)));
    assert_eq!(line.at, payment.captured_at.unwrap());
}

#[test]
fn a_refund_is_taken_off_once_and_given_back_once_if_it_comes_back() {
    let (payment, line) = settled(1000, 300);
    let (payment, refund) = refunded(&payment, 400);
    let first = payment.settle_refund(&refund, FIRST, NOW).unwrap();
    let taken_off = Line::of_refund(&refund, &first);
    assert_eq!((taken_off.kind, taken_off.net), (LineKind::Refund, -400));
    let lined = first.refund.unwrap();
    assert!(first.payment.settle_refund(&lined, SECOND, NOW).is_none(), "it waits for no settlement any more");

    let (payment, returned) = moved(&first.payment, &lined, came_back());
    let second = payment.settle_refund(&returned, SECOND, NOW).unwrap();
    let given_back = Line::of_refund(&returned, &second);
    assert_eq!((given_back.kind, given_back.net), (LineKind::RefundReturned, 400));
    let all = totals(&[line, taken_off, given_back]);
    assert_eq!((all.payments, all.gross, all.fees), (1, 1000, 30));
    assert_eq!((all.refunds, all.refunds_returned, all.net), (400, 400, 970));
}

#[test]
fn a_refund_that_came_back_before_any_settlement_took_it_off_is_in_none() {
    let (payment, refund) = refunded(&settled(1000, 0).0, 400);
    let (payment, returned) = moved(&payment, &refund, came_back());
    assert_eq!((returned.status, returned.to_settle_at), (RefundStatus::Failed, None));
    assert!(payment.settle_refund(&returned, SECOND, NOW).is_none());
}

#[test]
fn what_is_owed_to_us_is_a_line_of_its_own() {
    let merchant = MerchantId::from_random([2; 16]);
    let owed = Balance { minor: -250, currency: "JPY".parse().unwrap() };
    let all = totals(&[settled(1000, 300).1, Line::carried_over(merchant, owed, NOW)]);
    assert_eq!((all.gross, all.carried_over, all.net), (1000, -250, 720));
}

#[test]
fn totals_out_of_range_are_refused_and_do_not_wrap() {
    let line = Line { gross: i64::MAX, fee: 0, net: i64::MAX, ..settled(1000, 0).1 };
    let once = Totals::none(line.currency).with(&line).unwrap();
    assert_eq!(once.with(&line), Err(MoneyError::OutOfRange));
    let refund = Line { kind: LineKind::Refund, gross: i64::MIN, ..line };
    assert_eq!(Totals::none(refund.currency).with(&refund), Err(MoneyError::OutOfRange));
}

#[test]
fn a_ledger_that_says_anything_else_disagrees() {
    let lines = [totals(&[settled(1000, 300).1])];
    let agrees = LedgerSums { currency: lines[0].currency, gross: 1000, fees: 30, net: 970, elsewhere: 0 };
    assert_eq!(LedgerSums::disagreement(&[agrees], &lines), None);
    for wrong in [
        LedgerSums { gross: 999, ..agrees },
        LedgerSums { fees: 31, ..agrees },
        LedgerSums { net: 971, ..agrees },
        LedgerSums { elsewhere: 2, ..agrees },
    ] {
        assert!(LedgerSums::disagreement(&[wrong], &lines).is_some(), "{wrong:?}");
    }
    assert!(LedgerSums::disagreement(&[], &lines).is_some(), "no postings at all");
    assert!(LedgerSums::disagreement(&[agrees], &[]).is_some(), "postings without lines");
    let dollars = LedgerSums { currency: "USD".parse().unwrap(), ..agrees };
    assert!(LedgerSums::disagreement(&[agrees, dollars], &lines).is_some(), "another currency beside");
    let crooked = Totals { net: 971, ..lines[0] };
    assert!(LedgerSums::disagreement(&[agrees], &[crooked]).is_some(), "lines that do not add up");
}

proptest! {
    #[test]
    fn whatever_is_lined_adds_up_and_agrees_with_its_postings(
        payments in prop::collection::vec((1..=1000_i64, 0..=10_000_u32, 0..=1000_i64), 1..20),
    ) {
        let (mut all, mut ledger) = (Vec::new(), LedgerSums {
            currency: "JPY".parse().unwrap(), gross: 0, fees: 0, net: 0, elsewhere: 0,
        });
        for (minor, basis_points, refund) in payments {
            let payment = captured(minor);
            let fee = fee(payment.captured, basis_points).unwrap();
            let change = payment.settle(FIRST, fee, NOW).unwrap();
            all.push(Line::of_payment(&payment, &change, fee));
            for posting in change.postings.lines() {
                match posting.account {
                    crate::Account::Pending(_) => ledger.gross += posting.signed_minor(),
                    crate::Account::FeeIncome => ledger.fees -= posting.signed_minor(),
                    crate::Account::Available(_) => ledger.net -= posting.signed_minor(),
                    _ => ledger.elsewhere += posting.amount.minor(),
                }
            }
            if let Some(amount) = Some(refund.min(minor)).filter(|amount| *amount > 0) {
                let (payment, refund) = refunded(&change.payment, amount);
                all.push(Line::of_refund(&refund, &payment.settle_refund(&refund, FIRST, NOW).unwrap()));
            }
        }
        prop_assert!(all.iter().all(|line| line.net == line.gross - line.fee && line.fee >= 0));
        let totals = totals(&all);
        prop_assert!(totals.adds_up());
        prop_assert_eq!(LedgerSums::disagreement(&[ledger], &[totals]), None);
        prop_assert_eq!(totals.net, all.iter().map(|line| line.net).sum::<i64>());
    }
}

#[test]
fn a_net_adds_up_of_every_part_with_its_sign() {
    let whole = Totals {
        payments: 2,
        gross: 1000,
        fees: 30,
        refunds: 200,
        refunds_returned: 7,
        carried_over: -500,
        net: 1000 - 30 - 200 + 7 - 500,
        ..Totals::none(jpy(0).currency())
    };
    assert!(whole.adds_up());
    assert!(!Totals { net: whole.net + 1, ..whole }.adds_up());
    for wrong in [
        Totals { gross: 1001, ..whole },
        Totals { fees: 31, ..whole },
        Totals { refunds: 199, ..whole },
        Totals { refunds_returned: 8, ..whole },
        Totals { carried_over: -499, ..whole },
    ] {
        assert!(!wrong.adds_up(), "{wrong:?}");
    }
}

#[test]
fn totals_of_several_currencies_add_up_each_with_its_own() {
    let euro = "EUR".parse().unwrap();
    let of = |currency, gross| Totals { payments: 1, gross, fees: 3, net: gross - 3, ..Totals::none(currency) };
    let mut all = TotalsByCurrency::default();
    for totals in [of(jpy(0).currency(), 100), of(euro, 7), of(jpy(0).currency(), 200)] {
        all.add(&totals).unwrap();
    }
    assert_eq!(all.add(&of(euro, i64::MAX)), Err(MoneyError::OutOfRange), "it never wraps");
    let yen = Totals { payments: 2, gross: 300, fees: 6, net: 294, ..Totals::none(jpy(0).currency()) };
    assert_eq!(all.into_vec(), [of(euro, 7), yen], "in the order of their codes");
}
