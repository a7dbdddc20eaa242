//! What happens at PayPal by itself: orders and authorizations that end, captures and refunds that turn.

use jiff::Timestamp;

use super::{Call, PayPal, order::Status};
use crate::Interference;

impl PayPal {
    /// Does what is due by `now`, each at its own time.
    pub(super) fn let_pass(&mut self, now: Timestamp) {
        while let Some((due, id)) = self.state.agenda.take(now) {
            let call = Call {
                now: Timestamp::from_second(due).unwrap_or(now),
                request_id: None,
                base_url: self.known_address(),
                interference: &mut Interference::None,
            };
            if let Some(order) = self.state.orders.get(&id).cloned() {
                self.state.put_order(super::Order {
                    status: Status::Voided,
                    updated: call.unix(),
                    expires: None,
                    ..order
                });
            } else if let Some(held) = self.state.authorizations.get(&id).cloned() {
                self.release(&call, held, true);
            } else if let Some(capture) = self.state.captures.get(&id).cloned() {
                self.turn_capture(&call, capture);
            } else if let Some(refund) = self.state.refunds.get(&id).cloned() {
                self.turn_refund(&call, refund);
            }
        }
    }
}
