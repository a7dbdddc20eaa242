//! What waits, what is refused, and who is next, on a clock that is moved by hand.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use futures::{future::BoxFuture, task::noop_waker};
use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusBuilder;
use tollgate_gateway::ports::Time;

use super::{Admission, AdmissionSettings, Class, Overloaded, Place, Who};

/// A clock that is moved by hand; whoever sleeps is asked again by being polled.
#[derive(Default)]
struct Clock(AtomicU64);

#[async_trait]
impl Time for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    async fn sleep(&self, time: Duration) {
        let until = self.monotonic() + time;
        std::future::poll_fn(|_| if self.monotonic() >= until { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

struct Gate {
    admission: Admission,
    clock: Arc<Clock>,
}

/// Somebody at the gate.
struct Asker<'a>(BoxFuture<'a, Result<Place, Overloaded>>);

/// How an asker stands.
#[derive(Debug, PartialEq, Eq)]
enum Stands {
    In,
    Waits,
    Refused,
}

impl Asker<'_> {
    /// Answers how it stands, with its place.
    fn look(&mut self) -> (Stands, Option<Place>) {
        let waker = noop_waker();
        match Pin::new(&mut self.0).poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => (Stands::Waits, None),
            Poll::Ready(Ok(place)) => (Stands::In, Some(place)),
            Poll::Ready(Err(Overloaded)) => (Stands::Refused, None),
        }
    }

    fn waits(mut self) -> Self {
        assert_eq!(self.look().0, Stands::Waits);
        self
    }

    fn refused(mut self) {
        assert_eq!(self.look().0, Stands::Refused);
    }

    fn place(mut self) -> Place {
        let (stands, place) = self.look();
        place.unwrap_or_else(|| panic!("{stands:?}"))
    }
}

const LONG: Duration = Duration::from_secs(30);

impl Gate {
    fn new(concurrency: usize, queue: usize, shed_above: usize) -> Self {
        let clock = Arc::new(Clock::default());
        let settings = AdmissionSettings { concurrency, queue, shed_above, ..AdmissionSettings::default() };
        Self { admission: Admission::new(settings, clock.clone()), clock }
    }

    fn asks(&self, class: Class, who: Who) -> Asker<'_> {
        Asker(Box::pin(self.admission.enter(class, who, LONG)))
    }

    fn pass(&self, time: Duration) {
        self.clock.0.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

fn merchant(number: u8) -> Who {
    Who::Merchant([number; 16])
}

/// Merchants enough that none is at its own bound.
fn anybody(number: usize) -> Who {
    merchant(u8::try_from(number % 200).unwrap())
}

#[test]
fn new_payments_leave_places_for_what_is_vital() {
    let gate = Gate::new(8, 100, 50);
    let places: Vec<_> = (0..7).map(|number| gate.asks(Class::New, anybody(number)).place()).collect();
    let _waits = gate.asks(Class::New, anybody(7)).waits();
    let _vital = gate.asks(Class::Vital, anybody(8)).place();
    let _full = gate.asks(Class::Vital, anybody(9)).waits();
    assert_eq!(gate.admission.standing().in_flight, places.len() + 1);
}

#[test]
fn above_the_threshold_new_payments_are_refused_and_what_is_vital_gets_in_until_the_queue_is_full() {
    let gate = Gate::new(2, 100, 50);
    let _places = [gate.asks(Class::New, anybody(0)).place(), gate.asks(Class::Vital, anybody(1)).place()];
    let mut waiting: Vec<_> = (0..50).map(|number| gate.asks(Class::New, anybody(number)).waits()).collect();
    gate.asks(Class::New, anybody(99)).refused();
    waiting.extend((50..100).map(|number| gate.asks(Class::Vital, anybody(number)).waits()));
    assert_eq!(gate.admission.standing().waiting, 100);
    // Full: what is vital takes the place of a new payment, which is told.
    let _vital = gate.asks(Class::Vital, anybody(100)).waits();
    let told = waiting.iter_mut().take(50).filter_map(|asker| matches!(asker.look().0, Stands::Refused).then_some(()));
    assert_eq!(told.count(), 1);
    assert_eq!(gate.admission.standing().waiting, 100);
}

#[test]
fn what_is_vital_goes_first_and_merchants_take_turns() {
    let gate = Gate::new(1, 100, 50);
    let place = gate.asks(Class::New, anybody(0)).place();
    let mut flood: Vec<_> = (0..10).map(|_| gate.asks(Class::New, merchant(1)).waits()).collect();
    let mut other = gate.asks(Class::New, merchant(2)).waits();
    let mut vital = gate.asks(Class::Vital, merchant(1)).waits();
    drop(place);
    assert_eq!(other.look().0, Stands::Waits);
    let (stands, place) = vital.look();
    assert_eq!(stands, Stands::In);
    drop(place);
    let (stands, place) = flood[0].look();
    assert_eq!(stands, Stands::In);
    drop(place);
    assert_eq!(other.look().0, Stands::In, "one of ten, and then the other's turn");
}

#[test]
fn one_merchant_has_half_of_the_places_at_most() {
    let gate = Gate::new(8, 100, 50);
    let _flood: Vec<_> = (0..4).map(|_| gate.asks(Class::New, merchant(1)).place()).collect();
    let _more = gate.asks(Class::New, merchant(1)).waits();
    let _other = gate.asks(Class::New, merchant(2)).place();
}

#[test]
fn the_longest_line_is_cut_for_whoever_has_less() {
    let gate = Gate::new(1, 100, 10);
    let _place = gate.asks(Class::New, anybody(0)).place();
    let mut flood: Vec<_> = (0..10).map(|_| gate.asks(Class::New, merchant(1)).waits()).collect();
    gate.asks(Class::New, merchant(1)).refused();
    let _other = gate.asks(Class::New, merchant(2)).waits();
    flood.pop().unwrap().refused(); // the last to come makes room
    assert_eq!(flood.pop().unwrap().look().0, Stands::Waits);
}

#[test]
fn whoever_would_wait_too_long_is_refused_at_once() {
    let gate = Gate::new(1, 1000, 500);
    let place = gate.asks(Class::New, anybody(0)).place();
    gate.pass(Duration::from_millis(100));
    drop(place);
    let _place = gate.asks(Class::New, anybody(0)).place();
    let _first = gate.asks(Class::New, anybody(1)).waits();
    let _second = gate.asks(Class::New, anybody(2)).waits();
    gate.asks(Class::New, anybody(3)).refused(); // it would be 300 ms
    let _vital = gate.asks(Class::Vital, anybody(3)).waits();
}

#[test]
fn whoever_has_waited_too_long_is_refused_and_nobody_else_waits_for_it() {
    let gate = Gate::new(1, 100, 50);
    let place = gate.asks(Class::New, anybody(0)).place();
    let late = gate.asks(Class::Vital, anybody(1)).waits();
    gate.pass(LONG);
    let next = gate.asks(Class::Vital, anybody(2)).waits();
    late.refused();
    drop(place);
    drop(next.place());
}

#[test]
fn whoever_goes_away_leaves_the_line_and_gives_back_what_was_just_given() {
    let gate = Gate::new(1, 100, 50);
    let place = gate.asks(Class::New, anybody(0)).place();
    drop(gate.asks(Class::New, anybody(1)).waits());
    assert_eq!(gate.admission.standing().waiting, 0);
    let gone = gate.asks(Class::New, anybody(2)).waits();
    let stays = gate.asks(Class::New, anybody(3)).waits();
    drop(place);
    drop(gone);
    drop(stays.place());
    assert_eq!(gate.admission.standing().in_flight, 0);
}

#[test]
fn no_number_of_askers_in_any_order_loses_a_place() {
    let gate = Gate::new(5, 20, 10);
    let classes = [Class::Vital, Class::Other, Class::New];
    let mut askers = Vec::new();
    let mut places = Vec::new();
    let mut random = 1_u64;
    for step in 0..20_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let dice = usize::try_from(random >> 40).unwrap();
        match dice % 5 {
            0 | 1 => askers.push(gate.asks(classes[dice / 5 % 3], merchant(u8::try_from(dice % 4).unwrap()))),
            2 if !askers.is_empty() => drop(askers.swap_remove(dice % askers.len())),
            3 if !places.is_empty() => drop(places.swap_remove(dice % places.len())),
            _ => gate.pass(Duration::from_millis(u64::from(dice % 50 == 0))),
        }
        // The last one may have displaced one that was looked at before it.
        for _ in 0..2 {
            askers.retain_mut(|asker| match asker.look() {
                (Stands::Waits, _) => true,
                (_, place) => {
                    places.extend(place);
                    false
                }
            });
        }
        let standing = gate.admission.standing();
        assert_eq!(standing.in_flight, places.len(), "step {step}");
        assert_eq!(standing.waiting, askers.len(), "step {step}");
        assert!(standing.in_flight <= 5 && standing.waiting <= 20, "{standing:?}");
    }
    drop(askers);
    drop(places);
    assert_eq!((gate.admission.standing().in_flight, gate.admission.standing().waiting), (0, 0));
    drop(gate.asks(Class::New, merchant(9)).place());
}

#[test]
fn who_is_worked_on_is_counted_from_the_beginning_and_not_only_once_somebody_is_done() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let seen = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let gate = Gate::new(4, 10, 10);
        let at_work = |count: usize| assert!(seen.render().contains(&format!("admission_in_flight {count}\n")));
        let places = [gate.asks(Class::New, merchant(1)).place(), gate.asks(Class::Vital, merchant(2)).place()];
        at_work(2);
        drop(places);
        at_work(0);
    });
}
