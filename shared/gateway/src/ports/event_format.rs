//! The body of an event to a merchant, made when the event is committed and never again: what is delivered twice is
//! the same twice.

use tollgate_domain::{Event, EventId};

/// Renders events for merchants.
pub trait EventFormat: Send + Sync + 'static {
    /// The body of `event`, as it is signed and sent.
    fn body(&self, id: EventId, event: &Event) -> String;
}
