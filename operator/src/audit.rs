//! What operators do by this command: kept with who and why before it is done, and with what came of it after. `tollgate changes`
//! shows it.
//!
//! Must not know: what is done.

use std::{
    fmt::Display,
    io::{IsTerminal, stderr},
};

use serde::Serialize;
use tollgate_domain::ChangeId;
use tollgate_gateway::ports::operators::OperatorAct;

use crate::{
    arguments::{self, By, Changes, Word},
    failure::mistaken,
    open::Operator,
    output::{answer, note},
    table::plain,
};

/// The longest that is kept of what came of an act, in characters.
const OUTCOME_CHARS: usize = 500;
/// Acts that one read brings.
const PAGE: u32 = 500;

/// Who, and why.
pub(crate) struct Who {
    /// Who.
    pub(crate) by: String,
    /// Why; `None` where that says the act itself: an exception is assigned, or kept as a statement shows it.
    pub(crate) why: Option<String>,
}

impl Who {
    /// The name that is given, or the user's.
    pub(crate) fn name(by: By) -> anyhow::Result<String> {
        by.by.or_else(arguments::user).ok_or_else(|| mistaken("it is not known who you are: say it with --by"))
    }

    /// Who says that word.
    pub(crate) fn of(word: Word) -> anyhow::Result<Self> {
        Ok(Self { by: Self::name(word.by)?, why: Some(word.why) })
    }
}

/// Something that is being done.
pub(crate) struct Act(ChangeId);

/// Keeps that it is begun: what cannot be kept is not done.
pub(crate) async fn begin(
    operator: &Operator,
    who: &Who,
    command: &'static str,
    subject: impl Display,
) -> anyhow::Result<Act> {
    let id = operator.change_id();
    let act = OperatorAct {
        id,
        at: operator.now(),
        by: who.by.clone(),
        why: who.why.clone(),
        command: command.to_owned(),
        subject: subject.to_string(),
        outcome: None,
    };
    // Whoever exported STORE_URL this morning sees what he changes now.
    if stderr().is_terminal() {
        note(&format!("in {}", operator.name));
    }
    operator.ask(operator.stores.operator_acts.begin_act(&act)).await?;
    Ok(Act(id))
}

/// Keeps what came of it. It is done, or is not, whether that can be kept or not.
pub(crate) async fn end(operator: &Operator, Act(id): Act, outcome: &str) {
    let outcome: String = outcome.chars().take(OUTCOME_CHARS).collect();
    if let Err(why) = operator.ask(operator.stores.operator_acts.end_act(id, &outcome)).await {
        note(&format!("what came of it could not be kept ({why:#}): `tollgate changes` shows that it was begun"));
    }
}

/// Does `work`, and keeps that and how it ended. `subject` says what is changed, and to what.
pub(crate) async fn audited<T>(
    operator: &Operator,
    who: &Who,
    command: &'static str,
    subject: impl Display,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    audited_as(operator, who, command, subject, work, |_| None).await
}

/// The same, where only the work knows what it changed: `came_to` says it, and no secret.
pub(crate) async fn audited_as<T>(
    operator: &Operator,
    who: &Who,
    command: &'static str,
    subject: impl Display,
    work: impl Future<Output = anyhow::Result<T>>,
    came_to: impl FnOnce(&T) -> Option<String>,
) -> anyhow::Result<T> {
    let act = begin(operator, who, command, subject).await?;
    let done = work.await;
    let outcome = match &done {
        Ok(done) => came_to(done).map_or_else(|| "done".to_owned(), |what| format!("done: {what}")),
        Err(error) => format!("failed: {error:#}"),
    };
    end(operator, act, &outcome).await;
    done
}

#[derive(Serialize)]
struct ListBody<'a> {
    data: Vec<ActBody<'a>>,
}

#[derive(Serialize)]
struct ActBody<'a> {
    object: &'static str,
    id: String,
    at: String,
    by: &'a str,
    why: Option<&'a str>,
    command: &'a str,
    subject: &'a str,
    /// Null: it was begun, and whether it was done is not known.
    outcome: Option<&'a str>,
}

/// Shows what was done, the last first.
pub(crate) async fn changes(operator: &Operator, which: &Changes, json: bool) -> anyhow::Result<()> {
    let (limit, from) = (which.limit as usize, which.from.map(|from| from.at(operator.now())));
    let mut all: Vec<OperatorAct> = Vec::new();
    let mut before = None;
    // One more than is shown tells whether there are more.
    while all.len() <= limit {
        let page = operator.ask(operator.stores.operator_acts.acts(before, PAGE)).await?;
        before = page.last().map(|act| (act.at, act.id));
        let in_time = |act: &OperatorAct| from.is_none_or(|from| act.at >= from);
        // The last come first: behind one that is too old are only such.
        let is_last = page.len() < PAGE as usize || !page.iter().all(in_time);
        all.extend(page.into_iter().filter(|act| in_time(act) && is_meant(act, which)));
        if is_last {
            break;
        }
    }
    if all.len() > limit {
        note(&format!("there are more than {limit}: see --limit, --from, --by and --about"));
    }
    all.truncate(limit);
    let body = |act: &OperatorAct| (act.id.to_string(), act.at.to_string());
    let names: Vec<_> = all.iter().map(body).collect();
    let data = all.iter().zip(names).map(|(act, (id, at))| ActBody {
        object: "operator_act",
        id,
        at,
        by: &act.by,
        why: act.why.as_deref(),
        command: &act.command,
        subject: &act.subject,
        outcome: act.outcome.as_deref(),
    });
    answer(json, &ListBody { data: data.collect() }, || words(&all))
}

fn is_meant(act: &OperatorAct, which: &Changes) -> bool {
    let says = [Some(&act.command), Some(&act.subject), act.outcome.as_ref(), act.why.as_ref()];
    which.by.as_ref().is_none_or(|by| *by == act.by)
        && which.about.as_ref().is_none_or(|about| says.iter().flatten().any(|text| text.contains(about)))
}

/// A change is a few lines, not a row: what was changed can be long, and why.
fn words(all: &[OperatorAct]) -> String {
    let change = |act: &OperatorAct| {
        let outcome = act.outcome.as_deref().unwrap_or("begun; not known");
        let why = act.why.as_ref().map(|why| format!("\n  why: {}", plain(why))).unwrap_or_default();
        let [by, subject, outcome] = [act.by.as_str(), act.subject.as_str(), outcome].map(plain);
        format!("{}  {by}  {}\n  {subject}\n  {outcome}{why}", act.at, act.command)
    };
    if all.is_empty() {
        return "there are no such changes".to_owned();
    }
    all.iter().map(change).collect::<Vec<_>>().join("\n")
}
