//! `tollgate settlement`: the nightly settlement, made or gone on with by hand, held against the books, and shown.
//!
//! Must not know: what is settled, and for how much.

mod body;
mod report;

use std::{pin::pin, process::ExitCode, time::Duration};

use anyhow::Context;
use futures::future::{Either, select};
use tollgate_domain::{Date, Settlement, SettlementStatus};
use tollgate_gateway::{Context as Request, Gateway, JobRun, ports::settlements::Lane};

use crate::{
    arguments::{SettlementCommand, WhichSettlement},
    audit::{self, Who},
    open::Operator,
    output::answer,
    progress::Progress,
};

/// How long a run by hand takes up new chunks.
const BUDGET: Duration = Duration::from_hours(6);
/// How often it is looked how far a run is.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// The books do not agree.
const DISAGREES: u8 = 1;
/// The code where what there is agrees, and it is not all.
const NOT_ENDED: u8 = 3;

/// Does what was typed.
pub(crate) async fn run(operator: &Operator, command: SettlementCommand, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        SettlementCommand::Run { word } => settle(operator, "settlement run", Who::of(word)?, json).await,
        SettlementCommand::Resume { word } => {
            let who = Who::of(word)?;
            if let Some(is_over) = nothing_to_resume(operator).await? {
                let body = body::RunBody::of(None, is_over.as_ref());
                answer(json, &body, || {
                    "there is no settlement that is unfinished or failed; nothing was begun".to_owned()
                })?;
                return Ok(ExitCode::SUCCESS);
            }
            settle(operator, "settlement resume", who, json).await
        }
        SettlementCommand::Verify(which) => verify(operator, &which, json).await,
        SettlementCommand::Report { which, merchant } => {
            let settlement = find(operator, &which).await?;
            report::run(operator, &settlement, merchant, json).await
        }
    }
}

/// The latest settlement, where none is unfinished or failed.
async fn nothing_to_resume(operator: &Operator) -> anyhow::Result<Option<Option<Settlement>>> {
    let settlements = &operator.stores.settlements;
    if operator.ask(settlements.unfinished_settlement()).await?.is_some() {
        return Ok(None);
    }
    let latest = operator.ask(settlements.latest_settlement(Date::MAX)).await?;
    let failed = latest.as_ref().is_some_and(|latest| latest.status == SettlementStatus::Failed);
    Ok((!failed).then_some(latest))
}

/// Makes the one that is due, or goes on with what is unfinished.
async fn settle(operator: &Operator, command: &'static str, who: Who, json: bool) -> anyhow::Result<ExitCode> {
    let before = operator.ask(operator.stores.settlements.latest_settlement(Date::MAX)).await?;
    let subject = before.map_or_else(
        || "the first".to_owned(),
        |it| format!("after {} of {}, {}", it.id, it.day.date(), it.status.as_str()),
    );
    let act = audit::begin(operator, &who, command, subject).await?;
    let gateway = operator.gateway_without_secrets();
    let ran = watched(operator, &gateway, json).await;
    let outcome = match &ran {
        Ok((_, settlement)) => {
            format!("{} of {}: {}", settlement.id, settlement.day.date(), settlement.status.as_str())
        }
        Err(error) => format!("cut off: {error:#}"),
    };
    audit::end(operator, act, &outcome).await;
    let (report, settlement) =
        ran.context("the run was cut off; what is committed stays, and the next goes on there")?;
    answer(json, &body::RunBody::of(Some(&report), Some(&settlement)), || report::facts_of(&settlement))?;
    Ok(match settlement.status {
        SettlementStatus::Completed => ExitCode::SUCCESS,
        SettlementStatus::Running | SettlementStatus::Failed => ExitCode::FAILURE,
    })
}

/// Runs it, and shows how far it is to whoever watches.
async fn watched(
    operator: &Operator,
    gateway: &Gateway,
    json: bool,
) -> anyhow::Result<(tollgate_gateway::JobReport, Settlement)> {
    let progress = Progress::counting(json, "chunks");
    let request = Request { correlation_id: operator.change_id().to_string() };
    let mut run = pin!(gateway.run_settlement(JobRun::scheduled(BUDGET), request));
    loop {
        match select(&mut run, pin!(operator.sleep(LOOKS_EVERY))).await {
            Either::Left((ran, _)) => return Ok(ran?),
            Either::Right(_) if progress.is_seen() => progress.at(chunks(operator).await),
            Either::Right(_) => {}
        }
    }
}

/// How many chunks the one that is being made has. That cannot be seen now and then, and that is no matter.
async fn chunks(operator: &Operator) -> u64 {
    let Ok(Some(settlement)) = operator.ask(operator.stores.settlements.unfinished_settlement()).await else {
        return 0;
    };
    let mut all = 0;
    for lane in std::iter::once(Lane::MAIN).chain((0..settlement.shards).map(Lane::of_shard)) {
        let last = operator.ask(operator.stores.settlement_chunks.last_chunk(settlement.id, lane)).await;
        all += last.ok().flatten().map_or(0, |(last, _)| u64::from(last - lane.before()));
    }
    all
}

async fn verify(operator: &Operator, which: &WhichSettlement, json: bool) -> anyhow::Result<ExitCode> {
    let settlement = find(operator, which).await?;
    let progress = Progress::of(json, 0, "chunks");
    let gateway = operator.gateway_without_secrets();
    let check = gateway.check_settlement(&settlement, |done, all| progress.reaches(done, all));
    let check = check.await.context("the settlement could not be compared")?;
    drop(progress);
    answer(json, &body::CheckBody::of(&settlement, &check), || report::check_words(&settlement, &check))?;
    Ok(match check.wrong {
        Some(_) => ExitCode::from(DISAGREES),
        None if settlement.status == SettlementStatus::Running => ExitCode::from(NOT_ENDED),
        None => ExitCode::SUCCESS,
    })
}

/// The one that is asked for, which must be there.
async fn find(operator: &Operator, which: &WhichSettlement) -> anyhow::Result<Settlement> {
    let settlements = &operator.stores.settlements;
    if let Some(id) = which.settlement {
        return operator.ask(settlements.settlement(id)).await?.with_context(|| format!("there is no settlement {id}"));
    }
    let found = operator.ask(settlements.latest_settlement(which.date.unwrap_or(Date::MAX))).await?;
    match which.date {
        None => found.context("there is no settlement yet"),
        Some(date) => found
            .filter(|settlement| settlement.day.date() == date)
            .with_context(|| format!("there is no settlement of {date}")),
    }
}
