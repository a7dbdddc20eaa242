//! The outcome of a void.

use crate::{Change, Failure, OperationKind, OperationState, Payment, Timestamp, What, change::Draft};

impl Payment {
    /// The hold was released: by our void, by the provider, or by time.
    pub(super) fn voided(&self, now: Timestamp) -> Change {
        let mut draft = Draft::of(self, What::Voided, self.open_number(), now);
        let ours = self.open.as_ref().is_some_and(|open| open.kind == OperationKind::Void);
        draft.close(if ours { OperationState::Succeeded } else { OperationState::Refused }, None);
        draft.release();
        draft.done()
    }

    /// The provider refused to release the hold.
    pub(super) fn void_refused(&self, failure: &Failure, authorization_gone: bool, now: Timestamp) -> Change {
        if authorization_gone {
            return self.voided(now);
        }
        let mut draft = Draft::of(self, What::VoidRefused, self.open_number(), now);
        draft.detail(&failure.code);
        draft.close(OperationState::Refused, Some(failure.clone()));
        draft.done()
    }
}
