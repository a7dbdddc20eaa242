//! The use-cases, one file each, and the ports (traits) that they need.
//!
//! Must not know: HTTP routes, SQL, a provider's wire format, a clock or a task runtime.

pub mod authenticate;
mod bounded;
mod capture_payment;
mod carry_out;
mod change_payment;
#[cfg(feature = "contract")]
pub mod contract;
mod create_payment;
mod deliver;
mod dispatch_deliveries;
mod done;
mod endpoint_health;
mod error;
mod flags;
mod fresh;
mod gateway;
mod idempotency;
mod ingest_event;
pub mod job;
mod payer_return;
pub mod ports;
mod provider_calls;
mod recent_returns;
pub mod reconcile;
pub mod records;
mod refund_payment;
mod resolve_operation;
mod return_link;
mod route_payment;
pub mod secrets;
mod settle;
mod show_deliveries;
mod show_payments;
mod spans;
mod void_payment;
mod webhook_endpoint;

pub use authenticate::Authenticator;
pub use change_payment::Target;
pub use create_payment::CreatePayment;
pub use deliver::DeliveryOutcome;
pub use done::Done;
pub use error::Error;
pub use flags::change_flag;
pub use gateway::{Context, Gateway, Keys, Ports, Settings, Stores};
pub use idempotency::Route;
pub use ingest_event::Ingested;
pub use job::{JobReport, JobRun};
pub use refund_payment::{RefundDone, RefundPayment};
pub use resolve_operation::Resolution;
pub use return_link::ReturnLinks;
pub use settle::{JOB as SETTLEMENT_JOB, MerchantSettlement};
pub use show_payments::in_timeline_order;
pub use spans::SPAN_TARGET;
pub use webhook_endpoint::EndpointChanged;
