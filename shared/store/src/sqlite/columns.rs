//! How single values stand in columns: ids as text, choices by name, times as microseconds, nested values as JSON.
//! What does not read as what was written is an error of that column, never a panic.

use std::{fmt::Display, str::FromStr};

use jiff::Timestamp;
use rusqlite::{
    Result, Row, ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};
use tollgate_domain::{Currency, KeyHash, Money};
use tollgate_store_records::{Kept, Named};

fn unreadable(text: impl Into<String>) -> FromSqlError {
    FromSqlError::Other(text.into().into())
}

/// An id or anything else with one text form.
pub(super) struct Text<T>(pub(super) T);

impl<T: Display> ToSql for Text<T> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

impl<T: FromStr<Err: Display>> FromSql for Text<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(|error: T::Err| unreadable(error.to_string()))
    }
}

/// A choice, by its name.
pub(super) struct Name<T>(pub(super) T);

impl<T: Named> ToSql for Name<T> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.0.name().into())
    }
}

impl<T: Named> FromSql for Name<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = value.as_str()?;
        T::named(name).map(Self).ok_or_else(|| unreadable(format!("no choice is named {name:?}")))
    }
}

/// A time, cut to microseconds.
pub(super) struct Micros(pub(super) Timestamp);

impl ToSql for Micros {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.0.as_microsecond().into())
    }
}

impl FromSql for Micros {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let micros = value.as_i64()?;
        Timestamp::from_microsecond(micros).map(Self).map_err(|_| FromSqlError::OutOfRange(micros))
    }
}

/// A count that never nears the end of 63 bits.
pub(super) struct Count(pub(super) u64);

impl ToSql for Count {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        let count = i64::try_from(self.0).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(count.into())
    }
}

impl FromSql for Count {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let count = value.as_i64()?;
        u64::try_from(count).map(Self).map_err(|_| FromSqlError::OutOfRange(count))
    }
}

/// A SHA-256.
pub(super) struct Digest(pub(super) KeyHash);

impl ToSql for Digest {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.0.0.as_slice().into())
    }
}

impl FromSql for Digest {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        <[u8; 32]>::column_result(value).map(|bytes| Self(KeyHash(bytes)))
    }
}

/// A nested value, to be written.
pub(super) struct ToJson<'a, T>(pub(super) &'a T);

impl<T: Kept> ToSql for ToJson<'_, T> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        let json = self.0.to_json().map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(json.into())
    }
}

/// A nested value, as read.
pub(super) struct FromJson<T>(pub(super) T);

impl<T: Kept> FromSql for FromJson<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        T::from_json(value.as_str()?).map(Self).map_err(|error| unreadable(error.to_string()))
    }
}

/// The amount in `column`.
pub(super) fn money(row: &Row<'_>, column: &str, currency: Currency) -> Result<Money> {
    let minor: i64 = row.get(column)?;
    Money::new(minor, currency).map_err(|_| {
        let index = row.as_ref().column_index(column).unwrap_or_default();
        rusqlite::Error::IntegralValueOutOfRange(index, minor)
    })
}
