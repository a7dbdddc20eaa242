//! The providers' adapters: each implements the gateway's `Provider` and `EventReader` ports for one wire format, over
//! the `HttpClient` port, which is implemented here too.
//!
//! Must not know: the store, the use-cases, or what the gateway does with an answer. An adapter says what the provider
//! said, in our words, and is strict about what it does not know. What wraps a provider (measuring, breaking, retrying)
//! is a `Provider` itself.

pub mod bank;
mod calls;
mod guard;
pub mod http;
mod metered;
pub mod paypal;
mod secret;
pub mod stripe;
mod tokens;

pub use self::{
    bank::{Bank, BankAccount, BankConfig, BankEvents, Sealing as BankSealing},
    guard::{BreakerSettings, BreakerState, Breakers, GuardPorts, GuardSettings, Guarded, QuotaSettings},
    http::{HttpSettings, ReqwestClient},
    metered::Metered,
    paypal::{Paypal, PaypalConfig, PaypalEvents},
    secret::Secret,
    stripe::{ConfigError, Stripe, StripeConfig, StripeEvents},
};
