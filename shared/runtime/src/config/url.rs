//! A URL whose scheme selects the part to use.
//!
//! Must not know: what the schemes select.

use std::fmt;

use http::Uri;

/// A URL with a scheme that was asked for. May hold a password: its `Debug` shows the scheme only.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    whole: String,
    colon: usize,
}

impl Url {
    pub(super) fn read(text: &str, schemes: &[&str]) -> Result<Self, String> {
        let colon = text.find(':').ok_or_else(|| must_start(schemes))?;
        let url = Self { whole: text.to_owned(), colon };
        if !schemes.contains(&url.scheme()) {
            return Err(must_start(schemes));
        }
        if url.scheme().starts_with("http") && !text.parse::<Uri>().is_ok_and(|uri| uri.host().is_some()) {
            return Err("must be a whole URL with a host".to_owned());
        }
        Ok(url)
    }

    /// What selects the part: `sqlite` of `sqlite:payments.db`.
    pub fn scheme(&self) -> &str {
        &self.whole[..self.colon]
    }

    /// What comes after the scheme and its colon: `payments.db` of `sqlite:payments.db`.
    pub fn rest(&self) -> &str {
        &self.whole[self.colon + 1..]
    }

    /// The whole URL.
    pub fn as_str(&self) -> &str {
        &self.whole
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({}:…)", self.scheme())
    }
}

fn must_start(schemes: &[&str]) -> String {
    let starts: Vec<_> = schemes.iter().map(|scheme| format!("{scheme}:")).collect();
    format!("must start with {}", starts.join(" or "))
}
