//! The shape of a request's body, as tables; and the check of a body against one, which says where it is wrong.

use serde_json::{Map, Value};

use super::{errors::ApiError, money};

/// A member of an object.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) kind: Kind,
}

/// What a value may be.
pub(super) enum Kind {
    /// A text of 1 to so many characters.
    Text(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    /// An object with these members and no others.
    Object(&'static [Field]),
    /// An object with these members, and whatever else.
    Open(&'static [Field]),
    /// An array of at most so many.
    Array(usize, &'static Kind),
    /// `true` or `false`.
    Flag,
    /// A number of major units.
    Amount,
    /// Three capital letters.
    Currency,
    /// RFC 3339.
    Time,
}

/// A member that may be left out.
pub(super) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, required: false, kind }
}

/// A member that must be there.
pub(super) const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, required: true, kind }
}

/// Refuses `body` where it is not an object with `fields`.
pub(super) fn check(body: &Value, fields: &[Field]) -> Result<(), ApiError> {
    let members = body.as_object().ok_or_else(|| ApiError::format_invalid("The body is not a JSON object"))?;
    check_members(members, fields, true, "")
}

fn check_members(members: &Map<String, Value>, fields: &[Field], closed: bool, path: &str) -> Result<(), ApiError> {
    let inner = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for field in fields {
        match members.get(field.name) {
            Some(value) => check_value(value, &field.kind, &inner(field.name))?,
            None if field.required => return Err(ApiError::field_missing(&inner(field.name))),
            None => {}
        }
    }
    let unknown = members.keys().find(|name| closed && fields.iter().all(|field| field.name != name.as_str()));
    // A name that came from outside is cut, so that the path keeps its bound.
    unknown.map_or(Ok(()), |name| Err(ApiError::field_unexpected(&inner(&name.chars().take(40).collect::<String>()))))
}

fn check_value(value: &Value, kind: &Kind, path: &str) -> Result<(), ApiError> {
    let invalid = |message: String| Err(ApiError::field_invalid(path, message));
    let text = value.as_str();
    match kind {
        Kind::Text(longest) => match text.map(|text| text.chars().count()) {
            Some(length) if (1..=*longest).contains(&length) => Ok(()),
            _ => invalid(format!("A text of 1 to {longest} characters is expected")),
        },
        Kind::Word(words) => match text {
            Some(text) if words.contains(&text) => Ok(()),
            _ => invalid(format!("One of {} is expected", words.join(", "))),
        },
        Kind::Object(fields) | Kind::Open(fields) => match value.as_object() {
            Some(members) => check_members(members, fields, matches!(kind, Kind::Object(_)), path),
            None => invalid("An object is expected".to_owned()),
        },
        Kind::Array(most, kind) => match value.as_array() {
            Some(items) if items.len() <= *most => {
                items.iter().enumerate().try_for_each(|(n, item)| check_value(item, kind, &format!("{path}[{n}]")))
            }
            _ => invalid(format!("An array of at most {most} is expected")),
        },
        Kind::Flag if value.is_boolean() => Ok(()),
        Kind::Amount if text.is_some_and(money::is_amount) => Ok(()),
        Kind::Currency if text.is_some_and(is_currency) => Ok(()),
        Kind::Time if text.is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()) => Ok(()),
        Kind::Flag => invalid("true or false is expected".to_owned()),
        Kind::Amount => invalid("An amount has up to 13 digits and 1 to 5 decimals".to_owned()),
        Kind::Currency => invalid("A currency is three capital letters".to_owned()),
        Kind::Time => invalid("A time with its offset is expected".to_owned()),
    }
}

fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|letter| letter.is_ascii_uppercase())
}

/// Where `ours` and `theirs` first differ, if they do.
pub(super) fn first_difference(ours: &Value, theirs: &Value, path: &str) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let nothing = Value::Null;
            ours.keys().chain(theirs.keys()).find_map(|name| {
                let inner = format!("{path}.{}", name.chars().take(40).collect::<String>());
                let (ours, theirs) = (ours.get(name), theirs.get(name));
                match (ours, theirs) {
                    (Some(_), Some(_)) => {
                        first_difference(ours.unwrap_or(&nothing), theirs.unwrap_or(&nothing), &inner)
                    }
                    _ => Some(inner),
                }
            })
        }
        _ => (ours != theirs).then(|| path.to_owned()),
    }
}
