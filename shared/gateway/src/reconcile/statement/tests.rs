//! The rules, one by one: what a file says of one id against what we say.

use tollgate_domain::{Money, OperationKind, PaymentId, PaymentStatus, ProviderName, RefundId, RefundStatus};

use super::{
    Direction::{self, In, Out},
    ExceptionKind::{self, Amount, Currency, Duplicate, MissingHere, State},
    Ours, StatementLine,
    compare::compare,
    mark::Mark,
};

fn money(minor: i64, code: &str) -> Money {
    Money::new(minor, code.parse().unwrap()).unwrap()
}

fn line(number: u64, direction: Direction, amount: Option<Money>, gives_back: bool) -> StatementLine {
    let currency = amount.map_or("EUR".parse().unwrap(), Money::currency);
    StatementLine { line: number, end_to_end_id: None, amount, currency, direction, gives_back, booked_on: None }
}

/// Movements of ten euros, in the order of the file, `true`: it gives back.
fn lines(of: &[(Direction, bool)]) -> Vec<StatementLine> {
    of.iter()
        .zip(1..)
        .map(|((direction, back), number)| line(number, *direction, Some(money(1000, "EUR")), *back))
        .collect()
}

fn said(mark: Mark, ours: &Ours, lines: &[StatementLine]) -> Vec<(ExceptionKind, u64)> {
    let lines: Vec<_> = lines.iter().collect();
    compare(mark, ours, &lines).into_iter().map(|(place, kind)| (kind, lines[place].line)).collect()
}

fn payment(status: PaymentStatus, is_undone: bool) -> Ours {
    Ours::Payment { status, amount: money(1000, "EUR"), open: Some(OperationKind::Capture), is_undone }
}

fn a_payment() -> Mark {
    Mark::Payment(PaymentId::from_random([1; 16]))
}

fn a_refund() -> Mark {
    Mark::Refund(RefundId::from_random([2; 16]))
}

fn refund(status: RefundStatus) -> Ours {
    Ours::Refund { status, amount: money(1000, "EUR") }
}

#[test]
fn money_that_came_is_taken_here_or_the_state_differs() {
    for status in PaymentStatus::ALL {
        let is_taken = matches!(status, PaymentStatus::Captured | PaymentStatus::Settled | PaymentStatus::Refunded);
        let came = said(a_payment(), &payment(status, false), &lines(&[(In, false)]));
        assert_eq!(came.is_empty(), is_taken, "{status:?}");
        // Came and was taken back by the bank: then it must not be taken here.
        let back = [vec![(State, 2)], vec![]];
        let gone = said(a_payment(), &payment(status, false), &lines(&[(In, false), (Out, true)]));
        assert_eq!(gone, back[usize::from(!is_taken)], "{status:?}");
        let gone = said(a_payment(), &payment(status, false), &lines(&[(Out, true)]));
        assert_eq!(gone.is_empty(), !is_taken, "{status:?}");
    }
    let late = payment(PaymentStatus::Failed, true);
    assert_eq!(said(a_payment(), &late, &lines(&[(In, false)])), [], "a late success that was given back did come");
}

#[test]
fn money_that_went_is_a_refund_that_is_done() {
    for (status, expected) in [
        (RefundStatus::Completed, vec![]),
        (RefundStatus::Pending, vec![(State, 1)]),
        (RefundStatus::Failed, vec![(State, 1)]),
    ] {
        assert_eq!(said(a_refund(), &refund(status), &lines(&[(Out, false)])), expected, "{status:?}");
    }
    let returned = lines(&[(Out, false), (In, true)]);
    assert_eq!(said(a_refund(), &refund(RefundStatus::Failed), &returned), []);
    assert_eq!(said(a_refund(), &refund(RefundStatus::Completed), &returned), [(State, 2)]);
    let again = lines(&[(Out, false), (In, true), (Out, false)]);
    assert_eq!(said(a_refund(), &refund(RefundStatus::Completed), &again), []);
}

#[test]
fn a_reversal_is_done_and_of_an_amount_that_was_reversed() {
    let mark = Mark::Reversal(PaymentId::from_random([1; 16]));
    let of = |is_done, minor| Ours::Reversal { is_done, amounts: vec![money(400, "EUR"), money(minor, "EUR")] };
    assert_eq!(said(mark, &of(true, 1000), &lines(&[(Out, false)])), []);
    assert_eq!(said(mark, &of(false, 1000), &lines(&[(Out, false)])), [(State, 1)]);
    assert_eq!(said(mark, &of(true, 999), &lines(&[(Out, false)])), [(Amount, 1)]);
}

#[test]
fn the_wrong_way_is_a_state_of_its_own() {
    let captured = || payment(PaymentStatus::Captured, false);
    assert_eq!(said(a_payment(), &captured(), &lines(&[(Out, false)])), [(State, 1)]);
    assert_eq!(said(a_payment(), &captured(), &lines(&[(In, true)])), [(State, 1)]);
    assert_eq!(said(a_refund(), &refund(RefundStatus::Completed), &lines(&[(In, false)])), [(State, 1)]);
    let failed = payment(PaymentStatus::Failed, false);
    assert_eq!(said(a_payment(), &failed, &lines(&[(Out, false)])), [(State, 1)], "also where nothing was taken");
    assert_eq!(said(a_payment(), &failed, &lines(&[(In, true)])), [(State, 1)], "what is given back goes out");
}

#[test]
fn what_moved_twice_is_a_duplicate_unless_it_came_back() {
    let captured = || payment(PaymentStatus::Captured, false);
    assert_eq!(said(a_payment(), &captured(), &lines(&[(In, false), (In, false)])), [(Duplicate, 2)]);
    let thrice = lines(&[(In, false), (In, false), (In, false)]);
    assert_eq!(said(a_payment(), &captured(), &thrice), [(Duplicate, 3), (Duplicate, 2)]);
    assert_eq!(said(a_payment(), &captured(), &lines(&[(In, false), (In, false), (Out, true)])), []);
    let both_ways = lines(&[(In, false), (Out, false)]);
    assert_eq!(said(a_payment(), &captured(), &both_ways), [(State, 2)], "another direction is no duplicate");
}

#[test]
fn another_amount_or_currency_is_said_and_so_is_none() {
    let captured = || payment(PaymentStatus::Captured, false);
    for (amount, expected) in [
        (Some(money(1000, "EUR")), vec![]),
        (Some(money(999, "EUR")), vec![(Amount, 1)]),
        (Some(money(1000, "USD")), vec![(Currency, 1)]),
        (None, vec![(Amount, 1)]),
    ] {
        assert_eq!(said(a_payment(), &captured(), &[line(1, In, amount, false)]), expected, "{amount:?}");
    }
    let failed = payment(PaymentStatus::Failed, false);
    let wrong = said(a_payment(), &failed, &[line(1, In, Some(money(999, "EUR")), false)]);
    assert_eq!(wrong, [(Amount, 1), (State, 1)], "both are said");
}

#[test]
fn what_we_do_not_have_at_the_bank_is_missing_once_a_line() {
    for ours in [Ours::Nothing, Ours::Elsewhere(ProviderName::Stripe)] {
        let twice = said(a_payment(), &ours, &lines(&[(In, false), (Out, true)]));
        assert_eq!(twice, [(MissingHere, 1), (MissingHere, 2)]);
    }
}
