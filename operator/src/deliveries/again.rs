//! Deliveries that are sent again: counted, asked about, and made due one by one where they still stand as they were found.
//!
//! Must not know: how a webhook is sent.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, stdin},
};

use anyhow::Context;
use futures::{StreamExt, stream};
use tollgate_domain::{Delivery, DeliveryStatus};

use super::{body::AgainBody, search::Search};
use crate::{
    arguments::{Again, When},
    audit::{self, Who},
    failure::mistaken,
    open::Operator,
    output::{answer, note},
    progress::Progress,
};

/// How many are made due at once.
const AT_ONCE: usize = 8;

/// How many there are.
#[derive(Default)]
pub(super) struct Counted {
    /// In all.
    pub(super) all: u64,
    /// By how they stand.
    pub(super) statuses: BTreeMap<&'static str, u64>,
    /// Of how many merchants.
    pub(super) merchants: u64,
}

/// What came of it.
#[derive(Default, Clone, Copy)]
pub(super) struct Done {
    /// Due again.
    pub(super) due: u64,
    /// Others were faster: tried, or sent again, since they were found.
    pub(super) moved: u64,
}

/// Counts them, asks, and has them sent again.
pub(super) async fn run(
    operator: &Operator,
    command: &'static str,
    statuses: Vec<DeliveryStatus>,
    again: Again,
    json: bool,
) -> anyhow::Result<()> {
    let who = Who::of(again.word)?;
    let search = Search::of(again.which, statuses, When::Ago(std::time::Duration::ZERO), operator.now())?;
    let search = search.of_a_known_merchant(operator).await?;
    let counted = count(operator, &search, json).await?;
    if again.dry_run || counted.all == 0 {
        let body = AgainBody::of(&search, &counted, again.dry_run, Done::default());
        return answer(json, &body, || format!("{}; nothing was changed", found(&counted)));
    }
    if !again.yes && !asked(&counted, operator, json)? {
        anyhow::bail!("nothing was changed");
    }
    let act = audit::begin(operator, &who, command, format!("{} {search}", counted.all)).await?;
    let mut done = Done::default();
    let ended = redeliver(operator, &search, counted.all, &mut done, json).await;
    let outcome = match &ended {
        Ok(()) => said(done),
        Err(error) => format!("{}, then cut off: {error:#}", said(done)),
    };
    audit::end(operator, act, &outcome).await;
    ended.with_context(|| format!("{}, then it was cut off; the same again goes on", said(done)))?;
    answer(json, &AgainBody::of(&search, &counted, false, done), || {
        format!("{}; due in a minute, and the functions' job `deliveries` sends them within the next", said(done))
    })
}

async fn count(operator: &Operator, search: &Search, json: bool) -> anyhow::Result<Counted> {
    let progress = Progress::counting(json, "deliveries looked at");
    let (mut looking, mut counted) = (search.begin(operator), Counted::default());
    let mut merchants = std::collections::HashSet::new();
    while let Some(page) = looking.next(&progress).await? {
        for delivery in page {
            counted.all += 1;
            *counted.statuses.entry(delivery.status.as_str()).or_default() += 1;
            merchants.insert(delivery.merchant);
        }
    }
    counted.merchants = merchants.len() as u64;
    Ok(counted)
}

fn found(counted: &Counted) -> String {
    let statuses: Vec<_> = counted.statuses.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let of = match counted.merchants {
        1 => "1 merchant".to_owned(),
        many => format!("{many} merchants"),
    };
    match counted.all {
        0 => "there are no such deliveries".to_owned(),
        1 => format!("1 delivery of {of} ({})", statuses.join(", ")),
        all => format!("{all} deliveries of {of} ({})", statuses.join(", ")),
    }
}

/// Asks whoever sits there. Where nobody does, it has to be said.
fn asked(counted: &Counted, operator: &Operator, json: bool) -> anyhow::Result<bool> {
    let (found, store) = (found(counted), &operator.name);
    if json || !stdin().is_terminal() {
        return Err(mistaken(format!("in {store}: {found} to be sent again: say --yes, or --dry-run")));
    }
    note(&format!("in {store}: {found} to be sent again. Type yes to go on:"));
    let mut line = String::new();
    stdin().read_line(&mut line).context("the answer could not be read")?;
    Ok(line.trim() == "yes")
}

async fn redeliver(operator: &Operator, search: &Search, all: u64, done: &mut Done, json: bool) -> anyhow::Result<()> {
    let (looked, progress) = (Progress::counting(true, ""), Progress::of(json, all, "deliveries"));
    let mut looking = search.begin(operator);
    while let Some(page) = looking.next(&looked).await? {
        let mut work = stream::iter(page).map(|delivery| anew(operator, delivery)).buffer_unordered(AT_ONCE);
        while let Some(is_due) = work.next().await {
            *(if is_due? { &mut done.due } else { &mut done.moved }) += 1;
            progress.done(1);
        }
    }
    Ok(())
}

/// Makes it due, where it still stands as it was found: what was tried meanwhile, or sent again by somebody else, is left alone.
async fn anew(operator: &Operator, delivery: Delivery) -> anyhow::Result<bool> {
    let anew = delivery.anew(operator.now());
    operator.ask(operator.stores.deliveries.reschedule(&delivery, &anew)).await
}

fn said(done: Done) -> String {
    let moved = match done.moved {
        0 => String::new(),
        moved => format!("; left alone, as they had moved meanwhile: {moved}"),
    };
    match done.due {
        1 => format!("1 is due again{moved}"),
        due => format!("{due} are due again{moved}"),
    }
}
