//! What the use-cases need from outside. Adapters implement these; the simulation replaces every one of them.

pub mod entropy;
pub mod http_client;
pub mod spawn;
pub mod time;

pub use entropy::Entropy;
pub use http_client::{HttpClient, HttpError};
pub use spawn::Spawn;
pub use time::Time;
