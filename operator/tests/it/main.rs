//! The operator's command as it is run: the program itself, on SQLite and on Spanner's emulator.

mod command;
mod endpoints;
mod keys;
mod merchants;
mod migrate;
mod mistakes;
mod payment;
mod place;
