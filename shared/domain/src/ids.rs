//! Ids: opaque, typed, and random, so that keys spread evenly and cannot be guessed or mixed up.

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// Crockford's base 32 in lower case: no `i`, `l`, `o` or `u` that people misread.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 128 bits in base 32.
const ENCODED_LEN: usize = 26;

/// Text that is not an id of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind: expected `{prefix}` and 26 characters")]
pub struct IdError {
    prefix: &'static str,
}

fn encode(mut value: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0u8; ENCODED_LEN];
    for slot in text.iter_mut().rev() {
        *slot = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != ENCODED_LEN {
        return None;
    }
    let mut value: u128 = 0;
    for (index, byte) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|known| *known == byte)?;
        // 26 digits hold 130 bits: the first may only carry three.
        if index == 0 && digit > 7 {
            return None;
        }
        value = (value << 5) | digit as u128;
    }
    Some(value)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u128);

        impl $name {
            /// What every id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an id from 16 random bytes.
            pub const fn from_random(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }

            /// The 16 bytes that this id is made of.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                encode(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix).and_then(decode).map(Self).ok_or(IdError { prefix: $prefix })
            }
        }
    };
}

id!(
    /// A payment.
    PaymentId,
    "pay_"
);
id!(
    /// A refund of a payment.
    RefundId,
    "ref_"
);
id!(
    /// An event that tells a merchant of a change.
    EventId,
    "evt_"
);
id!(
    /// A settlement: all that was captured before one cut-off.
    SettlementId,
    "stl_"
);
id!(
    /// A merchant.
    MerchantId,
    "mer_"
);
id!(
    /// One start of one process: owns the calls that it makes, until it is known to be gone.
    BootId,
    "boot_"
);
id!(
    /// One change set: what tells a commit whose answer was lost from somebody else's.
    ChangeId,
    "chg_"
);
id!(
    /// Something that does not agree between a provider's records and our books. Made from what it is about.
    ExceptionId,
    "exc_"
);

/// The id that one call to a provider carries, unique per operation: the provider's idempotency key (finding C5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderRequestId(Uuid);

impl ProviderRequestId {
    /// Makes one from 16 random bytes (a version 4 UUID).
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}

impl fmt::Display for ProviderRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl FromStr for ProviderRequestId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::try_parse(text).map(Self).map_err(|_| IdError { prefix: "" })
    }
}

/// The SHA-256 of what a record is found by (an idempotency key in its scope, a provider's reference, an API key):
/// an even key for the store that gives nothing away.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_reads_back_as_what_was_written(bytes: [u8; 16]) {
            let id = PaymentId::from_random(bytes);
            let text = id.to_string();
            prop_assert!(text.len() <= 40);
            prop_assert_eq!(text.parse::<PaymentId>(), Ok(id));
        }

        #[test]
        fn no_text_makes_the_parser_panic_or_read_one_id_from_two_texts(text in "(pay_)?[0-9a-z_]{0,30}") {
            if let Ok(id) = text.parse::<PaymentId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let refund = RefundId::from_random([7; 16]).to_string();
        assert!(refund.parse::<PaymentId>().is_err());
    }

    #[test]
    fn more_than_128_bits_are_refused() {
        assert!("pay_zzzzzzzzzzzzzzzzzzzzzzzzzz".parse::<PaymentId>().is_err());
        assert!("pay_7zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<PaymentId>().is_ok());
    }
}
