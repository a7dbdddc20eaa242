//! Where Redis is, and how it is told who we are.
//!
//! Must not know: how a connection is made. The password is in no `Debug` and no error.

use std::{fmt, str::FromStr};

use percent_encoding::percent_decode_str;
use redis::RedisConnectionInfo;
use url::{Host, Url};

const DEFAULT_PORT: u16 = 6379;

/// `redis://[[user]:password@]host[:port][/database]`, or `rediss://…` for TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAddress {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    username: Option<String>,
    password: Option<String>,
    database: u32,
}

/// Text that is no address of Redis. Says nothing of the text: there may be a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Another scheme, no host, or no URL at all.
    #[error("expected redis://[[user]:password@]host[:port][/database], or rediss://… for TLS")]
    NotRedis,
    /// The user or the password.
    #[error("the user or the password is not percent-encoded UTF-8")]
    Credentials,
    /// The path.
    #[error("the path is not the number of a database")]
    Database,
    /// Parameters, which would have no effect.
    #[error("a query or a fragment has no meaning here")]
    Parameters,
}

impl RedisAddress {
    /// Who we are, in the library's words.
    pub(super) fn login(&self) -> RedisConnectionInfo {
        let mut login = RedisConnectionInfo::default().set_db(self.database.into()).set_skip_set_lib_name();
        if let Some(username) = &self.username {
            login = login.set_username(username);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password);
        }
        login
    }
}

impl FromStr for RedisAddress {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let url = Url::parse(text).map_err(|_| BadAddress::NotRedis)?;
        let tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(BadAddress::NotRedis),
        };
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() && !name.contains('%') => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(BadAddress::NotRedis),
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BadAddress::Parameters);
        }
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8().map_err(|_| BadAddress::Credentials)?;
            Ok((!text.is_empty()).then(|| text.into_owned()))
        };
        let database = match url.path() {
            "" | "/" => 0,
            path => path[1..].parse().map_err(|_| BadAddress::Database)?,
        };
        let (username, password) = (decoded(url.username())?, decoded(url.password().unwrap_or_default())?);
        Ok(Self { host, port: url.port().unwrap_or(DEFAULT_PORT), tls, username, password, database })
    }
}

impl fmt::Display for RedisAddress {
    /// Without who we are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, bracket) = (if self.tls { "rediss" } else { "redis" }, self.host.contains(':'));
        let (open, close) = if bracket { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}/{}", self.host, self.port, self.database)
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{BadAddress, RedisAddress};

    #[test]
    fn addresses_are_read_and_shown_without_who_we_are() {
        for (text, shown) in [
            ("redis://cache", "redis://cache:6379/0"),
            ("rediss://10.0.0.3:6378/7", "rediss://10.0.0.3:6378/7"),
            ("redis://:s3cret@cache/", "redis://cache:6379/0"),
            ("redis://gateway:s3cret@[::1]:7000", "redis://[::1]:7000/0"),
        ] {
            let address: RedisAddress = text.parse().unwrap();
            assert_eq!((format!("{address:?}"), address.to_string()), (shown.to_owned(), shown.to_owned()));
        }
    }

    #[test]
    fn the_user_and_the_password_are_decoded() {
        let address: RedisAddress = "redis://gate%40way:p%3Ass%2Fw%C3%B6rd@cache".parse().unwrap();
        assert_eq!(address.username.as_deref(), Some("gate@way"));
        assert_eq!(address.password.as_deref(), Some("p:ss/wörd"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for (text, error) in [
            ("", BadAddress::NotRedis),
            ("cache:6379", BadAddress::NotRedis),
            ("http://:s3cret@cache", BadAddress::NotRedis),
            ("redis:///0", BadAddress::NotRedis),
            ("redis://:s3cret@cache:99999", BadAddress::NotRedis),
            ("redis://:s3cret@cache/zero", BadAddress::Database),
            ("redis://:s3cret@cache/-1", BadAddress::Database),
            ("redis://:%ff@cache", BadAddress::Credentials),
            ("redis://:s3cret@cache?protocol=resp3", BadAddress::Parameters),
        ] {
            let refused = text.parse::<RedisAddress>().unwrap_err();
            assert_eq!(refused, error, "{text}");
            assert!(!format!("{refused} {refused:?}").contains("s3cret"));
        }
    }
}
