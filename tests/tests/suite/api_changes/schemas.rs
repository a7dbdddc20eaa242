//! Schemas, compared: what merchants send must still be taken, what they read must still be what it was.

use std::collections::BTreeSet;

use serde_json::Value;

use super::resolved;

/// Who reads what a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Merchants send it: it must not become narrower.
    Sent,
    /// Merchants read it: it must not become wider, but for more fields, words and alternatives, which they are told to expect.
    Read,
}

/// The documents that the schemas' references lead into.
pub(super) struct Schemas<'a> {
    pub(super) old: &'a Value,
    pub(super) new: &'a Value,
}

/// Bounds, and whether a larger one is narrower.
const BOUNDS: [(&str, bool); 8] = [
    ("minimum", true),
    ("minLength", true),
    ("minItems", true),
    ("minProperties", true),
    ("maximum", false),
    ("maxLength", false),
    ("maxItems", false),
    ("maxProperties", false),
];

impl Schemas<'_> {
    /// What of `new` breaks whoever knows `old`.
    pub(super) fn broken(&self, at: &str, old: &Value, new: &Value, direction: Direction) -> Vec<String> {
        // Schemas here do not contain themselves: a payment has no payment in it.
        let (old, new) = (resolved(self.old, old), resolved(self.new, new));
        if new.is_null() && !old.is_null() {
            return vec![format!("{at}: its schema is gone")];
        }
        let mut found = Vec::new();
        found.extend(types(at, old, new, direction));
        found.extend(words(at, old, new, direction));
        found.extend(bounds(at, old, new, direction));
        found.extend(texts(at, old, new, direction));
        self.fields(at, old, new, direction, &mut found);
        self.alternatives(at, old, new, direction, &mut found);
        if let Some(items) = old.get("items") {
            found.extend(self.broken(&format!("{at}/[]"), items, &new["items"], direction));
        }
        found
    }

    fn fields(&self, at: &str, old: &Value, new: &Value, direction: Direction, found: &mut Vec<String>) {
        for (name, field) in old["properties"].as_object().into_iter().flatten() {
            match &new["properties"][name] {
                Value::Null => found.push(format!("{at}/{name} is gone")),
                now => found.extend(self.broken(&format!("{at}/{name}"), field, now, direction)),
            }
        }
        let (was, is) = (required(old), required(new));
        match direction {
            Direction::Sent => {
                found.extend(is.difference(&was).map(|name| format!("{at}/{name} is required, and was not")));
            }
            Direction::Read => {
                found.extend(was.difference(&is).map(|name| format!("{at}/{name} may be missing, and could not")));
            }
        }
        let (was, is) = (&old["additionalProperties"], &new["additionalProperties"]);
        if *is == false && *was != false && direction == Direction::Sent && old["type"] == "object" {
            found.push(format!("{at}: fields that it does not name are refused, and were taken"));
        }
        if was.is_object() && is.is_object() {
            found.extend(self.broken(&format!("{at}/*"), was, is, direction));
        }
    }

    fn alternatives(&self, at: &str, old: &Value, new: &Value, direction: Direction, found: &mut Vec<String>) {
        let parts = |schema: &Value, name: &str| schema[name].as_array().cloned().unwrap_or_default();
        let fits = |one: &Value, now: &Value| {
            self.broken(at, one, now, direction).is_empty() && one.get("if") == now.get("if")
        };
        // Why the one that stands at the same place does not fit: most likely it is the same one, changed.
        let why = |place: usize, one: &Value, now: &[Value]| {
            because(&now.get(place).map(|now| self.broken(at, one, now, direction)).unwrap_or_default())
        };
        for several in ["oneOf", "anyOf"] {
            let now = parts(new, several);
            let gone = |one: &Value| !now.iter().any(|now| fits(one, now));
            for (place, one) in parts(old, several).iter().enumerate().filter(|(_, one)| gone(one)) {
                found.push(format!("{at}: one of what it could be is gone{}", why(place, one, &now)));
            }
        }
        let (was, is) = (parts(old, "allOf"), parts(new, "allOf"));
        match direction {
            Direction::Sent => {
                let more = is.iter().filter(|now| !was.iter().any(|one| fits(one, now)));
                found.extend(more.map(|now| format!("{at} asks for more: {now}")));
            }
            Direction::Read => {
                let gone = |one: &Value| !is.iter().any(|now| fits(one, now));
                for (place, one) in was.iter().enumerate().filter(|(_, one)| gone(one)) {
                    found.push(format!("{at} is no longer what it was{}", why(place, one, &is)));
                }
            }
        }
    }
}

fn because(why: &[String]) -> String {
    if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) }
}

fn required(schema: &Value) -> BTreeSet<String> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn types(at: &str, old: &Value, new: &Value, direction: Direction) -> Option<String> {
    let all = |schema: &Value| -> BTreeSet<String> {
        match &schema["type"] {
            Value::String(one) => BTreeSet::from([one.clone()]),
            several => several.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
        }
    };
    let (was, is) = (all(old), all(new));
    let broken = match direction {
        Direction::Sent => !is.is_empty() && (was.is_empty() || !is.is_superset(&was)),
        Direction::Read => !was.is_empty() && (is.is_empty() || !was.is_superset(&is)),
    };
    let said = |types: &BTreeSet<String>| {
        if types.is_empty() { "anything".to_owned() } else { types.iter().cloned().collect::<Vec<_>>().join(" or ") }
    };
    broken.then(|| format!("{at} is {}, and would be {}", said(&was), said(&is)))
}

fn words(at: &str, old: &Value, new: &Value, direction: Direction) -> Vec<String> {
    let all = |schema: &Value| {
        let words = schema["enum"].as_array().cloned();
        words.or_else(|| schema.get("const").map(|only| vec![only.clone()]))
    };
    match (all(old), all(new)) {
        (Some(was), Some(is)) => {
            was.iter().filter(|word| !is.contains(word)).map(|word| format!("{at}: the word {word} is gone")).collect()
        }
        (None, Some(_)) if direction == Direction::Sent => {
            vec![format!("{at} may only be certain words, and could be any")]
        }
        (Some(_), None) if direction == Direction::Read => {
            vec![format!("{at} may be any word, and could be only certain ones")]
        }
        _ => Vec::new(),
    }
}

fn bounds(at: &str, old: &Value, new: &Value, direction: Direction) -> Vec<String> {
    let mut found = Vec::new();
    for (name, larger_is_narrower) in BOUNDS {
        let (was, is) = (old[name].as_i64(), new[name].as_i64());
        let narrower = match (was, is) {
            (None, Some(_)) => true,
            (Some(was), Some(is)) => {
                if larger_is_narrower {
                    is > was
                } else {
                    is < was
                }
            }
            _ => false,
        };
        let wider = match (was, is) {
            (Some(_), None) => true,
            (Some(was), Some(is)) => {
                if larger_is_narrower {
                    is < was
                } else {
                    is > was
                }
            }
            _ => false,
        };
        if if direction == Direction::Sent { narrower } else { wider } {
            found.push(format!("{at}: {name} was {}, and is {}", old[name], new[name]));
        }
    }
    found
}

/// Patterns and formats cannot be compared but for being the same.
fn texts(at: &str, old: &Value, new: &Value, direction: Direction) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["pattern", "format"] {
        let (was, is) = (&old[name], &new[name]);
        let matters = if direction == Direction::Sent { !is.is_null() } else { !was.is_null() };
        if was != is && matters {
            found.push(format!("{at}: {name} was {was}, and is {is}"));
        }
    }
    found
}
