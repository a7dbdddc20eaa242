//! Configuration from environment variables. A composition reads like a table (name, meaning, kind, default), and every
//! mistake is named at once, one line each.
//!
//! Must not know: which variables there are. Values of secrets and URLs are never repeated in a mistake.

mod secret;
mod url;

use std::{
    collections::HashMap,
    error::Error,
    ffi::OsString,
    fmt::{self, Display},
    str::FromStr,
};

pub use secret::Secret;
pub use url::Url;

/// How much of a wrong value a mistake repeats.
const SHOWN_CHARS: usize = 40;

/// A value, or the token that says its mistake has been noted.
pub type Read<T> = Result<T, Mistaken>;

/// The mistake has been noted in the [`Variables`]; `finish` reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a configuration value is wrong")]
pub struct Mistaken;

/// Every mistake in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<String>);

impl Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Error for Mistakes {}

/// A variable that was asked for, for the table in the documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What it is where it is not set; `None` where it may be missing or must be there.
    pub default: Option<&'static str>,
    /// Whether it must be there.
    pub required: bool,
}

/// The environment, being read. Ask for everything, then `finish`; after that every [`Read`] value is known to be good:
///
/// ```
/// # use tollgate_runtime::config::{Secret, Variables};
/// # fn main() -> anyhow::Result<()> {
/// # let mut vars = Variables::of([("STORE_URL", "sqlite:payments.db")]);
/// let store = vars.var("STORE_URL", "where payments are kept").url(&["sqlite", "spanner"]).required();
/// let key = vars.var("STRIPE_SECRET_KEY", "Stripe's API key; without it Stripe is off").secret().optional();
/// let tries = vars.var("PROVIDER_TRIES", "calls to a provider at most").parse::<u32>().or("3");
/// vars.finish()?;
/// let (store, key, tries) = (store?, key?, tries?);
/// # assert_eq!((store.scheme(), key.is_none(), tries), ("sqlite", true, 3));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Variables {
    values: HashMap<String, OsString>,
    described: Vec<Described>,
    mistakes: Vec<String>,
}

impl Variables {
    /// The process's environment, as it is now.
    pub fn of_process() -> Self {
        // A name that is not Unicode is none that anybody asks for.
        let values = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect();
        Self { values, described: Vec::new(), mistakes: Vec::new() }
    }

    /// Given values, for tests and for the sandbox, which sets its functions' variables itself.
    pub fn of<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        Self { values, described: Vec::new(), mistakes: Vec::new() }
    }

    /// Whether a variable has a value.
    pub fn is_set(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| !value.is_empty())
    }

    /// Takes a variable's value away.
    pub fn unset(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// Gives a variable that is not set this value: for the sandbox, which knows its own parts.
    pub fn set_default(&mut self, name: &str, value: &str) {
        if !self.is_set(name) {
            self.values.insert(name.to_owned(), value.into());
        }
    }

    /// Starts to read one variable: an empty one counts as not set.
    pub fn var(&mut self, name: &'static str, meaning: &'static str) -> Variable<'_, String> {
        Variable { vars: self, name, meaning, shown: true, read: Box::new(|text| Ok(text.to_owned())) }
    }

    /// Notes a mistake that only the caller can see, such as two variables that exclude each other.
    pub fn refuse(&mut self, line: impl Into<String>) -> Mistaken {
        self.mistakes.push(line.into());
        Mistaken
    }

    /// Fails with every mistake found so far.
    pub fn finish(&self) -> Result<(), Mistakes> {
        if self.mistakes.is_empty() { Ok(()) } else { Err(Mistakes(self.mistakes.clone())) }
    }

    /// Every variable that was asked for, in that order.
    pub fn described(&self) -> &[Described] {
        &self.described
    }
}

type Reader<T> = Box<dyn Fn(&str) -> Result<T, String>>;

/// One variable, being described. Ends with [`Self::required`], [`Self::optional`] or [`Self::or`].
pub struct Variable<'a, T> {
    vars: &'a mut Variables,
    name: &'static str,
    meaning: &'static str,
    shown: bool,
    read: Reader<T>,
}

impl<'a> Variable<'a, String> {
    /// Something that can be read from text: a number, an address, an enum.
    pub fn parse<T>(self) -> Variable<'a, T>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.with(true, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// One of a few words, each with its meaning.
    pub fn one_of<T: Copy + 'static>(self, choices: &'static [(&'static str, T)]) -> Variable<'a, T> {
        self.with(true, move |text| {
            choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
                let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
                format!("must be one of {}", words.join(", "))
            })
        })
    }

    /// A URL with one of the given schemes.
    pub fn url(self, schemes: &'static [&'static str]) -> Variable<'a, Url> {
        self.with(false, move |text| Url::read(text, schemes))
    }

    /// A value that must not show up anywhere.
    pub fn secret(self) -> Variable<'a, Secret> {
        self.with(false, |text| Ok(Secret::new(text)))
    }

    fn with<T>(self, shown: bool, read: impl Fn(&str) -> Result<T, String> + 'static) -> Variable<'a, T> {
        Variable { vars: self.vars, name: self.name, meaning: self.meaning, shown, read: Box::new(read) }
    }
}

impl<T> Variable<'_, T> {
    /// It must be there.
    pub fn required(mut self) -> Read<T> {
        self.describe(None, true);
        match self.text()? {
            Some(text) => self.value(&text),
            None => Err(self.vars.refuse(format!("{} is not set: {}", self.name, self.meaning))),
        }
    }

    /// It may be missing.
    pub fn optional(mut self) -> Read<Option<T>> {
        self.describe(None, false);
        match self.text()? {
            Some(text) => self.value(&text).map(Some),
            None => Ok(None),
        }
    }

    /// Where it is missing, it is `default`, read the same way.
    pub fn or(mut self, default: &'static str) -> Read<T> {
        self.describe(Some(default), false);
        let text = self.text()?;
        self.value(text.as_deref().unwrap_or(default))
    }

    fn describe(&mut self, default: Option<&'static str>, required: bool) {
        self.vars.described.push(Described { name: self.name, meaning: self.meaning, default, required });
    }

    fn text(&mut self) -> Read<Option<String>> {
        match self.vars.values.get(self.name) {
            None => Ok(None),
            Some(value) => match value.to_str() {
                Some("") => Ok(None),
                Some(text) => Ok(Some(text.to_owned())),
                None => Err(self.vars.refuse(format!("{} is not valid Unicode: {}", self.name, self.meaning))),
            },
        }
    }

    fn value(self, text: &str) -> Read<T> {
        (self.read)(text).map_err(|why| {
            let shown = if self.shown { format!("={:?}", shorten(text)) } else { String::new() };
            self.vars.refuse(format!("{}{shown} is not valid ({why}): {}", self.name, self.meaning))
        })
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
