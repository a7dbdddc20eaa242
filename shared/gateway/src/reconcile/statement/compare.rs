//! The rules: what a file says of one id, all its lines together, against what we say. Pure.

use tollgate_domain::{ExceptionKind, Money, PaymentStatus, RefundStatus};

use super::{Direction, Ours, StatementLine, mark::Mark};

/// The lines of one id, by their places.
#[derive(Default)]
struct Tally {
    /// The money went where it should.
    going: Vec<usize>,
    /// And came back.
    back: Vec<usize>,
    /// It went the wrong way.
    astray: Vec<usize>,
}

/// What we say of the money.
enum Moved {
    Yes,
    No,
    /// It did, and was given back in a movement of another name: what the bank shows of this one can be either.
    YesAndBack,
}

/// What does not agree: in what, and with which of the lines.
pub(super) fn compare(mark: Mark, ours: &Ours, lines: &[&StatementLine]) -> Vec<(usize, ExceptionKind)> {
    let Some(moved) = moved(ours) else {
        return (0..lines.len()).map(|place| (place, ExceptionKind::MissingHere)).collect();
    };
    let tally = tally(mark, lines);
    let mut wrong: Vec<_> = tally.astray.iter().map(|place| (*place, ExceptionKind::State)).collect();
    for place in tally.going.iter().chain(&tally.back) {
        wrong.extend(differs(ours, lines[*place]).map(|kind| (*place, kind)));
    }
    // What came back is as if it had not gone; of the rest, one movement is right at most.
    let remains = tally.going.len().saturating_sub(tally.back.len());
    let too_many = tally.going.iter().rev().take(remains.saturating_sub(1));
    wrong.extend(too_many.map(|place| (*place, ExceptionKind::Duplicate)));
    let contradicts = match moved {
        Moved::No if remains > 0 => tally.going.first(),
        Moved::Yes if remains == 0 => tally.back.last(),
        _ => None,
    };
    wrong.extend(contradicts.map(|place| (*place, ExceptionKind::State)));
    wrong
}

fn tally(mark: Mark, lines: &[&StatementLine]) -> Tally {
    let (there, back) = match mark {
        Mark::Payment(_) => (Direction::In, Direction::Out),
        Mark::Refund(_) | Mark::Reversal(_) => (Direction::Out, Direction::In),
    };
    let mut tally = Tally::default();
    for (place, line) in lines.iter().enumerate() {
        match line.gives_back {
            false if line.direction == there => tally.going.push(place),
            true if line.direction == back => tally.back.push(place),
            _ => tally.astray.push(place),
        }
    }
    tally
}

/// Whether the money moved, as we say; `None`: we know of none.
fn moved(ours: &Ours) -> Option<Moved> {
    use PaymentStatus::{Captured, Failed, Refunded, Settled, Voided};
    let yes_or_no = |yes| if yes { Moved::Yes } else { Moved::No };
    let moved = match ours {
        Ours::Nothing | Ours::Elsewhere(_) => return None,
        Ours::Payment { status: Failed | Voided, is_undone: true, .. } => Moved::YesAndBack,
        Ours::Payment { status, .. } => yes_or_no(matches!(status, Captured | Settled | Refunded)),
        Ours::Refund { status, .. } => yes_or_no(*status == RefundStatus::Completed),
        Ours::Reversal { is_done, .. } => yes_or_no(*is_done),
    };
    Some(moved)
}

/// Whether the line is of another currency, or amount.
fn differs(ours: &Ours, line: &StatementLine) -> Option<ExceptionKind> {
    let amounts: &[Money] = match ours {
        Ours::Nothing | Ours::Elsewhere(_) => &[],
        Ours::Payment { amount, .. } | Ours::Refund { amount, .. } => std::slice::from_ref(amount),
        Ours::Reversal { amounts, .. } => amounts,
    };
    if amounts.iter().all(|amount| amount.currency() != line.currency) {
        return Some(ExceptionKind::Currency);
    }
    let is_same = line.amount.is_some_and(|amount| amounts.contains(&amount));
    (!is_same).then_some(ExceptionKind::Amount)
}
