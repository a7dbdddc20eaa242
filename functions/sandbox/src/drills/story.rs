//! A drill's story: what was wrong, what is played, what the gateway did at which second, and what was checked.
//!
//! Lines come from what was seen: a payment's own timeline and its webhooks, an answer, a metric, a process. Must not know: any drill.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, bail};
use futures::future::join;
use jiff::Timestamp;
use serde_json::Value;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::{findings::Finding, wording};
use crate::{client::Client, demo::say, serve::ClockMode};

/// Whoever is followed is looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Among so many payments the new one is looked for.
const LOOKED_AMONG: &str = "/v1/payments?limit=100";

/// The story of one drill. A copy tells the same story.
#[derive(Clone)]
pub(crate) struct Story(Rc<Told>);

struct Told {
    finding: &'static Finding,
    clock: SystemClock,
    /// When the drill began, on that clock.
    began: Cell<Duration>,
    /// Where the drilled processes log.
    log: PathBuf,
    /// Where the sandbox keeps what its clock shows.
    sandbox_clock: RefCell<PathBuf>,
    /// Of each payment that was told of, what was told.
    payments: RefCell<BTreeMap<String, BTreeSet<String>>>,
    checked: RefCell<Vec<String>>,
    has_begun: Cell<bool>,
    /// What was told already is played again, and only counted.
    is_quiet: Cell<bool>,
}

impl Story {
    /// Says which finding it is, what happened before, and what is played.
    pub(super) fn begin(finding: &'static Finding) -> anyhow::Result<Self> {
        say(&format!("{}  {}", finding.number, finding.title))?;
        for (what, text) in [("What happened before", finding.before), ("What is played", finding.played)] {
            say(&format!("  {what}"))?;
            say(&wording::wrapped(text, 4))?;
        }
        let log = format!("tollgate-drill-{}-{}.log", finding.number, std::process::id());
        Ok(Self(Rc::new(Told {
            finding,
            clock: SystemClock::start(),
            began: Cell::default(),
            log: std::env::temp_dir().join(log),
            sandbox_clock: RefCell::default(),
            payments: RefCell::default(),
            checked: RefCell::default(),
            has_begun: Cell::new(false),
            is_quiet: Cell::new(false),
        })))
    }

    /// Where the drilled processes log.
    pub(super) fn log(&self) -> &Path {
        &self.0.log
    }

    /// What came before was no part of it: the drill begins now.
    pub(super) fn begins_now(&self) {
        self.0.began.set(self.0.clock.monotonic());
    }

    /// The sandbox's data are there: its clock is shown beside the real time.
    pub(super) fn looks_at_the_clock_of(&self, data: &Path) {
        *self.0.sandbox_clock.borrow_mut() = data.join("clock");
    }

    /// Says what somebody did, or what was seen, now.
    pub(crate) fn tell(&self, who: &str, what: impl Display) -> anyhow::Result<()> {
        self.line(self.clock_moved(), who, &what.to_string())
    }

    /// The same where time is the drill's own.
    pub(super) fn tell_at(&self, simulated: Duration, who: &str, what: impl Display) -> anyhow::Result<()> {
        self.line(simulated, who, &what.to_string())
    }

    /// From here on nothing is told, for it was told before of another one; or it is again.
    pub(super) fn quiet(&self, is_quiet: bool) {
        self.0.is_quiet.set(is_quiet);
    }

    fn line(&self, simulated: Duration, who: &str, what: &str) -> anyhow::Result<()> {
        if self.0.is_quiet.get() {
            return Ok(());
        }
        if !self.0.has_begun.replace(true) {
            say(
                "  What the gateway did (real time since the begin; by how much the simulated clock is ahead; who; what)",
            )?;
        }
        say(&wording::line(self.0.clock.monotonic().saturating_sub(self.0.began.get()), simulated, who, what))
    }

    /// By how much the sandbox's clock was moved since the begin.
    fn clock_moved(&self) -> Duration {
        let shown = fs::read_to_string(&*self.0.sandbox_clock.borrow()).ok();
        shown.and_then(|shown| shown.trim().parse().ok()).map(since_noon).unwrap_or_default()
    }

    /// Moves the sandbox's clock, and says so.
    pub(crate) async fn later(&self, client: &Client, seconds: u64) -> anyhow::Result<()> {
        let by = wording::span(Duration::from_secs(seconds));
        self.tell("clock", format!("is moved on by {by}, and what is due meanwhile is done"))?;
        client.advance(seconds).await
    }

    /// Tells what is new of a payment: in its timeline, and of its webhooks to the merchant.
    pub(crate) async fn payment(&self, client: &Client, id: &str) -> anyhow::Result<()> {
        let (timeline, deliveries) = join(client.timeline(id), client.deliveries(id)).await;
        let mut entries = timeline?;
        entries.extend(deliveries?.iter().flat_map(wording::tries));
        let mut new: Vec<_> = {
            let mut payments = self.0.payments.borrow_mut();
            let told = payments.entry(id.to_owned()).or_default();
            entries.into_iter().filter(|entry| told.insert(entry.to_string())).collect()
        };
        new.sort_by_key(at);
        for run in new.chunk_by(wording::is_the_same) {
            // Of many in a row the first and the last are told.
            let (first, last) = (&run[0], &run[run.len() - 1]);
            self.entry(id, first, "")?;
            match run.len() {
                1 => {}
                2 => self.entry(id, last, "")?,
                many => self.entry(id, last, &format!(" (and {} more between)", many - 2))?,
            }
        }
        Ok(())
    }

    fn entry(&self, id: &str, entry: &Value, more: &str) -> anyhow::Result<()> {
        let (who, what) = wording::entry(entry);
        let simulated = at(entry).map(since_noon).unwrap_or_default();
        self.line(simulated, &who, &format!("{}  {what}{more}", wording::short(id)))
    }

    /// Was something told of it?
    pub(super) fn knows(&self, id: &str) -> bool {
        self.0.payments.borrow().contains_key(id)
    }

    /// Tells of a payment through `provider` that is made while `going_on` goes on, as it happens; of one, where several are made.
    pub(crate) async fn follow<T>(
        &self,
        client: &Client,
        provider: &str,
        going_on: impl Future<Output = T>,
    ) -> anyhow::Result<T> {
        let known = ids(client, provider).await?;
        let done = Cell::new(false);
        let going_on = async {
            let came = going_on.await;
            done.set(true);
            came
        };
        let look = async {
            let mut new = None;
            // A gateway that dies meanwhile is told of by whoever killed it.
            while !done.get() {
                new = match new {
                    None => ids(client, provider).await.unwrap_or_default().difference(&known).next().cloned(),
                    Some(id) => self.payment(client, &id).await.ok().map(|()| id),
                };
                self.0.clock.sleep(LOOK_EVERY).await;
            }
            new
        };
        let (came, new) = join(going_on, look).await;
        match new {
            Some(id) => self.payment(client, &id).await.map(|()| came),
            None => Ok(came),
        }
    }

    /// Has the job `invariants` look whether the books add up.
    pub(crate) async fn books_add_up(&self, client: &Client) -> anyhow::Result<()> {
        let report = client.run_job("invariants").await?;
        let wrong = report["could_not"].as_object().with_context(|| format!("the job says what is wrong: {report}"))?;
        self.check("the books add up: violated invariants", 0, wrong.len(), wrong.is_empty())
    }

    /// Nobody's money is at Stripe twice.
    pub(crate) async fn charged_once(&self, client: &Client) -> anyhow::Result<()> {
        let (mut charged, mut twice) = (BTreeSet::new(), BTreeSet::new());
        for row in client.transactions("stripe").await? {
            let id = row["payment_id"].to_string();
            if !charged.insert(id.clone()) {
                twice.insert(id);
            }
        }
        let seen = format!(
            "{} of {}{}",
            twice.len(),
            charged.len(),
            twice.first().map(|id| format!(", {id}")).unwrap_or_default()
        );
        self.check("no double charge: payments with more than one transaction at Stripe", 0, seen, twice.is_empty())
    }

    /// A check: what is asked, the figure that is expected, and the one that was seen. An error where it does not hold.
    pub(crate) fn check(
        &self,
        asked: &str,
        expected: impl Display,
        seen: impl Display,
        holds: bool,
    ) -> anyhow::Result<()> {
        if !holds {
            bail!("{asked}: expected {expected}, seen {seen}");
        }
        self.0.checked.borrow_mut().push(wording::checked(asked, &expected.to_string(), &seen.to_string()));
        Ok(())
    }

    /// A check of a number that has to be just that.
    pub(crate) fn check_equal<T: Display + PartialEq>(&self, asked: &str, expected: T, seen: T) -> anyhow::Result<()> {
        let holds = expected == seen;
        self.check(asked, expected, seen, holds)
    }

    /// Says how it ended. Answers the drill's result, with its name where it failed.
    pub(super) fn end(&self, result: anyhow::Result<()>) -> anyhow::Result<()> {
        let number = self.0.finding.number;
        let checked = self.0.checked.borrow();
        say("  The verdict (what the review asks, what is expected, what was seen)")?;
        checked.iter().try_for_each(|check| say(check))?;
        let Err(error) = result else {
            anyhow::ensure!(!checked.is_empty(), "{number} has checked nothing");
            // Nobody wants to read what was provoked.
            _ = fs::remove_file(&self.0.log);
            return say(&format!("{number}: passed\n"));
        };
        say(&wording::failed(&format!("{error:#}")))?;
        if fs::metadata(&self.0.log).is_ok_and(|log| log.len() > 0) {
            say(&format!("    what the drilled processes logged: {}", self.0.log.display()))?;
        }
        say(&format!("{number}: failed\n"))?;
        Err(error).with_context(|| format!("drill {number} failed"))
    }
}

/// The payments through a provider that are there.
pub(super) async fn ids(client: &Client, provider: &str) -> anyhow::Result<BTreeSet<String>> {
    let listed = client.get(LOOKED_AMONG).await?.body;
    let payments = listed["data"].as_array().context("payments are listed")?;
    let payments = payments.iter().filter(|payment| payment["provider"] == provider);
    Ok(payments.filter_map(|payment| payment["id"].as_str()).map(str::to_owned).collect())
}

fn at(entry: &Value) -> Option<Timestamp> {
    entry["at"].as_str()?.parse().ok()
}

/// The sandboxes' clocks begin there.
fn since_noon(at: Timestamp) -> Duration {
    let ClockMode::Simulated { from: Some(noon) } = ClockMode::NOON else { return Duration::ZERO };
    at.duration_since(noon).try_into().unwrap_or_default()
}
