//! How single values stand in cells: ids as text, choices by name, nested values as JSON, times as `TIMESTAMP`, digests as
//! bytes. What does not read as what was written is an error, never a panic.

use std::{fmt::Display, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use google_cloud_spanner::value::{ToValue, Value};
use jiff::Timestamp;
use tollgate_domain::{Currency, KeyHash, Money};
use tollgate_store_records::{Kept, Named};

use crate::error::{Result, Trouble};

/// An id or anything else with one text form.
pub(crate) fn text(value: impl Display) -> Value {
    value.to_string().into()
}

/// A choice, by its name.
pub(crate) fn name(value: impl Named) -> Value {
    value.name().to_value()
}

/// A nested value, as JSON.
pub(crate) fn json(value: &impl Kept) -> Value {
    // Strings, numbers and lists of them: this cannot fail; and if it did, the cell that must not be null refuses it.
    value.to_json().ok().into()
}

/// A number.
pub(crate) fn int(value: impl Into<i64>) -> Value {
    value.into().into()
}

/// A count, which never nears the end of 63 bits.
pub(crate) fn count(value: u64) -> Value {
    i64::try_from(value).unwrap_or(i64::MAX).into()
}

/// A time: the gateway's are cut to microseconds already.
pub(crate) fn time(value: Timestamp) -> Value {
    value.to_string().into()
}

/// The time of the commit, which the database puts in.
pub(crate) fn commit_time() -> Value {
    "spanner.commit_timestamp()".to_value()
}

/// Bytes.
pub(crate) fn bytes(value: &[u8]) -> Value {
    value.to_value()
}

/// A SHA-256.
pub(crate) fn digest(value: KeyHash) -> Value {
    bytes(&value.0)
}

/// A value or none.
pub(crate) fn maybe(value: Option<Value>) -> Value {
    value.unwrap_or_else(Value::null)
}

/// One row, read by the names of its columns.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    columns: &'static [&'static str],
    values: Vec<Value>,
}

impl Row {
    /// The cells in the order of `columns`.
    pub(crate) fn new(columns: &'static [&'static str], values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    /// The cell in `column`, null or not.
    fn cell(&self, column: &'static str) -> Result<&Value> {
        let place = self.columns.iter().position(|known| *known == column);
        place.and_then(|place| self.values.get(place)).ok_or_else(|| wrong(column, "is not among what was read"))
    }

    fn some(&self, column: &'static str) -> Result<Option<&Value>> {
        Ok(Some(self.cell(column)?).filter(|value| !value.is_null()))
    }

    /// A text as it is, or none.
    pub(crate) fn maybe_string(&self, column: &'static str) -> Result<Option<String>> {
        let Some(value) = self.some(column)? else { return Ok(None) };
        value.as_str().map(|text| Some(text.to_owned())).ok_or_else(|| wrong(column, "is no text"))
    }

    /// A text as it is.
    pub(crate) fn string(&self, column: &'static str) -> Result<String> {
        there(column, self.maybe_string(column)?)
    }

    /// An id or anything else with one text form, or none.
    pub(crate) fn maybe_text<T: FromStr<Err: Display>>(&self, column: &'static str) -> Result<Option<T>> {
        let Some(value) = self.some(column)? else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| wrong(column, "is no text"))?;
        text.parse().map(Some).map_err(|error: T::Err| wrong(column, &error.to_string()))
    }

    /// An id or anything else with one text form.
    pub(crate) fn text<T: FromStr<Err: Display>>(&self, column: &'static str) -> Result<T> {
        there(column, self.maybe_text(column)?)
    }

    /// A choice by its name, or none.
    pub(crate) fn maybe_name<T: Named>(&self, column: &'static str) -> Result<Option<T>> {
        let Some(value) = self.some(column)? else { return Ok(None) };
        let found = value.as_str().and_then(T::named);
        found.map(Some).ok_or_else(|| wrong(column, &format!("no choice is named {:?}", value.as_str())))
    }

    /// A choice by its name.
    pub(crate) fn name<T: Named>(&self, column: &'static str) -> Result<T> {
        there(column, self.maybe_name(column)?)
    }

    /// A number of any width that holds it, or none.
    pub(crate) fn maybe_int<T: TryFrom<i64>>(&self, column: &'static str) -> Result<Option<T>> {
        let Some(value) = self.some(column)? else { return Ok(None) };
        let number: Option<i64> = value.as_str().and_then(|digits| digits.parse().ok());
        let number = number.and_then(|number| T::try_from(number).ok());
        number.map(Some).ok_or_else(|| wrong(column, "is no number of its kind"))
    }

    /// A number of any width that holds it.
    pub(crate) fn int<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T> {
        there(column, self.maybe_int(column)?)
    }

    /// A yes or no.
    pub(crate) fn bool(&self, column: &'static str) -> Result<bool> {
        self.cell(column)?.as_bool().ok_or_else(|| wrong(column, "is no yes or no"))
    }

    /// A time, or none.
    pub(crate) fn maybe_time(&self, column: &'static str) -> Result<Option<Timestamp>> {
        self.maybe_text(column)
    }

    /// A time.
    pub(crate) fn time(&self, column: &'static str) -> Result<Timestamp> {
        self.text(column)
    }

    /// Bytes.
    pub(crate) fn bytes(&self, column: &'static str) -> Result<Vec<u8>> {
        decode(column, self.cell(column)?)
    }

    /// A SHA-256.
    pub(crate) fn digest(&self, column: &'static str) -> Result<KeyHash> {
        let bytes = self.bytes(column)?.try_into();
        bytes.map(KeyHash).map_err(|_| wrong(column, "is no SHA-256"))
    }

    /// A nested value, or none.
    pub(crate) fn maybe_json<T: Kept>(&self, column: &'static str) -> Result<Option<T>> {
        let Some(value) = self.some(column)? else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| wrong(column, "is no text"))?;
        T::from_json(text).map(Some).map_err(|error| wrong(column, &error.to_string()))
    }

    /// A nested value.
    pub(crate) fn json<T: Kept>(&self, column: &'static str) -> Result<T> {
        there(column, self.maybe_json(column)?)
    }

    /// The amount in `column`.
    pub(crate) fn money(&self, column: &'static str, currency: Currency) -> Result<Money> {
        Money::new(self.int(column)?, currency).map_err(|error| wrong(column, &error.to_string()))
    }

    /// Several of bytes.
    pub(crate) fn list_of_bytes(&self, column: &'static str) -> Result<Vec<Vec<u8>>> {
        let list = self.cell(column)?.as_list().ok_or_else(|| wrong(column, "is no list"))?;
        list.iter().map(|value| decode(column, value)).collect()
    }

    /// Several times.
    pub(crate) fn list_of_times(&self, column: &'static str) -> Result<Vec<Timestamp>> {
        let list = self.cell(column)?.as_list().ok_or_else(|| wrong(column, "is no list"))?;
        list.iter()
            .map(|value| value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| wrong(column, "is no time")))
            .collect()
    }
}

fn decode(column: &str, value: &Value) -> Result<Vec<u8>> {
    value.as_str().and_then(|text| STANDARD.decode(text).ok()).ok_or_else(|| wrong(column, "is no bytes"))
}

fn there<T>(column: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| wrong(column, "is missing"))
}

/// A cell that does not read as what was written.
pub(crate) fn wrong(column: &str, why: &str) -> Trouble {
    Trouble::Unreadable(format!("{column}: {why}"))
}
