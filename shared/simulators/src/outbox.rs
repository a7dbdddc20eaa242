//! The webhooks of one provider that are not delivered yet: in which order, when again, and when to give up.
//!
//! Pure: whoever sends them takes what is due and says how it went.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Event, FaultKind, faults::Faults, journal::Entry};

/// The waits between the tries of one webhook, on the business clock; the last one repeats.
const RETRY_AFTER_SECONDS: [i64; 7] = [5, 30, 5 * 60, 30 * 60, 2 * 3600, 6 * 3600, 12 * 3600];
/// No try is made later than this after the first.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(72);

/// Where a provider sends its webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// An absolute URL.
    pub url: String,
    /// What the webhooks are signed with.
    pub secret: String,
}

/// One webhook, ready to be sent.
#[derive(Debug)]
pub struct Webhook {
    /// The id of its event.
    pub event_id: String,
    /// Where to.
    pub url: String,
    /// The signature and what else the provider sends along.
    pub headers: HeaderMap,
    /// The signed bytes.
    pub body: std::sync::Arc<str>,
}

/// A webhook as the journal keeps it: the event itself is in the provider's records.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Parked {
    pub(crate) event_id: String,
    /// Milliseconds since the epoch.
    pub(crate) born_ms: i64,
    pub(crate) tries: usize,
    /// Milliseconds since the epoch; none: as soon as possible.
    pub(crate) next_ms: Option<i64>,
}

/// The webhooks that a journal leaves undelivered, gathered as it is read.
#[derive(Debug, Default)]
pub(crate) struct Undelivered {
    by_place: BTreeMap<usize, Parked>,
    places: HashMap<String, usize>,
}

impl Undelivered {
    /// A webhook was posted, or tried in vain.
    pub(crate) fn note(&mut self, parked: Parked) {
        let next = self.places.len();
        let place = *self.places.entry(parked.event_id.clone()).or_insert(next);
        self.by_place.insert(place, parked);
    }

    /// A webhook needs no more tries.
    pub(crate) fn settle(&mut self, event_id: &str) {
        if let Some(place) = self.places.get(event_id) {
            self.by_place.remove(place);
        }
    }

    pub(crate) fn in_order(self) -> impl Iterator<Item = Parked> {
        self.by_place.into_values()
    }
}

#[derive(Debug)]
struct Letter {
    event: Event,
    born: Timestamp,
    tries: usize,
    /// How often it is to be sent: twice where a fault says so.
    copies: u32,
    next: Option<Timestamp>,
}

impl Letter {
    fn parked(&self) -> Parked {
        Parked {
            event_id: self.event.id.clone(),
            born_ms: self.born.as_millisecond(),
            tries: self.tries,
            next_ms: self.next.map(Timestamp::as_millisecond),
        }
    }
}

/// Undelivered webhooks.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) endpoint: Option<Endpoint>,
    letters: HashMap<String, Letter>,
    /// Not tried yet, in order.
    fresh: VecDeque<String>,
    /// Payments with a first try under way, and what waits behind it.
    busy: HashMap<String, VecDeque<String>>,
    /// Tried before, by when to try again.
    again: BTreeSet<(Timestamp, String)>,
    /// Held back until the next webhook of the same payment, by payment.
    held: HashMap<String, String>,
    /// Of those, the ones that nobody was told of.
    newly_held: Vec<String>,
    sending: usize,
}

impl Outbox {
    /// Takes in an event, playing the faults that meet it. Without an endpoint there is nobody to tell.
    pub(crate) fn push(&mut self, event: Event, now: Timestamp, faults: &mut Faults) -> Option<Entry> {
        self.endpoint.as_ref()?;
        let payment = event.payment.clone();
        let waiting = self.held.remove(&payment);
        // The first event of a payment is of no use to hold back: nothing can overtake it that matters.
        let may_hold = waiting.is_none() && !event.kind.ends_with(".created");
        let fault = faults.take_for_webhook(may_hold);
        let id = event.id.clone();
        let entry = (fault != Some(FaultKind::DropWebhooks)).then(|| {
            let copies = if fault == Some(FaultKind::DuplicateWebhooks) { 2 } else { 1 };
            let letter = Letter { event, born: now, tries: 0, copies, next: None };
            let entry = Entry::Pending(letter.parked());
            self.letters.insert(id.clone(), letter);
            if fault == Some(FaultKind::ReorderWebhooks) {
                self.newly_held.push(id.clone());
                self.held.insert(payment, id);
            } else {
                self.fresh.push_back(id);
            }
            entry
        });
        self.fresh.extend(waiting);
        entry
    }

    /// Events that were held back since the last call.
    pub(crate) fn take_newly_held(&mut self) -> Vec<String> {
        std::mem::take(&mut self.newly_held)
    }

    /// Lets a held event go, because nothing followed it.
    pub(crate) fn release(&mut self, event_id: &str) {
        let payment = self.letters.get(event_id).map(|letter| letter.event.payment.clone());
        if let Some(payment) = payment
            && self.held.get(&payment).is_some_and(|held| held == event_id)
            && let Some(id) = self.held.remove(&payment)
        {
            self.fresh.push_back(id);
        }
    }

    /// Takes one webhook that is due at `now`. It is under way until [`settle`](Self::settle).
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<Event> {
        self.endpoint.as_ref()?;
        let id = self.take_fresh().or_else(|| self.take_again(now))?;
        let letter = self.letters.get_mut(&id)?;
        letter.tries += 1;
        letter.next = None;
        self.sending += 1;
        Some(letter.event.clone())
    }

    fn take_fresh(&mut self) -> Option<String> {
        while let Some(id) = self.fresh.pop_front() {
            let Some(letter) = self.letters.get(&id) else { continue };
            if let Some(line) = self.busy.get_mut(&letter.event.payment) {
                line.push_back(id);
                continue;
            }
            self.busy.insert(letter.event.payment.clone(), VecDeque::new());
            return Some(id);
        }
        None
    }

    fn take_again(&mut self, now: Timestamp) -> Option<String> {
        let first = self.again.first().filter(|(due, _)| *due <= now)?.clone();
        self.again.remove(&first);
        Some(first.1)
    }

    /// A try ended: `delivered`, or not.
    pub(crate) fn settle(&mut self, event_id: &str, delivered: bool, now: Timestamp) -> Option<Entry> {
        self.sending -= 1;
        let mut letter = self.letters.remove(event_id)?;
        if letter.tries == 1
            && let Some(line) = self.busy.remove(&letter.event.payment)
        {
            line.into_iter().rev().for_each(|id| self.fresh.push_front(id));
        }
        if delivered {
            letter.copies -= 1;
            if letter.copies == 0 {
                return Some(Entry::Settled(letter.event.id));
            }
            letter.next = Some(now);
        } else {
            let wait = RETRY_AFTER_SECONDS[(letter.tries - 1).min(RETRY_AFTER_SECONDS.len() - 1)];
            let next = now + SignedDuration::from_secs(wait);
            if next.duration_since(letter.born) > GIVE_UP_AFTER {
                tracing::warn!(event = letter.event.id, tries = letter.tries, "a webhook was given up");
                return Some(Entry::Settled(letter.event.id));
            }
            letter.next = Some(next);
        }
        let entry = Entry::Pending(letter.parked());
        self.again.extend(letter.next.map(|next| (next, letter.event.id.clone())));
        self.letters.insert(letter.event.id.clone(), letter);
        Some(entry)
    }

    /// Is nothing under way, waiting or due at `now`?
    pub(crate) fn is_quiet(&self, now: Timestamp) -> bool {
        self.sending == 0
            && self.held.is_empty()
            && (self.endpoint.is_none() || (self.fresh.is_empty() && self.next_due().is_none_or(|due| due > now)))
    }

    /// When the next retry is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.again.first().map(|(due, _)| *due)
    }

    /// Takes a webhook back from the journal.
    pub(crate) fn restore(&mut self, parked: &Parked, event: Event) {
        let time = |ms| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let letter = Letter {
            event,
            born: time(parked.born_ms),
            tries: parked.tries,
            copies: 1,
            next: parked.next_ms.map(time),
        };
        let id = parked.event_id.clone();
        match letter.next {
            Some(next) => {
                self.again.insert((next, id.clone()));
            }
            None => self.fresh.push_back(id.clone()),
        }
        self.letters.insert(id, letter);
    }

    /// What the journal has to hold for the present state.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Entry> + '_ {
        let undelivered = self.fresh.iter().chain(self.again.iter().map(|(_, id)| id));
        self.endpoint
            .clone()
            .map(Entry::Endpoint)
            .into_iter()
            .chain(undelivered.filter_map(|id| self.letters.get(id)).map(|letter| Entry::Pending(letter.parked())))
    }
}
