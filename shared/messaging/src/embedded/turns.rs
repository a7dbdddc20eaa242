//! The order in which merchants get places: in turn, a few messages each, round and round.
//!
//! A turn costs one look into an index for every merchant on the way, whatever waits behind it. Must not know: what
//! becomes of what is held.

use rusqlite::Result;
use tollgate_domain::MerchantId;

use super::{
    fair::Slots,
    schedule::Micros,
    table::{Held, Messages},
};

/// Messages of one merchant in one turn: few, so that a place is not long in coming, and more than one, so that merchants
/// are not looked up once a message.
const TURN: usize = 4;

/// Fills the free places until `until`. Starts after the merchant `last`, and leaves there whose turn was last. Answers
/// whether something is left that there was no place for.
pub(super) fn fill(
    messages: &mut Messages<'_>,
    slots: &mut Slots,
    last: &mut Option<MerchantId>,
    until: Micros,
    held: &mut Vec<Held>,
) -> Result<bool> {
    loop {
        let round = round(messages, slots, last, until, held)?;
        if slots.free() == 0 || !round.more {
            return Ok(round.left || slots.free() == 0);
        }
    }
}

struct Round {
    /// Another round would take something.
    more: bool,
    /// Somebody has something ready, and may not have a place for it.
    left: bool,
}

/// One turn for everybody who has something ready.
fn round(
    messages: &mut Messages<'_>,
    slots: &mut Slots,
    last: &mut Option<MerchantId>,
    until: Micros,
    held: &mut Vec<Held>,
) -> Result<Round> {
    let start = *last;
    let mut round = Round { more: false, left: false };
    let mut wrapped = start.is_none();
    while slots.free() > 0 {
        let Some(merchant) = messages.next_merchant(*last)? else {
            if wrapped {
                break;
            }
            wrapped = true;
            *last = None;
            continue;
        };
        let room = slots.room(merchant);
        round.left |= room == 0;
        let before = held.len();
        let taken = if room > 0 { messages.hold(merchant, room.min(TURN), until, held)? } else { 0 };
        held[before..].iter().for_each(|held| slots.take(held.merchant()));
        let may_have_more = taken > 0 && taken == room.min(TURN);
        let has_room = slots.room(merchant) > 0;
        round.more |= may_have_more && has_room;
        round.left |= may_have_more && !has_room;
        *last = Some(merchant);
        if wrapped && start.is_some_and(|start| merchant >= start) {
            break;
        }
    }
    Ok(round)
}
