//! Simulated providers that speak the real wire formats over HTTP, for development, tests and the sandbox.
//!
//! Two layers. The inner one is synchronous and pure: a [`Provider`] (such as [`Stripe`]) answers requests at a given
//! time, and a [`Simulator`] puts faults, a webhook outbox and a journal around it. It opens no sockets and reads no
//! clock, so a deterministic simulation calls it inline. The outer layer, [`Simulators`] with [`router`] and [`serve`],
//! gives it a clock, a network and a control plane.
//!
//! Nothing here may depend on the gateway's rules: a simulator knows its provider's documentation, and the gateway's
//! ports for time, randomness, tasks and outbound HTTP.

mod agenda;
mod bank;
mod clock;
mod faults;
mod http;
mod journal;
mod mangle;
mod outbox;
mod paypal;
mod provider;
mod raw_json;
mod shelf;
mod simulator;
mod simulators;
mod stripe;
mod webhook_sender;

use std::sync::Arc;

use tollgate_gateway::ports::{Entropy, HttpClient, Spawn};

pub use bank::Bank;
pub use clock::SandboxTime;
pub use faults::{Fault, FaultKind};
pub use http::{router, serve};
pub use journal::JournalError;
pub use outbox::{Endpoint, Webhook};
pub use paypal::PayPal;
pub use provider::{CallKind, Changes, Event, Interference, Provider, Reply, Transaction};
pub use simulator::{Answer, Ending, Simulator};
pub use simulators::{Settings, Simulators};
pub use stripe::Stripe;

/// What the simulators take from outside.
#[derive(Clone)]
pub struct Ports {
    /// The clock: shared with whoever moves it.
    pub time: Arc<SandboxTime>,
    /// Ids and secrets.
    pub entropy: Arc<dyn Entropy>,
    /// Connections and webhooks under way.
    pub spawn: Arc<dyn Spawn>,
    /// Sends the webhooks.
    pub http: Arc<dyn HttpClient>,
}
