//! What became of a payment, for a job's report: the payment before and after, and nothing else, whoever moved it.

use tollgate_domain::{OperationKind, Payment, PaymentStatus};

use crate::{JobReport, Resolution};

/// Counts how asking went, where that is not told by the payment.
pub(super) fn count(resolution: &Resolution, report: &mut JobReport) {
    match resolution {
        Resolution::AwaitingPayer => report.did("still_waiting"),
        Resolution::InFlight => report.could_not("in_flight"),
        Resolution::StillUnknown => report.could_not("still_unknown"),
        Resolution::Unreachable => report.could_not("provider_unreachable"),
        Resolution::Raced => report.could_not("raced"),
        Resolution::NothingOpen | Resolution::Resolved(_) => {}
    }
}

/// The kind of what happened between the two; `None`: nothing that a report tells.
pub(super) fn came_to(before: &Payment, after: &Payment) -> Option<&'static str> {
    if after.refunded.minor() > before.refunded.minor() {
        return Some("refunded");
    }
    if after.refundable().minor() > before.refundable().minor() && after.captured == before.captured {
        return Some("refund_failed");
    }
    if after.status != before.status {
        return moved_to(before, after);
    }
    let closed = before.open.as_ref().filter(|was| after.open.as_ref().is_none_or(|open| open.number != was.number))?;
    Some(match closed.kind {
        OperationKind::Authorize => return None,
        OperationKind::Capture => "capture_refused",
        OperationKind::Void => "void_refused",
        OperationKind::Refund => "refund_accepted",
        OperationKind::Reversal => "reversed",
    })
}

fn moved_to(before: &Payment, after: &Payment) -> Option<&'static str> {
    Some(match after.status {
        PaymentStatus::Authorized => "authorized",
        PaymentStatus::Captured => "captured",
        PaymentStatus::Failed if after.failure.as_ref().is_some_and(|failure| failure.code == "approval_expired") => {
            "approval_expired"
        }
        PaymentStatus::Failed => "failed",
        PaymentStatus::Voided if before.expires_at.is_some_and(|at| at <= after.updated_at) => "authorization_expired",
        PaymentStatus::Voided => "voided",
        PaymentStatus::Pending | PaymentStatus::Settled | PaymentStatus::Refunded => return None,
    })
}
