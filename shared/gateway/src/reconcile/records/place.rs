//! How far a job came with a provider's records: which period it walks, and where in it the next run goes on. As text, in the job's row.
//!
//! What is walked is wider than what of ours is looked for in it: a movement and its record need not show the very same second.

use std::time::Duration;

use tollgate_domain::{PaymentId, ProviderName, RefundId, Timestamp};

use super::{PROVIDER_RECORDS, PROVIDER_RECORDS_DAY};

/// So far a movement's time with us and at the provider may be apart.
const APART: Duration = Duration::from_secs(3600);
/// The very first run begins so long ago.
const BEGINS_AGO: Duration = Duration::from_secs(24 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const DAY_SECONDS: i64 = 24 * 3600;
/// Shorter periods are not worth a run.
const SHORTEST: Duration = Duration::from_secs(60);

/// What a run walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spell {
    /// On from where the last one ended.
    Hours,
    /// The days that are over, each once.
    Day,
}

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The records of this period are read.
    pub(super) walked: (Timestamp, Timestamp),
    /// What we say moved in this one is looked for among them.
    pub(super) ours: (Timestamp, Timestamp),
    /// So long is the part that is asked for at once.
    pub(super) step: Duration,
    /// Pages of the present part that were read.
    pub(super) pages: u32,
    /// What is next.
    pub(super) next: Next,
}

/// What is next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// A page of the records from this moment on.
    Records(Timestamp, Option<String>),
    /// What we captured, behind this.
    Captured(Option<(Timestamp, PaymentId)>),
    /// What we gave back, behind this.
    Refunds(Option<(Timestamp, RefundId)>),
    /// All is done.
    Nothing,
}

impl Spell {
    /// The job's name.
    pub(super) const fn job(self) -> &'static str {
        match self {
            Self::Hours => PROVIDER_RECORDS,
            Self::Day => PROVIDER_RECORDS_DAY,
        }
    }

    /// The row that keeps the place of one provider.
    pub(super) const fn row(self, provider: ProviderName) -> &'static str {
        match (self, provider) {
            (Self::Hours, ProviderName::Stripe) => "provider-records/stripe",
            (Self::Hours, ProviderName::Paypal) => "provider-records/paypal",
            (Self::Hours, ProviderName::Bank) => "provider-records/bank",
            (Self::Day, ProviderName::Stripe) => "provider-records-day/stripe",
            (Self::Day, ProviderName::Paypal) => "provider-records-day/paypal",
            (Self::Day, ProviderName::Bank) => "provider-records-day/bank",
        }
    }

    /// Where the next run begins or goes on. `None`: there is nothing to walk yet. `known` is the moment up to which the provider can
    /// be relied on to show everything; `everything`: of ours, too, nothing is waited for.
    pub(super) fn next(
        self,
        last: Option<&Place>,
        known: Timestamp,
        longest: Duration,
        everything: bool,
    ) -> Option<Place> {
        if let Some(place) = last.filter(|place| place.next != Next::Nothing) {
            return Some(place.clone());
        }
        let known = whole_second(known);
        let (walked, ours) = match self {
            Self::Hours => {
                let apart = if everything { Duration::ZERO } else { APART };
                let from = last.map_or_else(|| before(known, BEGINS_AGO), |last| last.walked.1);
                let ours_from = last.map_or_else(|| after(from, APART), |last| last.ours.1);
                let is_long = everything || known >= after(from, SHORTEST);
                (is_long && known > from).then(|| ((from, known), (ours_from, before(known, apart).max(ours_from))))?
            }
            Self::Day => {
                let first = || midnight(before(known, APART + DAY));
                let day = last.map_or_else(first, |last| last.ours.1);
                let next = after(day, DAY);
                let walked = (before(day, APART), after(next, APART));
                (walked.1 <= known).then_some((walked, (day, next)))?
            }
        };
        Some(Place { walked, ours, step: longest, pages: 0, next: Next::Records(walked.0, None) })
    }
}

impl Place {
    /// The end of the part of the records that begins at `from`.
    pub(super) fn end_of_step(&self, from: Timestamp) -> Timestamp {
        after(from, self.step).min(self.walked.1)
    }

    /// As it is kept.
    pub(super) fn write(&self) -> String {
        let micros = |at: Timestamp| at.as_microsecond().to_string();
        let next = match &self.next {
            Next::Records(at, cursor) => vec!["records".to_owned(), micros(*at), cursor.clone().unwrap_or_default()],
            Next::Captured(after) => words("captured", after.map(|(at, id)| (at, id.to_string()))),
            Next::Refunds(after) => words("refunds", after.map(|(at, id)| (at, id.to_string()))),
            Next::Nothing => vec!["nothing".to_owned()],
        };
        let period = [self.walked.0, self.walked.1, self.ours.0, self.ours.1].map(micros).join(" ");
        format!("{period} {} {} {}", self.step.as_secs(), self.pages, next.join(" ").trim_end())
    }

    /// What was written; `None` where it does not read as that: then the walk begins anew, and does no harm twice.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut time = || Timestamp::from_microsecond(words.next()?.parse().ok()?).ok();
        let (walked, ours) = ((time()?, time()?), (time()?, time()?));
        let (step, pages) = (Duration::from_secs(words.next()?.parse().ok()?), words.next()?.parse().ok()?);
        let part = words.next()?;
        let at = words.next().map(|at| Timestamp::from_microsecond(at.parse().ok()?).ok());
        let id = words.next();
        let next = match (part, at) {
            ("records", Some(at)) => Next::Records(at?, id.map(ToOwned::to_owned)),
            ("captured", None) => Next::Captured(None),
            ("captured", Some(at)) => Next::Captured(Some((at?, id?.parse().ok()?))),
            ("refunds", None) => Next::Refunds(None),
            ("refunds", Some(at)) => Next::Refunds(Some((at?, id?.parse().ok()?))),
            ("nothing", None) => Next::Nothing,
            _ => return None,
        };
        (words.next().is_none() && !step.is_zero()).then_some(Self { walked, ours, step, pages, next })
    }
}

fn words(part: &str, after: Option<(Timestamp, String)>) -> Vec<String> {
    let after = after.into_iter().flat_map(|(at, id)| [at.as_microsecond().to_string(), id]);
    [part.to_owned()].into_iter().chain(after).collect()
}

fn before(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

fn after(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Providers' times are whole seconds.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The beginning of its day, UTC.
fn midnight(at: Timestamp) -> Timestamp {
    let seconds = at.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(DAY_SECONDS)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_place_reads_back_as_what_was_written() {
        let place = Spell::Hours.next(None, NOW, HOUR, false).unwrap();
        let (payment, refund) = (PaymentId::from_random([7; 16]), RefundId::from_random([8; 16]));
        for next in [
            Next::Records(NOW, None),
            Next::Records(NOW, Some("txn_1".to_owned())),
            Next::Captured(None),
            Next::Captured(Some((NOW, payment))),
            Next::Refunds(None),
            Next::Refunds(Some((NOW, refund))),
            Next::Nothing,
        ] {
            let place = Place { next, pages: 3, ..place.clone() };
            assert_eq!(Place::read(&place.write()), Some(place));
        }
        for wrong in ["", "1 2 3", "1 2 3 4 0 0 nothing", "1 2 3 4 60 0 nothing else", "1 2 3 4 60 0 captured 5"] {
            assert_eq!(Place::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn periods_follow_each_other_without_gaps_and_without_overlaps() {
        let first = Spell::Hours.next(None, NOW, HOUR, false).unwrap();
        assert_eq!(
            first.ours,
            (after(first.walked.0, HOUR), before(NOW, HOUR)),
            "as far as records were read around it"
        );
        let done = Place { next: Next::Nothing, ..first.clone() };
        assert_eq!(Spell::Hours.next(Some(&done), after(NOW, Duration::from_secs(59)), HOUR, false), None);
        let second = Spell::Hours.next(Some(&done), after(NOW, HOUR), HOUR, false).unwrap();
        assert_eq!((second.walked.0, second.ours.0), (first.walked.1, first.ours.1));
        let half = Place { pages: 5, ..second };
        assert_eq!(Spell::Hours.next(Some(&half), NOW, HOUR, false), Some(half), "what was begun goes on first");
    }

    #[test]
    fn a_day_is_walked_once_it_is_over_and_known_and_days_that_were_left_out_follow() {
        let first = Spell::Day.next(None, NOW, HOUR, false).unwrap();
        let (day, next) = first.ours;
        assert_eq!((day.as_second() % 86_400, next), (0, after(day, DAY)));
        assert_eq!(first.walked, (before(day, HOUR), after(next, HOUR)));
        assert!(first.walked.1 <= NOW && after(first.walked.1, DAY) > NOW, "the latest that can be");
        let done = Place { next: Next::Nothing, ..first };
        assert_eq!(Spell::Day.next(Some(&done), after(next, DAY), HOUR, false), None, "the next is not known yet");
        let second = Spell::Day.next(Some(&done), after(next, DAY + DAY + DAY), HOUR, false).unwrap();
        assert_eq!(second.ours, (next, after(next, DAY)));
    }
}
