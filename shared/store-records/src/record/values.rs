//! How single values stand in JSON, each as a module for serde's `with`.

use std::{borrow::Cow, fmt::Display, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use tollgate_domain::{KeyHash, Money};

use crate::Named;

/// Anything with one text form.
pub(super) mod text {
    use super::{Cow, Deserialize, Deserializer, Display, Error, FromStr, Serializer};

    pub(in super::super) fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(in super::super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        Cow::<'de, str>::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// Anything with one text form, or none.
pub(super) mod text_or_none {
    use super::{Cow, Deserialize, Deserializer, Display, Error, FromStr, Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "serde's `with` passes the field")]
    pub(in super::super) fn serialize<T: Display, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(ToString::to_string).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Option::<Cow<'de, str>>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

/// A choice, by its name.
pub(super) mod name {
    use super::{Cow, Deserialize, Deserializer, Error, Named, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's `with` passes a reference")]
    pub(in super::super) fn serialize<T: Named, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(value.name())
    }

    pub(in super::super) fn deserialize<'de, T: Named, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        let name = Cow::<'de, str>::deserialize(from)?;
        T::named(&name).ok_or_else(|| D::Error::custom(format!("no choice is named {name:?}")))
    }
}

/// Money, as `[1000,"JPY"]`.
pub(super) mod money {
    use super::{Cow, Deserialize, Deserializer, Error, Money, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(value: &Money, to: S) -> Result<S::Ok, S::Error> {
        (value.minor(), value.currency().code()).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Money, D::Error> {
        let (minor, code) = <(i64, Cow<'de, str>)>::deserialize(from)?;
        Money::new(minor, code.parse().map_err(D::Error::custom)?).map_err(D::Error::custom)
    }
}

/// A time in microseconds.
pub(super) mod micros {
    use super::{Deserialize, Deserializer, Error, Serialize, Serializer, Timestamp};

    pub(in super::super) fn serialize<S: Serializer>(value: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        value.as_microsecond().serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        Timestamp::from_microsecond(i64::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// A time in microseconds, or none.
pub(super) mod micros_or_none {
    use super::{Deserialize, Deserializer, Error, Serialize, Serializer, Timestamp};

    #[allow(clippy::ref_option, reason = "serde's `with` passes the field")]
    pub(in super::super) fn serialize<S: Serializer>(value: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        value.map(Timestamp::as_microsecond).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        let micros = Option::<i64>::deserialize(from)?;
        micros.map(Timestamp::from_microsecond).transpose().map_err(D::Error::custom)
    }
}

/// A SHA-256 in hexadecimal, or none.
pub(super) mod digest_or_none {
    use std::fmt::Write;

    use super::{Cow, Deserialize, Deserializer, Error, KeyHash, Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "serde's `with` passes the field")]
    pub(in super::super) fn serialize<S: Serializer>(value: &Option<KeyHash>, to: S) -> Result<S::Ok, S::Error> {
        value
            .map(|KeyHash(bytes)| {
                bytes.iter().fold(String::with_capacity(64), |mut hex, byte| {
                    // Writing to a `String` does not fail.
                    let _ = write!(hex, "{byte:02x}");
                    hex
                })
            })
            .serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<KeyHash>, D::Error> {
        let Some(hex) = Option::<Cow<'de, str>>::deserialize(from)? else { return Ok(None) };
        let mut bytes = [0; 32];
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(D::Error::custom("a digest has 64 hexadecimal digits"));
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).map_err(D::Error::custom)?;
        }
        Ok(Some(KeyHash(bytes)))
    }
}
