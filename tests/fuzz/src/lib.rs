//! Fuzz targets: what strangers send, read by the code that reads it in production, with what must hold whatever it is.
//!
//! Each target is one file in `targets`: a function of bytes that panics where something does not hold. The same functions
//! are run in three ways: `tests/corpus.rs` replays the corpus and mutates it a little, in every `cargo test`; `scripts/fuzz` builds
//! them with coverage for libFuzzer, for as long as one likes.
//!
//! Must not know: which engine makes the bytes.

mod fakes;
mod keys;
mod mutation;
mod targets;
mod template;

pub use mutation::Mutator;

/// One target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus: `corpus/<name>`.
    pub name: &'static str,
    /// Reads `input` as production would. Panics where a property does not hold.
    pub run: fn(input: &[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "amounts", run: targets::amounts::run },
    Target { name: "bank_event", run: targets::bank_event::run },
    Target { name: "camt053", run: targets::camt053::run },
    Target { name: "merchant_bodies", run: targets::merchant_bodies::run },
    Target { name: "oidc_token", run: targets::oidc_token::run },
    Target { name: "paypal_webhook", run: targets::paypal_webhook::run },
    Target { name: "pubsub_push", run: targets::pubsub_push::run },
    Target { name: "stripe_webhook", run: targets::stripe_webhook::run },
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().copied().find(|target| target.name == name)
}
