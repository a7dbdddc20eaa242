//! What tests across functions share: the parts from outside that some of them need, and simulated providers to run
//! against.

pub mod dice;
pub mod faults;
pub mod locked_store;
pub mod ports;
pub mod program;
pub mod requirements;
pub mod simulated;
pub mod stage;
