//! `tollgate reconciliation exceptions`: what does not agree between providers' own records and our books, listed as a report,
//! assigned and resolved. Every change is kept with who and why.
//!
//! Must not know: what agrees with what.

mod body;
mod rows;

use anyhow::Context;
use tollgate_domain::{Exception, ExceptionId};
use tollgate_gateway::reconcile::{ExceptionAct, act_on_exception};

use crate::{
    arguments::{By, ExceptionsCommand},
    audit::{Who, audited},
    failure::mistaken,
    open::Operator,
    output::{answer, say},
};

/// Exceptions, or changes of one, that one read brings.
const PAGE: u32 = 500;

pub(crate) async fn run(operator: &Operator, command: ExceptionsCommand, json: bool) -> anyhow::Result<()> {
    match command {
        ExceptionsCommand::List { csv, all, limit } => list(operator, (csv, json), !all, limit).await,
        ExceptionsCommand::Show { exception } => show(operator, exception, json).await,
        ExceptionsCommand::Assign { exception, owner, by } => {
            act(operator, exception, ExceptionAct::Assign { owner }, by, json).await
        }
        ExceptionsCommand::Resolve { exception, why, by } => {
            act(operator, exception, ExceptionAct::Resolve { why }, by, json).await
        }
    }
}

async fn list(operator: &Operator, (csv, json): (bool, bool), open: bool, limit: u32) -> anyhow::Result<()> {
    if csv && json {
        return Err(mistaken("--csv and --json: one of them"));
    }
    let mut all: Vec<Exception> = Vec::new();
    // One more than is shown tells whether there are more.
    let wanted = limit as usize + 1;
    while all.len() < wanted {
        let after = all.last().map(|last| (last.first_seen, last.id));
        let page = PAGE.min(u32::try_from(wanted - all.len()).unwrap_or(PAGE));
        let found = operator.ask(operator.stores.exceptions.exceptions(open, after, page)).await?;
        let is_last = found.len() < page as usize;
        all.extend(found);
        if is_last {
            break;
        }
    }
    let more = all.len() == wanted;
    all.truncate(limit as usize);
    if more {
        crate::output::note(&format!("there are more than {limit}: see --limit"));
    }
    let now = operator.now();
    if csv {
        return say(&rows::csv(&all, now)?);
    }
    answer(json, &body::ReportBody::of(&all, more, now), || rows::table(&all, now))
}

async fn show(operator: &Operator, id: ExceptionId, json: bool) -> anyhow::Result<()> {
    let found = operator.ask(operator.stores.exceptions.exception(id)).await?;
    let exception = found.with_context(|| format!("there is no exception {id}"))?;
    let changes = operator.ask(operator.stores.exceptions.exception_changes(id, PAGE)).await?;
    answer(json, &body::ShownBody::of(&exception, &changes, operator.now()), || {
        format!("{}\n{}", rows::table(std::slice::from_ref(&exception), operator.now()), rows::changes(&changes))
    })
}

async fn act(operator: &Operator, id: ExceptionId, act: ExceptionAct, by: By, json: bool) -> anyhow::Result<()> {
    let (command, to, why) = match &act {
        ExceptionAct::Assign { owner } => ("reconciliation exceptions assign", format!("{id}: {owner}"), None),
        ExceptionAct::Resolve { why } => ("reconciliation exceptions resolve", id.to_string(), Some(why.clone())),
    };
    let who = Who { by: Who::name(by)?, why };
    let exceptions = operator.stores.exceptions.as_ref();
    let done = async {
        let found = operator.ask(act_on_exception(exceptions, id, &act, &who.by, operator.now())).await?;
        let (after, changed) = found.with_context(|| format!("there is no exception {id}"))?;
        anyhow::ensure!(changed, "{id} is resolved already; nothing was changed");
        Ok(after)
    };
    let after = audited(operator, &who, command, to, done).await?;
    answer(json, &body::ExceptionBody::of(&after, operator.now()), || match &act {
        ExceptionAct::Assign { owner } => format!("{id} is {owner}'s"),
        ExceptionAct::Resolve { .. } => format!("{id} is resolved"),
    })
}
