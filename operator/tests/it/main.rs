//! The operator's command as it is run: the program itself, on SQLite and on Spanner's emulator.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod changes;
mod command;
mod completions;
mod deliveries;
mod endpoints;
mod exceptions;
mod invariants;
mod keys;
mod merchants;
mod migrate;
mod mistakes;
mod mock_bank;
mod payment;
mod payment_resolve;
mod place;
mod providers;
mod reconcile;
mod recovery;
mod settlement;
mod stories;
mod verify;
