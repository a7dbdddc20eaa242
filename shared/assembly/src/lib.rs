//! Puts a function together from its configuration: store, providers, gateway. The one shared crate that knows the
//! adapters, so that a function's `main` reads at a glance and five of them do not say the same five times.
//!
//! Must not know: routes.

mod callers;
mod configuration;
pub mod embedded;
mod facts;
mod opened;
mod parts;
mod providers;

pub use callers::internal_callers;
pub use configuration::{
    BankConfiguration, Configuration, CountersConfiguration, FrontConfiguration, GuardConfiguration,
    PaypalConfiguration, QueueConfiguration, StoreConfiguration, StripeConfiguration, secrets_key,
};
pub use parts::{Outside, Parts};
