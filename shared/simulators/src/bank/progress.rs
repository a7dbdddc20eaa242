//! What happens by itself: approvals that nobody gives in time, and payments on their way.

use jiff::Timestamp;

use super::{
    Bank,
    state::Due,
    status::{ConsentStatus, Reason},
};

impl Bank {
    /// Does what is due by `now`, in order, each at its own time.
    pub(super) fn let_pass(&mut self, now: Timestamp) {
        while let Some((at, due)) = self.state.next_due().filter(|(at, _)| *at <= now.as_second()).cloned() {
            match due {
                Due::Consent(id) => self.turn_consent(at, &id, ConsentStatus::Rjct, Some(Reason::NotApproved)),
                Due::Payment(id) => self.move_payment(at, &id),
            }
        }
    }

    fn move_payment(&mut self, at: i64, id: &str) {
        let Some(mut payment) = self.state.payments.get(id).cloned() else { return };
        let Some(consent) = self.state.consents.get(&payment.consent).cloned() else { return };
        self.take_steps(at, &consent, &mut payment);
        self.state.put_payment(payment);
    }
}
