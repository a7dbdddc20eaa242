//! The door of a function: whoever comes in is looked at by the head of the request alone, before anything is read or
//! worked on for him. And where he comes from.
//!
//! Must not know: who is let in, and why.

use std::{
    any::Any,
    net::{IpAddr, SocketAddr},
};

use async_trait::async_trait;
use axum::response::Response;
use http::{HeaderMap, request};
use tollgate_api::Problem;
use tollgate_gateway::ports::counters::Address;

use crate::admission::{Class, Who};

/// What somebody comes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errand {
    /// What it is worth.
    pub class: Class,
    /// Whose it is.
    pub who: Who,
    /// What it is in metrics (`load_shed_total{operation}`).
    pub operation: &'static str,
}

impl Errand {
    /// One of our own functions, or of whoever calls them for us.
    pub const OURS: Self = Self { class: Class::Vital, who: Who::Ourselves, operation: "internal" };
}

/// One who came in.
pub struct Visit {
    /// What for.
    pub errand: Errand,
    /// What the door keeps of him until he leaves.
    pub kept: Option<Box<dyn Any + Send>>,
}

/// Lets requests in.
#[async_trait]
pub trait Door: Send + Sync + 'static {
    /// Lets a request in by its head, to a route as it was declared, or refuses it. May put into its extensions what handlers need.
    async fn enter(&self, route: &str, head: &mut request::Parts) -> Result<Visit, Problem>;

    /// It leaves with this answer, whatever became of it inside. Not called for whom nobody waits any more.
    async fn leave(&self, visit: Visit, response: &mut Response);
}

/// Who is at the other end of the connection; the server puts it into each request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// How many entries at the end of `X-Forwarded-For` our own platform has written: each proxy adds the address that it was
/// called from, and some their own, too. What stands before those the caller has written himself.
#[derive(Debug, Clone, Copy, Default)]
pub struct TrustedProxies(pub usize);

impl TrustedProxies {
    /// Where the request comes from.
    pub fn caller(self, head: &request::Parts) -> Address {
        let peer = head.extensions.get::<Peer>().map_or(IpAddr::from([0; 4]), |peer| peer.0.ip());
        let forwarded = self.0.checked_sub(1).and_then(|behind| forwarded(&head.headers, behind));
        Address::of(forwarded.unwrap_or(peer))
    }
}

/// The address in `X-Forwarded-For` that has `behind` entries behind it. Whatever else is in the field is no text of ours.
fn forwarded(headers: &HeaderMap, behind: usize) -> Option<IpAddr> {
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let entry = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).nth(behind)?;
    let entry = std::str::from_utf8(entry).ok()?.trim();
    entry.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn caller(proxies: usize, lines: &[&str]) -> Address {
        caller_of(proxies, &lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>())
    }

    fn caller_of(proxies: usize, lines: &[&[u8]]) -> Address {
        let mut request = Request::builder();
        for line in lines {
            request = request.header("x-forwarded-for", *line);
        }
        let mut head = request.body(()).unwrap().into_parts().0;
        head.extensions.insert(Peer(([10, 0, 0, 9], 4711).into()));
        TrustedProxies(proxies).caller(&head)
    }

    fn at(address: &str) -> Address {
        Address::of(address.parse().unwrap())
    }

    #[test]
    fn only_what_our_own_proxies_wrote_is_believed() {
        let made_up = ["1.1.1.1, 203.0.113.7", "198.51.100.2"];
        assert_eq!(caller(0, &made_up), at("10.0.0.9"));
        assert_eq!(caller(1, &made_up), at("198.51.100.2"));
        assert_eq!(caller(2, &made_up), at("203.0.113.7"));
        for (proxies, lines) in [(1, vec![]), (3, vec!["203.0.113.7"]), (1, vec!["nobody"])] {
            assert_eq!(caller(proxies, &lines), at("10.0.0.9"), "{lines:?}");
        }
        assert_eq!(caller(1, &["203.0.113.7:1234"]), at("203.0.113.7"));
    }

    #[test]
    fn what_is_no_text_hides_nothing_behind_it_and_brings_nothing_before_it_forward() {
        assert_eq!(caller_of(1, &[b"\xff, 203.0.113.7"]), at("203.0.113.7"));
        assert_eq!(caller_of(1, &[b"1.1.1.1", b"\xff"]), at("10.0.0.9"), "not the caller's own word");
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_caller_and_ipv4_in_ipv6_is_ipv4() {
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::2"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
    }
}
