//! Whose a movement is, by the id that the bank's adapter made it carry from end to end.

use tollgate_domain::{PaymentId, RefundId};

/// What undoes a late success carries this, and the payment's id without its own prefix.
const REVERSAL_PREFIX: &str = "rev_";

/// Whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mark {
    Payment(PaymentId),
    Refund(RefundId),
    /// The reversal of this payment.
    Reversal(PaymentId),
}

impl Mark {
    /// `None`: nobody's of ours.
    pub(super) fn read(end_to_end_id: &str) -> Option<Self> {
        let end_to_end_id = as_sent(end_to_end_id)?;
        if let Ok(payment) = end_to_end_id.parse() {
            return Some(Self::Payment(payment));
        }
        if let Ok(refund) = end_to_end_id.parse() {
            return Some(Self::Refund(refund));
        }
        let payment = end_to_end_id.strip_prefix(REVERSAL_PREFIX)?;
        format!("{}{payment}", PaymentId::PREFIX).parse().ok().map(Self::Reversal)
    }
}

/// The id as we sent it: not every bank's letters know `_` (SEPA's do not), or small ones. Who writes another mark for it still
/// means ours; a movement that was lost over that would count as nobody's.
fn as_sent(text: &str) -> Option<String> {
    let (kind, mark, id) = (text.get(..3)?, text.get(3..4)?, text.get(4..)?);
    let is_mark = mark.bytes().all(|byte| byte == b' ' || byte.is_ascii_punctuation());
    is_mark.then(|| format!("{kind}_{id}").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_ours_is_known_and_no_other() {
        let (payment, refund) = (PaymentId::from_random([7; 16]), RefundId::from_random([8; 16]));
        assert_eq!(Mark::read(&payment.to_string()), Some(Mark::Payment(payment)));
        assert_eq!(Mark::read(&refund.to_string()), Some(Mark::Refund(refund)));
        let reversal = payment.to_string().replace("pay_", "rev_");
        assert_eq!(Mark::read(&reversal), Some(Mark::Reversal(payment)));
        for other in ["", "INV-7", "NOTPROVIDED", "pay_", "rev_", "rev_x", "mer_00000000000000000000000001"] {
            assert_eq!(Mark::read(other), None, "{other}");
        }
        assert_eq!(Mark::read(&format!("rev_{payment}")), None);
    }

    #[test]
    fn an_id_is_known_in_a_banks_own_letters() {
        let payment = PaymentId::from_random([7; 16]);
        for text in [
            payment.to_string().to_uppercase(),
            payment.to_string().replace('_', "-"),
            payment.to_string().replace('_', " "),
        ] {
            assert_eq!(Mark::read(&text), Some(Mark::Payment(payment)), "{text}");
        }
        for text in [
            payment.to_string().replace('_', ""),
            payment.to_string().replace('_', "x"),
            format!("x{payment}"),
            format!("{payment}x"),
        ] {
            assert_eq!(Mark::read(&text), None, "{text}");
        }
    }
}
