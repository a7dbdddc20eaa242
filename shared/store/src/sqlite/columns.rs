//! How single values stand in columns: ids as text, choices by name, times as microseconds, nested values as JSON.
//! What does not read as what was written is an error of that column, never a panic.

use std::{cell::Cell, fmt::Display, str::FromStr};

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

/// A row whose columns are asked for by name, in the table's order or nearly: each is looked for behind the one before. SQLite
/// itself is asked for every name from the first column on, which is 500 comparisons for one payment.
pub(super) struct InOrder<'a, 'row> {
    row: &'a Row<'row>,
    next: Cell<usize>,
}

impl<'a, 'row> InOrder<'a, 'row> {
    /// The same row.
    pub(super) fn of(row: &'a Row<'row>) -> Self {
        Self { row, next: Cell::new(0) }
    }

    /// As [`Row::get`].
    pub(super) fn get<N: AsRef<str>, T: FromSql>(&self, name: N) -> Result<T> {
        let (name, statement) = (name.as_ref(), self.row.as_ref());
        let count = statement.column_count();
        let place = (0..count).map(|step| (self.next.get() + step) % count);
        for at in place {
            if statement.column_name(at)? == name {
                self.next.set(at + 1);
                return self.row.get(at);
            }
        }
        Err(rusqlite::Error::InvalidColumnName(name.to_owned()))
    }
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
pub(super) fn money(row: &InOrder<'_, '_>, column: &str, currency: Currency) -> Result<Money> {
    let minor: i64 = row.get(column)?;
    Money::new(minor, currency).map_err(|_| {
        let index = row.row.as_ref().column_index(column).unwrap_or_default();
        rusqlite::Error::IntegralValueOutOfRange(index, minor)
    })
}
