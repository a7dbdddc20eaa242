//! The sandbox: every function in one process on embedded parts, with simulated providers that speak the real wire
//! formats over HTTP, a console, a demo and drills. For developers and merchants who try Tollgate, and for tests.
//!
//! It composes; it holds no rule about money.

mod api_page;
pub mod client;
mod clock;
pub mod collector;
mod console;
mod control;
pub mod demo;
pub mod drills;
pub mod exposition;
mod identity;
mod inbox;
mod jobs;
mod lock;
mod outside;
pub mod process;
pub mod providers;
mod providers_link;
pub mod serve;
mod simulated;
mod switches;
mod system;
