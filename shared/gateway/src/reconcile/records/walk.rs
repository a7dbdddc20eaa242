//! The walk over a period: the provider's records page by page, then what of ours should be among them. After every page the place is
//! kept, so that a run that is cut off anywhere is taken up there; what it did after that is done again, and does no harm twice.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use tollgate_domain::{ProviderRecord, Timestamp};

use super::{
    Round,
    compare::{Verdict, compare},
    ours::kept,
    place::{Next, Place},
    subject::Subject,
};
use crate::{
    Error, Gateway, JobReport,
    ports::{
        Provider, ProviderRecords,
        audit::JobState,
        provider_records::{RecordPage, Records, RecordsAsk},
    },
};

/// Records that are compared at once.
const AT_ONCE: usize = 8;
/// Movements of ours that one read brings.
const PAGE: u32 = 100;
/// More pages are not read of one part: a provider whose pages never end is not followed for ever.
const PAGES_AT_MOST: u32 = 5_000;
/// The shortest part that is asked for where a provider finds longer ones too long.
const SHORTEST_STEP: Duration = Duration::from_secs(60);
/// How often a page is asked for.
const TRIES: u32 = 3;

/// Why a walk ended before its end.
pub(super) enum Stopped {
    Store(Error),
    /// The provider gave no page that can be read.
    Provider {
        /// For the report.
        why: &'static str,
        /// For the log.
        reason: String,
    },
}

impl<E: Into<Error>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}

impl Gateway {
    /// Walks until all is done or the time is over.
    pub(super) async fn walk(
        &self,
        provider: Arc<dyn Provider>,
        round: Round,
        report: &mut JobReport,
    ) -> Result<(), Stopped> {
        let Some(records) = provider.records() else { return Ok(()) };
        let row = round.spell.row(round.provider);
        let state = self.asked_patiently(round.until, || self.ports.stores.audit.job(row)).await?;
        let mut last = state.cursor.as_deref().and_then(Place::read);
        let waits_for = if round.everything { Duration::ZERO } else { records.known_after() };
        let known = round.now.checked_sub(waits_for).unwrap_or(Timestamp::MIN);
        while let Some(mut place) = round.spell.next(last.as_ref(), known, records.longest_period(), round.everything) {
            while place.next != Next::Nothing {
                if self.ports.time.monotonic() >= round.until {
                    report.more = true;
                    return Ok(());
                }
                let went = self.go_on(records, &mut place, round, report).await;
                let state = JobState { cursor: Some(place.write()), last_success_at: state.last_success_at };
                self.asked_patiently(round.until, || self.ports.stores.audit.put_job(row, &state)).await?;
                went?;
            }
            last = Some(place);
        }
        Ok(())
    }

    /// One page further.
    async fn go_on(
        &self,
        records: &dyn ProviderRecords,
        place: &mut Place,
        round: Round,
        report: &mut JobReport,
    ) -> Result<(), Stopped> {
        match place.next.clone() {
            Next::Records(from, cursor) => self.read_page(records, place, (from, cursor), round, report).await?,
            Next::Captured(after) => {
                let books = &self.ports.stores.record_books;
                let asked = || books.captured_between(round.provider, place.ours, after, PAGE);
                let page = self.asked_patiently(round.until, asked).await?;
                report.saw += page.len() as u64;
                let is_last = page.len() < PAGE as usize;
                let next = if is_last { Next::Refunds(None) } else { Next::Captured(page.last().copied()) };
                self.look_for_captures(page, round, report).await?;
                place.next = next;
            }
            Next::Refunds(after) => {
                let books = &self.ports.stores.record_books;
                let page = self.asked_patiently(round.until, || books.refunds_between(place.ours, after, PAGE)).await?;
                report.saw += page.len() as u64;
                let is_last = page.len() < PAGE as usize;
                let next = if is_last { Next::Nothing } else { Next::Refunds(page.last().copied()) };
                self.look_for_refunds(page, round, report).await?;
                place.next = next;
            }
            Next::Nothing => {}
        }
        Ok(())
    }

    async fn read_page(
        &self,
        records: &dyn ProviderRecords,
        place: &mut Place,
        (from, cursor): (Timestamp, Option<String>),
        round: Round,
        report: &mut JobReport,
    ) -> Result<(), Stopped> {
        let end = place.end_of_step(from);
        if place.pages >= PAGES_AT_MOST {
            (place.pages, place.next) = (0, Next::Records(from, None));
            let reason = format!("more than {PAGES_AT_MOST} pages of one period");
            return Err(Stopped::Provider { why: "endless", reason });
        }
        let page = match self.ask_for(records, (from, end), cursor.as_deref()).await {
            Records::Page(page) => page,
            Records::TooMany if place.step > SHORTEST_STEP => {
                (place.step, place.pages) = ((place.step / 2).max(SHORTEST_STEP), 0);
                place.next = Next::Records(from, None);
                return Ok(());
            }
            Records::TooMany => {
                let reason = "too many records of the shortest period".to_owned();
                return Err(Stopped::Provider { why: "too_many", reason });
            }
            Records::Failed { reason } => return Err(Stopped::Provider { why: "provider_unreachable", reason }),
        };
        let next = page.next.clone();
        self.match_page(page, round, report).await?;
        place.pages += 1;
        place.next = if let Some(next) = next {
            Next::Records(from, Some(next))
        } else {
            place.pages = 0;
            if end >= place.walked.1 { Next::Captured(None) } else { Next::Records(end, None) }
        };
        Ok(())
    }

    /// Asks again where there was no answer: what is rationed or away for a moment is no reason to come back in an hour.
    async fn ask_for(
        &self,
        records: &dyn ProviderRecords,
        (from, until): (Timestamp, Timestamp),
        cursor: Option<&str>,
    ) -> Records {
        let ask = RecordsAsk { from, until, cursor, timeout: self.settings.provider_timeout };
        let mut wait = self.settings.job_retry;
        for _ in 1..TRIES {
            match records.records_of(ask).await.answer {
                Records::Failed { reason } => {
                    tracing::info!(reason, "a page of a provider's records is asked for again");
                    self.ports.time.sleep(wait).await;
                    wait *= 2;
                }
                answer => return answer,
            }
        }
        records.records_of(ask).await.answer
    }

    async fn match_page(&self, page: RecordPage, round: Round, report: &mut JobReport) -> Result<(), Stopped> {
        report.saw += page.records.len() as u64;
        let judged = page.records.into_iter().map(|record| self.judge(record, round));
        let judged: Vec<_> = stream::iter(judged).buffered(AT_ONCE).try_collect().await?;
        let mut count = |outcome: &'static str, by: u64| {
            *report.did.entry(outcome).or_default() += by;
            metrics::counter!("provider_records_total", "provider" => round.provider.as_str(), "outcome" => outcome)
                .increment(by);
        };
        if page.others > 0 {
            count("others", page.others);
        }
        for verdict in &judged {
            match verdict {
                None => count("not_ours", 1),
                Some(Verdict::Matched) => count("matched", 1),
                Some(Verdict::InMotion) => count("in_motion", 1),
                Some(Verdict::Differs(_)) => count("differs", 1),
            }
        }
        for verdict in judged.into_iter().flatten() {
            if let Verdict::Differs(found) = verdict {
                self.note(*found, round, report).await?;
            }
        }
        Ok(())
    }

    /// Compares one record; `None`: it is nobody's of ours.
    pub(super) async fn judge(&self, record: ProviderRecord, round: Round) -> Result<Option<Verdict>, Error> {
        let provider = round.provider;
        let Some(payment) = self.owner_of(provider, &record).await? else { return Ok(None) };
        let record = &ProviderRecord { payment: Some(payment), ..record };
        let first = self.ours_for(provider, record, payment).await?;
        let verdict = compare(provider, record, &first);
        // What says the same but for who else may say it, and what came back, is kept: the first of each.
        let subject = Subject::of(record).filter(|_| record.state == tollgate_domain::RecordState::Completed);
        let keeps = !is_of_another(&verdict);
        let Some(subject) = subject.filter(|_| keeps && first.payment.is_some()) else { return Ok(Some(verdict)) };
        let books = &self.ports.stores.record_books;
        let row = [kept(provider, subject, record)];
        let holder = self.asked_patiently(round.until, || books.keep_records(&row)).await?.pop();
        let ours = super::ours::Ours { holder, ..first };
        Ok(Some(compare(provider, record, &ours)))
    }
}

/// Whether the record is of something that has another record, or none: it does not count as ours.
fn is_of_another(verdict: &Verdict) -> bool {
    use tollgate_domain::ExceptionKind::{Duplicate, MissingHere};
    matches!(verdict, Verdict::Differs(found) if matches!(found.kind, Duplicate | MissingHere))
}
