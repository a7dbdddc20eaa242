//! What every function runs in: the server on `$PORT`, the layers around its routes, health, metrics, logs and
//! configuration.
//!
//! Must not know: payments, merchants, stores or providers.

pub mod background;
pub mod config;
pub mod function;
pub mod health;
pub mod internal;
pub mod layers;
pub mod logs;
pub mod metrics;
pub mod scheduler;
pub mod server;
pub mod system;
pub mod trace;

pub use background::{Background, Stop, Stopping, stopping};
pub use config::{Secret, Variables};
pub use function::{Function, run};
pub use internal::InternalCallers;
pub use layers::{CorrelationId, Edge, layered, layered_routes};
pub use scheduler::{Cadence, ScheduledJob};
pub use server::{Server, ServerLimits};
pub use system::{OsEntropy, System, SystemClock, TaskSpawner};
