//! Stripe's form-encoded parameters: nested names such as `metadata[order]`, `expand[]` and `created[gte]`.

use std::collections::BTreeMap;

use super::errors::ApiError;

/// The parameters of one call, sorted by name; the order of equal names is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a form or a query string.
    pub(super) fn parse(encoded: &[u8]) -> Result<Self, ApiError> {
        let mut pairs: Vec<(String, String)> =
            serde_urlencoded::from_bytes(encoded).map_err(|_| ApiError::invalid("Invalid request body encoding."))?;
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Self(pairs))
    }

    pub(super) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The value of `name`; an empty one counts as absent, as Stripe has it.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(ToOwned::to_owned)
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.text(name)
            .map(|value| {
                value.parse().map_err(|_| {
                    ApiError::invalid(format!("Invalid integer: {value}")).code("parameter_invalid_integer").param(name)
                })
            })
            .transpose()
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(ApiError::invalid(format!("Invalid boolean: {other}")).param(name)),
        }
    }

    /// One of a few words.
    pub(super) fn choice(&self, name: &str, allowed: &[&'static str]) -> Result<Option<&'static str>, ApiError> {
        let Some(value) = self.text(name) else { return Ok(None) };
        allowed.iter().find(|word| **word == value).copied().map(Some).ok_or_else(|| {
            ApiError::invalid(format!("Invalid {name}: must be one of {}", allowed.join(", "))).param(name)
        })
    }

    /// `name[]=a&name[]=b` or `name[0]=a&name[1]=b`.
    pub(super) fn list<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        self.members(name).map(|(_, value)| value).collect()
    }

    /// `name[k]=v`, with Stripe's bounds for metadata.
    pub(super) fn metadata(&self) -> Result<BTreeMap<String, String>, ApiError> {
        let metadata: BTreeMap<String, String> = self
            .members("metadata")
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        if metadata.len() > 50 {
            return Err(ApiError::invalid("You can specify up to 50 metadata keys.").param("metadata"));
        }
        for (key, value) in &metadata {
            if key.chars().count() > 40 || value.chars().count() > 500 {
                let message = "Metadata keys can have up to 40 characters, and values up to 500.";
                return Err(ApiError::invalid(message).param(&format!("metadata[{key}]")));
            }
        }
        Ok(metadata)
    }

    /// Refuses what the endpoint does not know.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let unknown = self.0.iter().map(|(key, _)| key).find(|key| !known.contains(&top_level(key)));
        match unknown {
            None => Ok(()),
            Some(key) => Err(ApiError::invalid(format!("Received unknown parameter: {key}"))
                .code("parameter_unknown")
                .param(key)),
        }
    }

    fn members<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(key, value)| {
            let member = key.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
            Some((member, value.as_str()))
        })
    }
}

fn top_level(key: &str) -> &str {
    key.split_once('[').map_or(key, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_names_are_read() {
        let encoded =
            b"amount=100&metadata[order%20id]=a%26b&expand[]=x&expand[]=y&types[1]=d&types[0]=c&created[gte]=5";
        let params = Params::parse(encoded).unwrap();
        assert_eq!(params.integer("amount").unwrap(), Some(100));
        assert_eq!(params.metadata().unwrap()["order id"], "a&b");
        assert_eq!(params.list("expand"), ["x", "y"]);
        assert_eq!(params.list("types"), ["c", "d"]);
        assert_eq!(params.integer("created[gte]").unwrap(), Some(5));
        assert!(params.only(&["amount", "metadata", "expand", "types", "created"]).is_ok());
        assert!(params.only(&["amount"]).is_err());
    }
}
