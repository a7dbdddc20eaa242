//! Exceptions as they are noted: opened once, aged by every run that finds them again, and resolved by the first one that does not.

use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};
use tollgate_domain::{
    Exception, ExceptionId, ExceptionKind, ProviderName, Timestamp,
    exception::{Found, Resolution},
};

use super::{
    Round,
    acts::{Noted, note_exception},
    compare::Verdict,
};
use crate::{Error, Gateway, JobReport};

/// Exceptions that one read brings.
const PAGE: u32 = 100;

/// The id of what does not agree: the same of the same.
pub fn exception_id(provider: ProviderName, kind: ExceptionKind, record: &str) -> ExceptionId {
    let mut sha = Sha256::new();
    for part in [provider.as_str(), kind.as_str(), record] {
        sha.update(part.as_bytes());
        sha.update([0]);
    }
    let digest: [u8; 32] = sha.finalize().into();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    ExceptionId::from_random(id)
}

impl Gateway {
    /// Notes what was found.
    pub(super) async fn note(&self, found: Found, round: Round, report: &mut JobReport) -> Result<(), Error> {
        let exceptions = self.ports.stores.exceptions.as_ref();
        let asked = AtomicBool::new(false);
        let note = || {
            let again = asked.swap(true, Ordering::Relaxed);
            let noted = note_exception(exceptions, &found, round.job(), round.now);
            async move {
                Ok(match noted.await? {
                    // The try before opened it, and its answer was lost: nobody has told of it yet.
                    Noted::StillOpen(open) if again && open.first_seen == round.now => Noted::Opened(open),
                    noted => noted,
                })
            }
        };
        match self.asked_patiently(round.until, note).await? {
            Noted::Opened(exception) => tell(&exception, report),
            Noted::StillOpen(_) => report.did("still_open"),
            Noted::Settled => {}
        }
        Ok(())
    }

    /// Looks at every open exception of this provider again: what both say the same of by now is resolved.
    pub(super) async fn look_again(&self, round: Round, report: &mut JobReport) -> Result<(), Error> {
        let exceptions = &self.ports.stores.exceptions;
        let mut after: Option<(Timestamp, ExceptionId)> = None;
        loop {
            let page = self.asked_patiently(round.until, || exceptions.exceptions(true, after, PAGE)).await?;
            for exception in &page {
                after = Some((exception.first_seen, exception.id));
                if exception.provider != round.provider {
                    continue;
                }
                if self.ports.time.monotonic() >= round.until {
                    report.more = true;
                    return Ok(());
                }
                self.look_again_at(exception, round, report).await?;
            }
            if page.len() < PAGE as usize {
                return Ok(());
            }
        }
    }

    async fn look_again_at(&self, open: &Exception, round: Round, report: &mut JobReport) -> Result<(), Error> {
        let verdict = if open.kind == ExceptionKind::MissingThere {
            self.still_missing(&open.record, round).await?
        } else {
            self.judge(open.record.clone(), round).await?.unwrap_or(Verdict::InMotion)
        };
        match verdict {
            Verdict::InMotion => Ok(()),
            Verdict::Matched => self.matched(open, "both say the same", round, report).await,
            Verdict::Differs(found) if found.kind == open.kind => {
                // The run that opened it has told of it.
                if open.last_seen < round.now { self.note(*found, round, report).await } else { Ok(()) }
            }
            Verdict::Differs(found) => {
                let why = format!("it differs otherwise now: {}", found.kind.as_str());
                self.note(*found, round, report).await?;
                self.matched(open, &why, round, report).await
            }
        }
    }

    async fn matched(&self, open: &Exception, why: &str, round: Round, report: &mut JobReport) -> Result<(), Error> {
        let Some((after, change)) = open.resolve(Resolution::Matched, round.job(), why, round.now) else {
            return Ok(());
        };
        let exceptions = &self.ports.stores.exceptions;
        if self.asked_patiently(round.until, || exceptions.put_exception(&after, Some(&change))).await? {
            report.did("resolved");
            tracing::info!(exception = %open.id, kind = open.kind.as_str(), why, "an exception resolved itself");
        }
        // Else somebody changed it meanwhile: the next run looks at it again.
        Ok(())
    }
}

fn tell(exception: &Exception, report: &mut JobReport) {
    let (kind, record) = (exception.kind.as_str(), &exception.record);
    let payment = record.payment.map(|id| id.to_string());
    let ours = exception.our_state.as_str();
    tracing::error!(exception = %exception.id, provider = %exception.provider, record = record.id, payment, ours,
        event = "reconciliation_discrepancy", kind,
        "a provider's own records differ from our books; a person has to look");
    metrics::counter!("reconciliation_discrepancies", "kind" => kind).increment(1);
    report.could_not(kind);
}
