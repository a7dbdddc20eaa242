//! What a play came to, as figures.

use std::time::Duration;

use super::{
    Play, Played,
    books::Books,
    merchant::{Answer, What},
};
use crate::{
    load::count,
    report::{Report, Target, by_build},
};

/// A breaker is open by then: the first calls have waited as long as they may.
const OPEN_AFTER: Duration = Duration::from_secs(6);
const NONE: Target = Target::AtMost(0.0);

pub(super) fn show(play: &Play, played: &Played, books: &Books, reads_stop: bool, report: &mut Report) {
    let (from, until) = played.away;
    report.figure("the store was away", until.saturating_sub(from).as_secs_f64(), "s");
    let told = play.merchant.told.borrow();
    let meanwhile: Vec<&Answer> = told.iter().filter(|answer| answer.asked >= from && answer.asked < until).collect();
    refusals(&meanwhile, from, report);
    reads(&meanwhile, from, reads_stop, report);
    returned(&told, until, report);
    let [taken, otherwise, kept] = played.webhooks;
    report.figure("the provider's webhooks, all the while", taken + otherwise, "");
    report.target("of them answered otherwise than 2xx", otherwise, "", NONE);
    report.target("of them kept until the store was back", kept, "", Target::AtLeast(1.0));
    report.figure("payments that were compared", count(books.payments), "");
    let figures = [
        ("keys without a final answer", books.unresolved),
        ("payments lost", books.lost),
        ("payments doubled", books.doubled),
        ("charges of refused or unknown payments", books.nobodys),
        ("payments of which gateway and provider differ", books.differ),
    ];
    for (name, value) in figures {
        report.target(name, count(value), "", NONE);
    }
    report.figure("captures that only webhooks told of, each twice", count(books.events), "");
    report.target("of them lost", count(books.events_lost), "", NONE);
    report.target("of them applied more than once", count(books.events_twice), "", NONE);
    report.target("events that wait still, or failed", books.events_waiting, "", NONE);
    report.target("resident, most", played.memory, "MiB", Target::AtMost(160.0));
}

/// What those were told who wanted to change something meanwhile.
fn refusals(meanwhile: &[&Answer], from: std::time::Duration, report: &mut Report) {
    let changes = || meanwhile.iter().filter(|answer| answer.what != What::Read);
    let refused = || changes().filter(|answer| answer.is_store_away());
    report.figure("requests to change something meanwhile", count(changes().count() as u64), "");
    let overloaded = |answer: &&&Answer| answer.is_overloaded();
    let otherwise = |answer: &&&Answer| {
        !answer.is_store_away() && !answer.is_overloaded() && ![200, 201, 409].contains(&answer.status)
    };
    report.figure("refused as overloaded", count(changes().filter(overloaded).count() as u64), "");
    report.target(
        "answered otherwise than 2xx, 409 or 503",
        count(changes().filter(otherwise).count() as u64),
        "",
        NONE,
    );
    let (mut all, mut late): (Vec<f64>, Vec<f64>) = Default::default();
    for answer in refused() {
        all.push(answer.took());
        if answer.asked >= from + OPEN_AFTER {
            late.push(answer.took());
        }
    }
    report.figure("refused", count(all.len() as u64), "");
    let longest = changes().map(|answer| answer.took()).fold(0.0, f64::max);
    report.target("the longest wait for an answer", longest / 1e3, "s", Target::AtMost(30.0));
    report.target(
        "a refusal takes once the breaker is open, p50",
        percentile(&mut late, 50),
        "ms",
        Target::AtMost(by_build(20.0, 250.0)),
    );
    report.figure("a refusal takes once the breaker is open, p99", percentile(&mut late, 99), "ms");
}

/// What those were told who only looked.
fn reads(meanwhile: &[&Answer], from: std::time::Duration, reads_stop: bool, report: &mut Report) {
    let reads: Vec<_> = meanwhile.iter().filter(|answer| answer.what == What::Read).collect();
    let share = |part: usize| 100.0 * count(part as u64) / count(reads.len().max(1) as u64);
    let shown = share(reads.iter().filter(|answer| answer.status == 200).count());
    report.target("statuses shown meanwhile", shown, "%", Target::AtLeast(by_build(99.0, 50.0)));
    let cached = share(reads.iter().filter(|answer| answer.cached).count());
    if reads_stop {
        report.target("of them from the cache", cached, "%", Target::AtLeast(by_build(95.0, 50.0)));
    } else {
        report.figure("of them from the cache", cached, "%");
    }
    let mut took: Vec<f64> =
        reads.iter().filter(|answer| answer.asked >= from + OPEN_AFTER).map(|answer| answer.took()).collect();
    report.target(
        "a status takes once the breaker is open, p50",
        percentile(&mut took, 50),
        "ms",
        Target::AtMost(by_build(20.0, 250.0)),
    );
}

/// How soon service was back.
fn returned(told: &[Answer], until: std::time::Duration, report: &mut Report) {
    let after = |answer: &&Answer| answer.asked >= until;
    let since = |answer: &Answer| answer.answered.saturating_sub(until).as_secs_f64();
    // A try with a key that came before counts as well: it is as fresh where nothing was written.
    let created = told.iter().filter(after).filter(|answer| answer.what == What::Create && answer.status == 201);
    let created = created.map(since).fold(f64::INFINITY, f64::min);
    report.target(
        "from the store's return to a payment that is made",
        created,
        "s",
        Target::AtMost(by_build(5.0, 15.0)),
    );
    let refused = told.iter().filter(|answer| answer.answered >= until && answer.is_store_away());
    report.target(
        "to the last answer that the store is away",
        refused.map(since).fold(0.0, f64::max),
        "s",
        Target::AtMost(by_build(5.0, 15.0)),
    );
    let failed = told.iter().filter(|answer| answer.status == 0 || answer.status == 500).count();
    report.target("requests without an answer, or answered 500", count(failed as u64), "", NONE);
    let held = told.iter().filter(|answer| answer.code == "idempotency_key_in_use").map(since).fold(0.0, f64::max);
    report.figure("to the last key in use", held, "s");
}

/// 0 of none.
fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(index).copied().unwrap_or(0.0)
}
