//! Which database, and the bounds that a store keeps to.

use std::{fmt, str::FromStr, time::Duration};

/// `projects/P/instances/I/databases/D`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseName(String);

/// It does not name a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be projects/PROJECT/instances/INSTANCE/databases/DATABASE")]
pub struct NotADatabase;

impl DatabaseName {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DatabaseName {
    type Err = NotADatabase;

    fn from_str(text: &str) -> Result<Self, NotADatabase> {
        let parts: Vec<&str> = text.split('/').collect();
        let ["projects", project, "instances", instance, "databases", database] = parts[..] else {
            return Err(NotADatabase);
        };
        let is_name = |part: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
            !part.is_empty() && part.len() <= 100 && part.bytes().all(plain)
        };
        let all = [project, instance, database].into_iter().all(is_name);
        if all { Ok(Self(text.to_owned())) } else { Err(NotADatabase) }
    }
}

/// How a store works.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which database.
    pub database: DatabaseName,
    /// Where the emulator is (`127.0.0.1:9010`), where there is one: `SPANNER_EMULATOR_HOST`.
    pub emulator: Option<String>,
    /// One round trip, at most.
    pub attempt_timeout: Duration,
    /// One operation with all its attempts, at most: lost answers are asked for again and aborted transactions repeated
    /// within it. (Contract: 5 s, interactive.)
    pub operation_timeout: Duration,
    /// How old may be what gauges and audits show. Decisions never read anything but the present.
    pub staleness: Duration,
}

impl Options {
    /// The contract's numbers, on Spanner itself.
    pub fn new(database: DatabaseName) -> Self {
        Self {
            database,
            emulator: None,
            attempt_timeout: Duration::from_secs(2),
            operation_timeout: Duration::from_secs(5),
            staleness: Duration::from_secs(10),
        }
    }

    /// On the emulator at `host`, if there is one.
    #[must_use]
    pub fn emulator(self, host: Option<String>) -> Self {
        Self { emulator: host.filter(|host| !host.is_empty()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_are_taken() {
        assert!("projects/p/instances/i/databases/d".parse::<DatabaseName>().is_ok());
        for wrong in [
            "",
            "d",
            "projects/p/instances/i",
            "projects/p/instances/i/databases/",
            "projects/p/instances/i/databases/d/",
            "projects/p/instances/i/databases/a b",
            "projects//instances/i/databases/d",
        ] {
            assert_eq!(wrong.parse::<DatabaseName>(), Err(NotADatabase), "{wrong}");
        }
    }
}
