//! How long a merchant's line may be, so that the queue always has room for somebody who has none.
//!
//! Must not know: where messages wait.

/// A merchant's line where more than half of the room is taken: as much as is handed out before more comes.
const SHORT: u32 = 256;

/// How many messages of one merchant may be ready where `taken` are in a queue for `capacity` of all merchants'. `None`:
/// any number.
///
/// The fewer places are left, the shorter the line: a merchant whose endpoint is slow gets half of the room at most, a
/// few hundred merchants of that kind three quarters, and the rest is for those of whom nothing waits.
pub(super) fn line(taken: u64, capacity: u64) -> Option<u32> {
    if taken < capacity / 2 {
        None
    } else if taken < capacity / 4 * 3 {
        Some(SHORT)
    } else {
        Some(1)
    }
}
