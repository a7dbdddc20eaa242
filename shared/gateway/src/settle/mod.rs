//! Settlement: what was captured before 02:00 in Tokyo becomes the merchants', less our fee and the refunds (rules 21, 22).
//!
//! A run fixes the date and the cut-off first. Then it works in chunks, each committed together with how far the settlement
//! then is, so that a run that is cut off anywhere is taken up by the next one where it was. Two runs at once do no harm:
//! of two chunks of the same number one is committed, and the other run goes on behind it. What changes while it is
//! settled drops out of its chunk and joins the next settlement; what cannot be settled is set aside with a reason. When
//! everything is in, the books are compared, and only then is it `COMPLETED`.
//!
//! Where there is a topic for it, a settlement is split into shards (`shards.rs`): each has a lane of chunks of its own, with its own
//! numbers and checkpoints, and all of the above holds of each lane.
//!
//! What on-call has to know is a log line with a fixed field `event`:
//!
//! | `event` | level | what it means |
//! | --- | --- | --- |
//! | `settlement_resumed` | warning | a run before this one was cut off (or works at the same time); this one goes on |
//! | `settlement_interrupted` | error | this run was cut off by an error; what is committed stays, the next run goes on |
//! | `settlement_failed` | error | everything is in, and the ledger does not agree: a person has to look |

mod build;
mod check;
mod commit;
mod shards;
mod show;
mod verify;

use std::time::Duration;

use futures::future;
use tollgate_domain::{Date, Settlement, SettlementDay, SettlementId, SettlementStatus};

use crate::{
    Context, Error, Gateway, JobReport, JobRun,
    idempotency::RACES,
    ports::{
        FailPoint, StoreError,
        settlements::{Checkpoint, Lane, SHARDS},
    },
};

use build::{Fees, Page};

pub use check::SettlementCheck;
pub use shards::ShardSettled;
pub use show::MerchantSettlement;

/// The job's name: in histories, metrics and answers.
pub const JOB: &str = "settlement";
/// One read or commit of a chunk, real time. Nobody waits for it but the run.
const CHUNK_WITHIN: Duration = Duration::from_secs(60);

impl Gateway {
    /// Makes the settlement of the latest cut-off that has passed, or goes on with what an earlier run left unfinished.
    /// Once it is over, running it again writes nothing. Nothing is settled before its cut-off, by hand neither.
    ///
    /// [`JobReport::more`]: the time was over, and the settlement is still `RUNNING`; the next run goes on.
    pub async fn run_settlement(&self, run: JobRun, context: Context) -> Result<(JobReport, Settlement), Error> {
        let gateway = self.clone();
        self.run(async move {
            let result = Run::start(gateway, run, context).through().await;
            let outcome = match &result {
                Ok((report, _)) if report.more => "unfinished",
                Ok((_, settlement)) if settlement.status == SettlementStatus::Failed => "failed",
                Ok(_) => "completed",
                Err(error) => {
                    tracing::error!(
                        event = "settlement_interrupted",
                        %error,
                        "a run of the settlement was cut off; the next one goes on where it was"
                    );
                    "interrupted"
                }
            };
            metrics::counter!("settlement_runs_total", "outcome" => outcome).increment(1);
            result
        })
        .await
    }
}

/// How the work on a lane ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Everything of it is in.
    Closed,
    /// The time was over before.
    TimeOver,
    /// Somebody else commits chunks of the same shard.
    AnotherIsAtIt,
}

/// One run.
struct Run {
    gateway: Gateway,
    context: Context,
    report: JobReport,
    fees: Fees,
    /// Whether the job `invariants` had found any payment whose books do not add up.
    there_are_violators: Option<bool>,
    started: Duration,
    budget: Duration,
}

impl Run {
    fn start(gateway: Gateway, run: JobRun, context: Context) -> Self {
        let started = gateway.ports.time.monotonic();
        Self {
            gateway,
            context,
            report: JobReport::default(),
            fees: Fees::default(),
            there_are_violators: None,
            started,
            budget: run.budget,
        }
    }

    /// Ends what is unfinished, whatever its date, and then makes the one that is due.
    async fn through(mut self) -> Result<(JobReport, Settlement), Error> {
        let day = SettlementDay::of(self.gateway.now());
        loop {
            let settlement = self.take_up(day).await?;
            let ended = match settlement.status {
                SettlementStatus::Running => {
                    let is_in = match settlement.shards {
                        0 => self.chunks(&settlement, Lane::MAIN).await? == Ended::Closed,
                        _ => self.in_shards(&settlement).await?,
                    };
                    if !is_in {
                        self.report.more = true;
                        return Ok((self.report, settlement));
                    }
                    self.end(settlement).await?
                }
                // The ledger may have been set right since.
                SettlementStatus::Failed => {
                    self.compare_anew(&settlement).await?;
                    self.end(settlement).await?
                }
                SettlementStatus::Completed => settlement,
            };
            if ended.status == SettlementStatus::Running {
                // A shard turned out not to be done.
                self.report.more = true;
                return Ok((self.report, ended));
            }
            if ended.day >= day {
                if ended.status == SettlementStatus::Completed {
                    self.gateway.job_succeeded(JOB, None).await?;
                }
                return Ok((self.report, ended));
            }
        }
    }

    /// What is unfinished, or the settlement of `day`, made if it is not there.
    async fn take_up(&self, day: SettlementDay) -> Result<Settlement, Error> {
        let settlements = &self.gateway.ports.stores.settlements;
        for _ in 0..RACES {
            if let Some(found) = self.bounded(|| settlements.unfinished_settlement()).await? {
                let resumed = found.resumed();
                if self.put(&resumed).await? {
                    tracing::warn!(
                        event = "settlement_resumed",
                        settlement = %resumed.id,
                        date = %resumed.day.date(),
                        resumed = resumed.resumed,
                        "a settlement was found unfinished; this run goes on with it"
                    );
                    metrics::counter!("settlement_runs_total", "outcome" => "resumed").increment(1);
                    return Ok(resumed);
                }
                continue;
            }
            let latest = self.bounded(|| settlements.latest_settlement(Date::MAX)).await?;
            if let Some(latest) = latest.as_ref().filter(|latest| latest.day >= day) {
                return Ok(latest.clone());
            }
            let (id, now) = (self.gateway.settlement_id(), self.gateway.now());
            let shards = if self.gateway.ports.shards.is_there() { SHARDS } else { 0 };
            let opened = Settlement::open(id, day, latest.map(|latest| latest.id), now).in_shards(shards);
            if self.put(&opened).await? {
                tracing::info!(settlement = %id, date = %day.date(), cutoff = %day.cutoff(), "a settlement begins");
                return Ok(opened);
            }
        }
        Err(Error::Internal)
    }

    /// Commits chunk after chunk of `lane`.
    async fn chunks(&mut self, settlement: &Settlement, lane: Lane) -> Result<Ended, Error> {
        let (mut number, mut checkpoint) = self.progress(settlement.id, lane).await?;
        let mut page = self.read(settlement, lane, checkpoint).await?;
        while checkpoint != Checkpoint::Closed {
            if self.is_over() {
                return Ok(Ended::TimeOver);
            }
            let next = self.behind(settlement, &page, checkpoint);
            if page.is_empty() && next != Checkpoint::Closed {
                (page, checkpoint) = (self.read(settlement, lane, next).await?, next);
                continue;
            }
            let draft = self.build(settlement, page).await?;
            self.gateway.ports.fail_points.pass(FailPoint::BeforeChunk);
            let commit = self.commit_draft(settlement.id, number + 1, next, draft);
            let following = self.read(settlement, lane, next);
            let (committed, following) = if let Checkpoint::Refunds(_) = next {
                // Two refunds of one payment may stand on two pages, and the first changes what the second is read with.
                (commit.await, following.await)
            } else {
                // What comes next is read meanwhile: one page ahead, never more.
                future::join(commit, following).await
            };
            if let Some(chunk) = committed? {
                self.gateway.ports.fail_points.pass(FailPoint::AfterChunk);
                self.record(&chunk);
                (number, checkpoint, page) = (number + 1, next, following?);
                self.gateway.ports.time.sleep(self.gateway.settings.settlement_pause).await;
            } else if lane == Lane::MAIN {
                // Another run is at it, too: this one goes on behind it.
                (number, checkpoint) = self.progress(settlement.id, lane).await?;
                page = self.read(settlement, lane, checkpoint).await?;
            } else {
                // Its message came twice: one of the two is enough.
                return Ok(Ended::AnotherIsAtIt);
            }
        }
        Ok(Ended::Closed)
    }

    /// The last chunk's number in `lane`, and what comes behind it.
    async fn progress(&self, id: SettlementId, lane: Lane) -> Result<(u32, Checkpoint), Error> {
        let last = self.bounded(|| self.gateway.ports.stores.settlement_chunks.last_chunk(id, lane)).await?;
        let start = if lane == Lane::MAIN { Checkpoint::START } else { Checkpoint::Payments(None) };
        Ok(last.unwrap_or((lane.before(), start)))
    }

    fn is_over(&self) -> bool {
        self.gateway.ports.time.monotonic().saturating_sub(self.started) >= self.budget
    }

    /// Writes the settlement's record. `false`: somebody else was faster, or this very record is there already.
    async fn put(&self, settlement: &Settlement) -> Result<bool, Error> {
        self.bounded(|| self.gateway.ports.stores.settlements.put_settlement(settlement)).await
    }

    /// What the store says, asked again where it is away for a while, within the run's time.
    async fn bounded<T, F: Future<Output = Result<T, StoreError>>>(&self, work: impl Fn() -> F) -> Result<T, Error> {
        self.gateway.patiently(self.started.saturating_add(self.budget), || self.once(work())).await
    }

    /// What the store says, asked once.
    async fn once<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, Error> {
        Ok(self.gateway.within_store_time(CHUNK_WITHIN, work).await?)
    }

    /// Where a lane is once `page`, read at `checkpoint`, is in it: a page that is not full was its part's last.
    fn behind(&self, settlement: &Settlement, page: &Page, checkpoint: Checkpoint) -> Checkpoint {
        if page.len() >= self.page_size() {
            return page.end().unwrap_or(checkpoint);
        }
        match checkpoint {
            // The rest is the shards'.
            Checkpoint::CarriedOver(_) if settlement.shards > 0 => Checkpoint::Closed,
            Checkpoint::CarriedOver(_) => Checkpoint::Payments(None),
            Checkpoint::Payments(_) => Checkpoint::Refunds(None),
            Checkpoint::Refunds(_) | Checkpoint::Closed => Checkpoint::Closed,
        }
    }
}
