//! What the machine itself can do, measured in the same run: a figure of the gateway means something beside these only.

pub(crate) mod echo;
pub(crate) mod rows;
#[cfg(feature = "google-cloud")]
pub(crate) mod spanner;
#[cfg(feature = "google-cloud")]
pub(crate) mod spanner_rows;
pub(crate) mod sqlite;
