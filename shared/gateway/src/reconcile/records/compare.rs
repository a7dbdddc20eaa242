//! The rules: what a provider's record says of one movement, against the store and the ledger. Pure.

use tollgate_domain::{
    Account, ExceptionKind, Money, Movement, OperationKind, Payment, ProviderName, ProviderRecord, RecordState,
    RefundStatus, exception::Found,
};

use super::ours::{Ours, has_money};

/// What comes of comparing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Store, ledger and provider say the same.
    Matched,
    /// Something is under way, here or there: it is looked at again.
    InMotion,
    /// They do not.
    Differs(Box<Found>),
}

/// What we say of the movement.
struct Says {
    amount: Option<Money>,
    state: String,
}

/// Holds `record`, which is of a payment of ours, against what we have.
pub(super) fn compare(provider: ProviderName, record: &ProviderRecord, ours: &Ours) -> Verdict {
    if record.state == RecordState::Pending {
        return Verdict::InMotion;
    }
    let verdict = match (&ours.payment, record.movement) {
        // Nothing moved, for nothing that we know.
        (None, _) if record.state == RecordState::Denied => return Verdict::Matched,
        (None, _) => Err((ExceptionKind::MissingHere, Says { amount: None, state: "no such payment".to_owned() })),
        (Some(payment), Movement::Capture) => capture(provider, record, payment, ours),
        (Some(payment), Movement::Refund) if record.refund.is_some() => refund(provider, record, payment, ours),
        (Some(payment), Movement::Refund) => undone(record, payment, ours),
        (Some(payment), Movement::Returned) => returned(payment, ours),
    };
    match verdict {
        Ok(verdict) => verdict,
        Err((kind, Says { amount: our_amount, state: our_state })) => {
            Verdict::Differs(Box::new(Found { provider, kind, record: record.clone(), our_amount, our_state }))
        }
    }
}

type Compared = Result<Verdict, (ExceptionKind, Says)>;

fn capture(provider: ProviderName, record: &ProviderRecord, payment: &Payment, ours: &Ours) -> Compared {
    // A try that came to nothing; that the money is missing is found from the other side.
    if record.state == RecordState::Denied {
        return Ok(Verdict::Matched);
    }
    let status = payment.status.as_str().to_owned();
    if !has_money(payment, provider) {
        let undone = !ours.reversals.is_empty() || (payment.reversed_at.is_some() && payment.provider == provider);
        if undone {
            return Ok(Verdict::Matched);
        }
        if is_moving(payment) {
            return Ok(Verdict::InMotion);
        }
        if payment.provider == provider {
            return Err((ExceptionKind::State, Says { amount: Some(payment.captured), state: status }));
        }
        let state = format!("{status} at {}", payment.provider);
        return Err((ExceptionKind::MissingHere, Says { amount: None, state }));
    }
    let says = || Says { amount: Some(payment.captured), state: status.clone() };
    let is_another = |known: &String| record.transaction.as_ref().is_some_and(|of| of != known);
    let is_second = ours.holder.as_ref().is_some_and(|holder| *holder != record.id);
    if payment.provider_transaction_id.as_ref().is_some_and(is_another) || is_second {
        return Err((ExceptionKind::Duplicate, says()));
    }
    amounts(provider, record, payment.captured, 1, ours, says)
}

fn refund(provider: ProviderName, record: &ProviderRecord, payment: &Payment, ours: &Ours) -> Compared {
    let refund = ours.refund.as_ref().filter(|refund| refund.payment_id == payment.id);
    let Some(refund) = refund.filter(|_| payment.provider == provider) else {
        return Err((ExceptionKind::MissingHere, Says { amount: None, state: "no such refund".to_owned() }));
    };
    let says = || Says { amount: Some(refund.amount), state: refund.status.as_str().to_owned() };
    match (refund.status, record.state) {
        (RefundStatus::Pending, _) => Ok(Verdict::InMotion),
        (RefundStatus::Failed, RecordState::Denied) => Ok(Verdict::Matched),
        (RefundStatus::Failed, _) if ours.came_back => Ok(Verdict::Matched),
        (RefundStatus::Failed, _) | (RefundStatus::Completed, RecordState::Denied) => {
            Err((ExceptionKind::State, says()))
        }
        (RefundStatus::Completed, _) if ours.holder.as_ref().is_some_and(|holder| *holder != record.id) => {
            Err((ExceptionKind::Duplicate, says()))
        }
        (RefundStatus::Completed, _) => amounts(provider, record, refund.amount, -1, ours, says),
    }
}

/// Money that went back under no refund of ours: what undid a late success, or somebody else's doing.
fn undone(record: &ProviderRecord, payment: &Payment, ours: &Ours) -> Compared {
    if record.state == RecordState::Denied {
        return Ok(Verdict::Matched);
    }
    let reversal = ours.reversals.iter().find(|(amount, _)| record.amount == Some(*amount));
    match reversal {
        Some((_, true)) => Ok(Verdict::Matched),
        Some((_, false)) => Ok(Verdict::InMotion),
        None => {
            let state = format!("{}, no such refund", payment.status.as_str());
            Err((ExceptionKind::MissingHere, Says { amount: None, state }))
        }
    }
}

fn returned(payment: &Payment, ours: &Ours) -> Compared {
    match &ours.refund {
        Some(refund) if refund.status == RefundStatus::Failed => Ok(Verdict::Matched),
        Some(refund) if refund.status == RefundStatus::Pending => Ok(Verdict::InMotion),
        Some(refund) => {
            let (amount, state) = (Some(refund.amount), refund.status.as_str().to_owned());
            Err((ExceptionKind::State, Says { amount, state }))
        }
        None => {
            let state = format!("{}, no such refund", payment.status.as_str());
            Err((ExceptionKind::State, Says { amount: None, state }))
        }
    }
}

/// Whether an operation is under way that decides if the payment's money moved.
fn is_moving(payment: &Payment) -> bool {
    payment.open.as_ref().is_some_and(|open| open.kind != OperationKind::Refund)
}

/// The amounts, all three: the record's, the store's, and the ledger's, where it is booked to (1) or from (-1) what the provider owes us.
fn amounts(
    provider: ProviderName,
    record: &ProviderRecord,
    amount: Money,
    sign: i64,
    ours: &Ours,
    says: impl Fn() -> Says,
) -> Compared {
    if record.currency != Some(amount.currency()) {
        return Err((ExceptionKind::Currency, says()));
    }
    if record.amount != Some(amount) {
        return Err((ExceptionKind::Amount, says()));
    }
    let (account, code) = (Account::Receivable(provider).to_string(), amount.currency());
    let is_booked = ours
        .ledger
        .iter()
        .any(|line| line.account == account && line.currency == code.code() && line.minor == sign * amount.minor());
    if is_booked {
        return Ok(Verdict::Matched);
    }
    let says = says();
    let state = format!("{}, not so in the ledger", says.state);
    Err((ExceptionKind::Amount, Says { state, ..says }))
}
