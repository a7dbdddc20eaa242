//! What the use-cases need from outside. Adapters implement these; the simulation replaces every one of them.

pub mod agenda;
pub mod audit;
pub mod counters;
pub mod deliveries;
pub mod entropy;
pub mod event_format;
pub mod fail_points;
pub mod flags;
pub mod http_client;
pub mod merchants;
pub mod provider;
pub mod queue;
pub mod settlements;
pub mod spawn;
pub mod store;
pub mod time;
pub mod webhook_sender;

pub use agenda::Agenda;
pub use audit::Audit;
pub use counters::Counters;
pub use deliveries::Deliveries;
pub use entropy::Entropy;
pub use event_format::EventFormat;
pub use fail_points::{FailPoint, FailPoints};
pub use flags::Flags;
pub use http_client::{HttpClient, HttpError};
pub use merchants::{Endpoints, Merchants};
pub use provider::{EventReader, Provider};
pub use queue::Queue;
pub use settlements::{SettlementChunks, Settlements};
pub use spawn::Spawn;
pub use store::{Store, StoreError, Timelines};
pub use time::Time;
pub use webhook_sender::WebhookSender;
