//! Where counters are, as the configuration says it (`COUNTERS_URL`).
//!
//! Must not know: environment variables.

use std::str::FromStr;

use crate::redis::{BadAddress, RedisAddress};

/// Where counters are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `embedded:`, in each process its own.
    Embedded,
    /// `redis://…` or `rediss://…`.
    Redis(RedisAddress),
}

/// Text that says neither. Does not repeat it: there may be a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSource {
    /// Neither scheme.
    #[error("expected `embedded:`, `redis://…` or `rediss://…`")]
    Unknown,
    /// Something behind `embedded:`.
    #[error("`embedded:` takes nothing behind it")]
    Embedded,
    /// An address of Redis that cannot be read.
    #[error(transparent)]
    Redis(#[from] BadAddress),
}

impl FromStr for Source {
    type Err = BadSource;

    fn from_str(text: &str) -> Result<Self, BadSource> {
        match text.split_once(':') {
            Some(("embedded", "")) => Ok(Self::Embedded),
            Some(("embedded", _)) => Err(BadSource::Embedded),
            Some(("redis" | "rediss", _)) => Ok(Self::Redis(text.parse()?)),
            _ => Err(BadSource::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BadSource, Source};
    use crate::redis::BadAddress;

    #[test]
    fn a_source_is_embedded_or_redis_and_nothing_else() {
        assert_eq!("embedded:".parse(), Ok(Source::Embedded));
        let redis: Source = "rediss://:s3cret@cache:6378/1".parse().unwrap();
        assert_eq!(format!("{redis:?}"), "Redis(rediss://cache:6378/1)");
        for (text, error) in [
            ("", BadSource::Unknown),
            ("embedded", BadSource::Unknown),
            ("memcached://cache", BadSource::Unknown),
            ("embedded:here", BadSource::Embedded),
            ("redis:cache", BadSource::Redis(BadAddress::NotRedis)),
        ] {
            assert_eq!(text.parse::<Source>(), Err(error), "{text}");
        }
    }
}
