//! Where a list goes on: opaque to merchants, and nothing that they could not know.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tollgate_domain::{PaymentId, Timestamp};

const VERSION: u8 = 1;

/// The cursor after this payment.
pub(crate) fn write((at, id): (Timestamp, PaymentId)) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(at.as_microsecond().to_be_bytes());
    bytes.extend(id.to_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place that a cursor of ours names.
pub(crate) fn read(text: &str) -> Option<(Timestamp, PaymentId)> {
    let bytes: [u8; 25] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let (version, rest) = bytes.split_first()?;
    let (at, id) = rest.split_first_chunk::<8>()?;
    let at = Timestamp::from_microsecond(i64::from_be_bytes(*at)).ok()?;
    (*version == VERSION).then_some((at, PaymentId::from_random(id.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_anything_else_is_refused() {
        let place = (Timestamp::from_microsecond(1_790_000_000_123_456).unwrap(), PaymentId::from_random([5; 16]));
        let text = write(place);
        assert_eq!(read(&text), Some(place));
        for wrong in ["", "x", &text[1..], &format!("{text}AA"), "////////", &"A".repeat(34)] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
