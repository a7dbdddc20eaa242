//! The stage on Spanner's emulator: two databases that were migrated alike, one for the gateway, one for the raw client. One
//! emulator serves both.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::Method;
use tollgate_emulators::{Database, Retry, pubsub, spanner};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;
use tollgate_store_spanner::migrations::migrate;

use crate::{
    process::Process,
    programs::Programs,
    stage::{Stage, Variables, connect},
};

/// A gateway that has no session on the emulator within this is broken.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A stage whose store is on the emulator, and an empty database beside it. Both are gone with this.
pub(crate) struct Emulated {
    /// Store, merchant, provider.
    pub(crate) stage: Stage,
    /// Where the emulator is.
    pub(crate) host: String,
    /// The gateway's. It holds one payment, whose process died after its first commit.
    pub(crate) ours: Database,
    /// The raw client's.
    pub(crate) raw: Database,
}

impl Emulated {
    /// Everything but the gateway.
    pub(crate) async fn prepare(programs: &Programs) -> Result<Self> {
        let spanner = spanner().context("there is no Spanner emulator to measure on")?;
        let host = spanner.host().to_owned();
        let (ours, raw) = (spanner.create_database(), spanner.create_database());
        for database in [&ours, &raw] {
            migrate(&database.name().parse()?, Some(&host)).await?;
        }
        let store = vec![("STORE_URL", format!("spanner:{}", ours.name())), ("SPANNER_EMULATOR_HOST", host.clone())];
        let stage = Stage::prepare_on(programs, Some(store)).await?;
        Ok(Self { stage, host, ours, raw })
    }

    /// Starts the sandbox on the same database: every function in one process, with Pub/Sub's emulator between them.
    pub(crate) fn sandbox(&self) -> Result<Process> {
        let pubsub = pubsub().context("there is no Pub/Sub emulator to queue on")?;
        let (events, kept) = (pubsub.create_topic(), pubsub.create_topic());
        let told = [
            ("STORE_URL", format!("spanner:{}", self.ours.name())),
            ("SPANNER_EMULATOR_HOST", self.host.clone()),
            ("PUBSUB_EMULATOR_HOST", pubsub.host().to_owned()),
            ("QUEUE_URL", format!("pubsub:{events}")),
            ("QUEUE_DEAD_LETTER_TOPIC", pubsub.create_topic()),
            ("QUEUE_PROVIDER_EVENTS_TOPIC", kept.clone()),
        ];
        let sandbox = self.stage.sandbox_told(&told)?;
        // Nothing is published before somebody pays.
        for (topic, route) in [(&events, "payment-events"), (&kept, "provider-events")] {
            pubsub.push_to(topic, &format!("http://{}/pubsub/{route}", sandbox.address), &Retry::default());
        }
        Ok(sandbox)
    }

    /// Starts the function `payments`, told otherwise in these variables, and waits until it is connected.
    pub(crate) async fn gateway(&self, otherwise: &Variables) -> Result<Process> {
        let mut process = self.stage.start_told(otherwise)?;
        let mut connection = connect(&mut process).await?;
        let clock = SystemClock::start();
        while clock.monotonic() < CONNECTED_WITHIN {
            let (status, _) = connection.send(Method::GET, "/health/ready", &[], Bytes::new()).await?;
            if status == 200 {
                return Ok(process);
            }
            clock.sleep(LOOK_EVERY).await;
        }
        bail!("the gateway is not ready on the emulator")
    }
}
