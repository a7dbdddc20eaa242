//! What happened, in order: a hash of everything, so that two runs of a seed can be told to be the same, and, where somebody
//! reads it, lines.
//!
//! Must not know: why anything happens.

use std::{
    fmt::Write as _,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Mutex,
};

use jiff::{Timestamp, tz::TimeZone};
use tollgate_domain::PaymentId;

use crate::{
    executor::{Executor, Owner, locked},
    ports::true_time,
};

/// Where the settlement is at home.
const TOKYO: &str = "Asia/Tokyo";

/// One thing that happened.
#[derive(Debug, Clone)]
struct Line {
    at: Timestamp,
    who: Owner,
    payment: Option<PaymentId>,
    text: String,
}

#[derive(Default)]
struct Told {
    hash: DefaultHasher,
    lines: Vec<Line>,
    wrong: Vec<String>,
}

/// The story of one simulation.
pub(crate) struct Story {
    executor: Executor,
    keeps_lines: bool,
    told: Mutex<Told>,
}

impl Story {
    pub(crate) fn new(executor: &Executor, keeps_lines: bool) -> Self {
        Self { executor: executor.clone(), keeps_lines, told: Mutex::default() }
    }

    /// Something happened. `kind` goes into the hash, `words` into the lines.
    pub(crate) fn tell(
        &self,
        who: Owner,
        payment: Option<PaymentId>,
        kind: &'static str,
        words: impl FnOnce() -> String,
    ) {
        let mut told = locked(&self.told);
        (self.executor.now(), who.0, kind, payment.map(PaymentId::to_bytes)).hash(&mut told.hash);
        if self.keeps_lines {
            let (at, words) = (true_time(&self.executor), words());
            let text = if words.is_empty() { kind.to_owned() } else { format!("{kind}: {words}") };
            told.lines.push(Line { at, who, payment, text });
        }
    }

    /// Something that may never happen has happened.
    pub(crate) fn is_wrong(&self, payment: Option<PaymentId>, what: impl Into<String>) {
        let what = what.into();
        self.tell(Owner::WORLD, payment, "WRONG", || what.clone());
        let about = payment.map(|id| format!("{id}: ")).unwrap_or_default();
        locked(&self.told).wrong.push(format!("{about}{what}"));
    }

    /// Whether anything was.
    pub(crate) fn went_wrong(&self) -> bool {
        !locked(&self.told).wrong.is_empty()
    }

    /// Everything that was.
    pub(crate) fn wrong(&self) -> Vec<String> {
        locked(&self.told).wrong.clone()
    }

    /// A number that two runs share if the same happened in both.
    pub(crate) fn hash(&self) -> u64 {
        locked(&self.told).hash.finish()
    }

    /// The lines about the payments that something was wrong with, and about no payment at all near them; everything, where
    /// it was wrong with none.
    pub(crate) fn timeline(&self) -> String {
        let told = locked(&self.told);
        let tokyo = TimeZone::get(TOKYO).unwrap_or(TimeZone::UTC);
        let is_about = |line: &&Line| line.text.starts_with("WRONG");
        let payments: Vec<_> = told.lines.iter().filter(is_about).filter_map(|line| line.payment).collect();
        let mut text = String::new();
        for line in &told.lines {
            if !payments.is_empty() && line.payment.is_some_and(|id| !payments.contains(&id)) {
                continue;
            }
            let who = match line.who {
                Owner::WORLD => "world".to_owned(),
                Owner(number) => format!("gateway {number}"),
            };
            let at = line.at.to_zoned(tokyo.clone()).strftime("%d %H:%M:%S%.3f");
            let payment = line.payment.map(|id| format!("{id} ")).unwrap_or_default();
            _ = writeln!(text, "{at}  {who:<11} {payment}{}", line.text);
        }
        text
    }
}
