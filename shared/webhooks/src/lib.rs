//! Sends webhooks to merchants: the gateway's `WebhookSender` port over HTTP/1.1, signed as Standard Webhooks say.
//!
//! A merchant chooses where we connect to, so this crate is where a stranger's text becomes a connection from inside our
//! network. Three checks stand in the way, and none trusts another: the URL's own words and address before every send
//! ([`AddressPolicy`]), the addresses that a name resolves to on every connection, and no redirect, proxy or second
//! parser that could lead elsewhere afterwards.
//!
//! Must not know: events, deliveries, when to try again, or who a merchant is.

mod addresses;
mod connect;
mod connection;
mod lookups;
mod network;
mod policy;
mod pool;
mod retry_after;
mod sender;
mod signature;
mod tls;

pub use self::{
    addresses::is_public,
    network::{Dial, Resolve, SystemDialer, SystemResolver},
    policy::{AddressPolicy, MAX_URL_BYTES},
    sender::HttpWebhookSender,
    tls::NoTls,
};
