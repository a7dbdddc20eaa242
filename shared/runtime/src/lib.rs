//! What every function runs in: the server on `$PORT`, the layers around its routes, health, metrics, logs and
//! configuration.
//!
//! Must not know: payments, merchants, stores or providers.

/// Which build this is: the version of the package and, in an image, the commit that `scripts/image` says it is of.
pub const VERSION: &str = match option_env!("TOLLGATE_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

pub mod admission;
pub mod background;
pub mod config;
pub mod door;
pub mod function;
pub mod health;
pub mod heartbeat;
pub mod internal;
pub mod layers;
pub mod logs;
pub mod metrics;
pub mod scheduler;
pub mod server;
pub mod system;
pub mod trace;

pub use admission::{Admission, AdmissionSettings};
pub use background::{Background, Stop, Stopping, stopping};
pub use config::{Secret, Variables};
pub use door::{Door, Errand, TrustedProxies, Visit};
pub use function::{Function, run};
pub use heartbeat::Heartbeat;
pub use internal::InternalCallers;
pub use layers::{CorrelationId, Edge, layered, layered_routes};
pub use scheduler::{Cadence, ScheduledJob};
pub use server::{Server, ServerLimits};
pub use system::{OsEntropy, System, SystemClock, TaskSpawner};
