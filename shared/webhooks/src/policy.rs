//! Which URLs may be endpoints, and what a URL means: one parser decides both, so that what was checked is what is
//! called. Resolves nothing and connects to nothing.

use std::net::IpAddr;

use http::{HeaderValue, uri::PathAndQuery};
use tollgate_gateway::ports::webhook_sender::EndpointRefused;
use url::{Host, Position, Url};

use crate::addresses::is_public;

/// The longest URL that an endpoint can have.
pub const MAX_URL_BYTES: usize = 2048;

/// Names that mean something only inside of some network. What they resolve to would be refused as well; this way a
/// merchant hears it when the endpoint is set.
const PRIVATE_SUFFIXES: &[&str] = &["localhost", "localdomain", "local", "internal", "intranet", "lan", "home.arpa"];

/// Which addresses webhooks may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressPolicy {
    loopback: bool,
}

impl AddressPolicy {
    /// `https` to public addresses; nothing else.
    pub fn production() -> Self {
        Self { loopback: false }
    }

    /// As production, and loopback, with `http` as well. For a sandbox: whoever runs one owns what listens there.
    pub fn sandbox() -> Self {
        Self { loopback: true }
    }

    /// Whether `url` can be an endpoint, as far as can be told without resolving its host.
    pub fn check(self, url: &str) -> Result<(), EndpointRefused> {
        self.target(url).map(drop)
    }

    /// Whether a connection may be made to `address`.
    pub fn allows(self, address: IpAddr) -> bool {
        is_public(address) || (self.loopback && address.is_loopback())
    }

    /// What `url` leads to, if it may be called.
    pub(crate) fn target(self, url: &str) -> Result<Target, EndpointRefused> {
        if url.len() > MAX_URL_BYTES {
            return Err(EndpointRefused::TooLong);
        }
        // The parser would drop these without a word, and what is stored should be what is called.
        if url.contains(|letter: char| letter.is_control() || letter.is_whitespace()) {
            return Err(EndpointRefused::NotAUrl);
        }
        let url = Url::parse(url).map_err(|_| EndpointRefused::NotAUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointRefused::Credentials);
        }
        let secure = match url.scheme() {
            "https" => true,
            "http" if self.loopback => false,
            _ => return Err(EndpointRefused::NotHttps),
        };
        let host = match url.host().ok_or(EndpointRefused::NotAUrl)? {
            Host::Ipv4(address) => TargetHost::Address(address.into()),
            Host::Ipv6(address) => TargetHost::Address(address.into()),
            Host::Domain(name) => TargetHost::Name(name.to_owned()),
        };
        let loopback = self.loopback && host.is_loopback();
        if !secure && !loopback {
            return Err(EndpointRefused::NotHttps);
        }
        if !loopback && !host.may_be_public() {
            return Err(EndpointRefused::NotPublic);
        }
        Target::of(&url, host, secure)
    }
}

/// A host, as the URL names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetHost {
    /// By address, whatever way of writing it the URL chose.
    Address(IpAddr),
    /// By name: lower case, in ASCII.
    Name(String),
}

impl TargetHost {
    /// `localhost` is loopback by definition (RFC 6761) and is never asked for in the DNS.
    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            Self::Name(name) => is_within(name, "localhost"),
        }
    }

    /// A name is refused without a dot, because search lists would complete it, and with one at its end, because that is
    /// a second way to write a name, which suffixes and certificates do not match.
    fn may_be_public(&self) -> bool {
        match self {
            Self::Address(address) => is_public(*address),
            Self::Name(name) => {
                let private = PRIVATE_SUFFIXES.iter().any(|suffix| is_within(name, suffix));
                name.contains('.') && !name.ends_with('.') && !private
            }
        }
    }
}

fn is_within(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// A URL that may be called, taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Scheme, host and port: connections are shared within it.
    pub(crate) origin: String,
    pub(crate) host: TargetHost,
    pub(crate) port: u16,
    /// Whether over TLS.
    pub(crate) secure: bool,
    /// What the request asks for.
    pub(crate) path: PathAndQuery,
    /// The `Host` header.
    pub(crate) authority: HeaderValue,
}

impl Target {
    fn of(url: &Url, host: TargetHost, secure: bool) -> Result<Self, EndpointRefused> {
        let refused = EndpointRefused::NotAUrl;
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        Ok(Self {
            origin: url[..Position::BeforePath].to_owned(),
            host,
            port: url.port_or_known_default().filter(|port| *port != 0).ok_or(refused)?,
            secure,
            path: url[Position::BeforePath..Position::AfterQuery].parse().map_err(|_| refused)?,
            authority: HeaderValue::from_str(authority).map_err(|_| refused)?,
        })
    }
}
