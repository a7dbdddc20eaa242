//! The sandbox's time, randomness and tasks: the machine's own, but for a clock that can be moved.

use std::sync::Arc;

use tollgate_providers::{HttpSettings, ReqwestClient};
use tollgate_runtime::{Heartbeat, OsEntropy, System, TaskSpawner};
use tollgate_simulators::{Ports, SandboxTime};

/// Everything that parts of the sandbox take from outside.
#[derive(Clone)]
pub(crate) struct SandboxSystem {
    pub(crate) time: Arc<SandboxTime>,
    pub(crate) system: System,
    /// Calls without any played fault.
    pub(crate) http: Arc<ReqwestClient>,
    /// For the providers' control plane: their books can be long.
    pub(crate) control: Arc<ReqwestClient>,
}

/// The providers' books of some hundred thousand payments.
const BOOKS_BYTES: usize = 256 << 20;

impl SandboxSystem {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let time = Arc::new(SandboxTime::real());
        let system = System {
            time: time.clone(),
            entropy: Arc::new(OsEntropy),
            tasks: TaskSpawner::default(),
            heartbeat: Heartbeat::default(),
        };
        let http = Arc::new(ReqwestClient::new(HttpSettings::default())?);
        let books = HttpSettings { max_body_bytes: BOOKS_BYTES, ..HttpSettings::default() };
        Ok(Self { time, system, http, control: Arc::new(ReqwestClient::new(books)?) })
    }

    /// The providers' tasks are their own: a stop of the gateway does not wait for them, as if they were elsewhere.
    pub(crate) fn simulator_ports(&self) -> Ports {
        Ports {
            time: Arc::clone(&self.time),
            entropy: Arc::clone(&self.system.entropy),
            spawn: Arc::new(TaskSpawner::default()),
            http: self.http.clone(),
        }
    }
}
