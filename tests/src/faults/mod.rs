//! The fault matrix: every part that the gateway needs, in every kind of trouble, under load; afterwards no money is lost or doubled,
//! and everything that was asked for is answered. `docs/faults.md` says how to read it.

pub mod cell;
mod check;
pub mod cloud;
pub mod deployment;
mod frames;
pub mod load;
pub mod matrix;
pub mod merchant;
mod proxies;
mod redis;
mod relay;
pub mod run;
mod seed;
pub mod table;
mod wire;
