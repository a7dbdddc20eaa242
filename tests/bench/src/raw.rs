//! What the machine itself can do, measured in the same run: a figure of the gateway means something beside these only.

pub(crate) mod echo;
pub(crate) mod rows;
pub(crate) mod sqlite;
