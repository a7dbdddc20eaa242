//! A simulated clock moves from due time to due time: what is due on the way happens in its order, at its time, and has
//! ended before the clock moves on.

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{Json, body::Bytes, extract::State};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tollgate_api::{Problem, ProblemCode, strict_json};
use tollgate_gateway::{
    Gateway,
    ports::{Agenda, Time, agenda::NextDue},
};
use tollgate_messaging::{EmbeddedQueue, events::Applier};
use tollgate_runtime::{TaskSpawner, system::within};
use tollgate_simulators::SandboxTime;

use crate::{control::Control, identity::write_whole, jobs::Job, providers_link::ProvidersLink};

/// Ten years at once are enough.
const ADVANCE_AT_MOST: i64 = 10 * 366 * 24 * 3600;
/// How long one step may take to settle down: longer than any try of a delivery.
pub(crate) const STEP_PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The clock, and everything that happens by it.
#[derive(Clone)]
pub(crate) struct Clock {
    pub(crate) time: Arc<SandboxTime>,
    /// Where a simulated clock is remembered over restarts.
    pub(crate) file: PathBuf,
    pub(crate) link: ProvidersLink,
    pub(crate) gateway: Gateway,
    pub(crate) agenda: Arc<dyn Agenda>,
    /// `None`: Pub/Sub, with which no clock is moved by hand.
    pub(crate) queue: Option<EmbeddedQueue>,
    /// Applies the providers' events that wait for the store.
    pub(crate) applier: Option<Applier>,
    /// What the gateway does beside its requests.
    pub(crate) tasks: TaskSpawner,
    /// One mover of the clock at a time.
    pub(crate) moving: Arc<Mutex<Mover>>,
}

/// What is known of the last move.
#[derive(Default)]
pub(crate) struct Mover {
    /// It came to its end in this process: every job of the time that the clock shows has run.
    arrived: bool,
}

/// Moves the clock. Answers the new time.
pub(crate) async fn advance(State(control): State<Control>, body: Bytes) -> Result<Json<Value>, Problem> {
    let mut fields = strict_json::read_object(&body)?;
    let seconds = fields.required_integer("advance_seconds", 0..=ADVANCE_AT_MOST);
    fields.finish()?;
    let clock = &control.clock;
    if !clock.time.is_simulated() {
        let detail = "This sandbox's clock runs by itself. Start it with `serve --clock simulated` to move it.";
        return Err(Problem::new(ProblemCode::InvalidRequest, detail));
    }
    let mut mover = clock.moving.lock().await;
    let target = clock.time.now() + Duration::from_secs(seconds?.unsigned_abs());
    clock.move_to(target, &mut mover).await.map_err(Problem::internal)?;
    Ok(Json(json!({"now": target.to_string()})))
}

impl Clock {
    async fn move_to(&self, target: Timestamp, mover: &mut Mover) -> anyhow::Result<()> {
        self.settle_down().await;
        self.apply_what_waits().await;
        let arrived = std::mem::take(&mut mover.arrived);
        let mut now = self.time.now();
        // A move that a kill or an error cut off may have left jobs of this very time: they run again, and do no harm twice.
        let mut ran = if arrived { now } else { just_before(now) };
        loop {
            let (at, jobs) = self.next(now, ran).await?;
            if at > target {
                break;
            }
            self.step(at.max(now)).await?;
            for job in jobs {
                job.run(&self.gateway, false).await?;
                self.settle_down().await;
            }
            now = self.time.now();
            ran = now;
        }
        self.step(target).await?;
        mover.arrived = true;
        Ok(())
    }

    /// When something is due next, and the jobs that run then. Those that run by the clock alone have run until `ran`.
    async fn next(&self, now: Timestamp, ran: Timestamp) -> anyhow::Result<(Timestamp, Vec<Job>)> {
        let due = self.agenda.next_due().await?;
        let jobs: Vec<_> = Job::ALL.into_iter().filter_map(|job| Some((time_of(job, &due, now, ran)?, job))).collect();
        let queued = match &self.queue {
            Some(queue) => queue.next_due().await?,
            None => None,
        };
        let others = [self.link.next_due().await?, queued];
        let first = others.into_iter().flatten().chain(jobs.iter().map(|(at, _)| *at)).min();
        let first = first.unwrap_or(Timestamp::MAX);
        Ok((first, jobs.into_iter().filter(|(at, _)| *at == first).map(|(_, job)| job).collect()))
    }

    /// Sets the clock, here and at the providers, and lets happen what that makes due.
    async fn step(&self, to: Timestamp) -> anyhow::Result<()> {
        let now = self.time.set(Some(to));
        write_whole(&self.file, now.to_string().as_bytes())?;
        self.link.set_clock(Some(now)).await?;
        if let Some(queue) = &self.queue {
            queue.clock_moved();
        }
        self.settle_down().await;
        self.apply_what_waits().await;
        Ok(())
    }

    /// Providers' events that came while the store was away are applied before the clock moves on, if it is back.
    async fn apply_what_waits(&self) {
        let Some(applier) = &self.applier else { return };
        match applier.try_all().await {
            Ok(round) if round.done > 0 => self.settle_down().await,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the providers' events that wait cannot be read; the clock moves on"),
        }
    }

    /// Waits until nothing is under way that was said to be due, within reason.
    pub(crate) async fn settle_down(&self) {
        let quiet = async {
            loop {
                self.tasks.idle().await;
                // What a handler started may have published.
                let is_quiet = match &self.queue {
                    Some(queue) => queue.is_quiet().await.unwrap_or(true),
                    None => true,
                };
                if is_quiet && self.tasks.running() == 0 {
                    return;
                }
                self.time.sleep(LOOK_EVERY).await;
            }
        };
        if within(self.time.as_ref(), STEP_PATIENCE, quiet).await.is_none() {
            tracing::warn!("something is still under way; the clock moves on");
        }
    }
}

/// When `job` runs next. One that only looks at what is due runs at the first of its times at which something is: the
/// others would find nothing. (Deliveries run at their own time, as production's job does, which works all the while.)
fn time_of(job: Job, due: &NextDue, now: Timestamp, ran: Timestamp) -> Option<Timestamp> {
    // Its next time is after now in any case; a time of its own that is when something becomes due counts.
    let first_at = |due: Timestamp| job.cadence().next_after(just_before(due).max(now));
    match job {
        Job::Deliveries => due.delivery.map(|due| due.max(now)),
        Job::StuckPayments => due.stuck.map(first_at),
        Job::ProviderTruth => due.truth.map(first_at),
        // Each has something to say every time.
        Job::ProviderRecords | Job::ProviderRecordsDay | Job::Settlement | Job::Invariants => {
            Some(job.cadence().next_after(ran))
        }
    }
}

fn just_before(at: Timestamp) -> Timestamp {
    at.checked_sub(Duration::from_nanos(1)).unwrap_or(at)
}
