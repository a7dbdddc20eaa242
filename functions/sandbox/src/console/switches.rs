//! The sandbox's switches: faults at providers, the clock, jobs, and how the built-in endpoint answers; each shows how it now stands.

use axum::{
    body::Bytes,
    extract::{Path, RawQuery, State},
    response::Response,
};
use maud::{Markup, html};
use serde_json::{Value, json};
use tollgate_api::{Problem, ProblemCode};
use tollgate_domain::{
    ProviderName, Timestamp,
    routing::{FlagName, FlagValue},
    settlement::SettlementDay,
};
use tollgate_gateway::ports::Time;

use super::{
    Console,
    forms::{Fields, back},
    page::{Section, Tone, at, badge, page, seconds},
    story::words,
};
use crate::{clock, control, inbox, jobs::Job};

/// Each with what it is.
const FAULTS: [(&str, &str); 14] = [
    ("decline", "declines the next payments"),
    ("error_500", "answers its own error, nothing happened"),
    ("html_502", "a proxy answers HTML, nothing happened"),
    ("timeout", "no answer, nothing happened"),
    ("charge_then_timeout", "no answer, but it happened"),
    ("slow", "answers late"),
    ("rate_limit", "answers 429"),
    ("drop_webhooks", "loses its webhooks"),
    ("duplicate_webhooks", "sends its webhooks twice"),
    ("reorder_webhooks", "sends its webhooks out of order"),
    ("unreachable", "cannot be reached"),
    ("malformed_json", "answers torn JSON, but it happened"),
    ("truncated_body", "answers by half, but it happened"),
    ("wrong_id", "answers another object's id"),
];

/// A title, and by how many seconds.
const STEPS: [(&str, i64); 5] =
    [("1 minute", 60), ("10 minutes", 600), ("1 hour", 3600), ("1 day", 86_400), ("8 days", 691_200)];
/// So long after the cut-off: by then the settlement has been made.
const AFTER_CUTOFF: i64 = 300;

pub(super) async fn show(State(console): State<Console>, RawQuery(query): RawQuery) -> Result<Markup, Problem> {
    let note = Fields::query(query.as_ref())?.note(&console);
    let standing = console.gateway.providers_standing().await?;
    let mut armed = Vec::new();
    for provider in ProviderName::ALL {
        let faults = control::faults(State(console.control.clone()), Path(provider.as_str().to_owned())).await?.0;
        let off = standing.iter().any(|of| of.provider == provider && of.turned_off);
        armed.push((provider, faults.as_array().cloned().unwrap_or_default(), off));
    }
    let body = html! {
        section aria-labelledby="faults" {
            h2 id="faults" { "Providers" }
            div.columns { @for (provider, faults, off) in &armed { (provider_card(*provider, faults, *off)) } }
        }
        (clock_form(&console))
        section aria-labelledby="jobs" {
            h2 id="jobs" { "Jobs" }
            p { "A job that is run by hand also looks at what is not due yet, where that makes sense." }
            form.row action="/console/switches/job" method="post" {
                @for job in Job::ALL { button name="job" value=(job.as_str()) { (job.as_str()) } }
            }
        }
        (inbox_form(&console))
    };
    Ok(page(&console, Some(Section::Switches), "Switches", note.as_ref(), &body))
}

fn provider_card(provider: ProviderName, faults: &[Value], off: bool) -> Markup {
    let name = provider.as_str();
    let (state, title) = if off { ("on", "Turn on") } else { ("off", "Turn off for new payments") };
    html! {
        div.card {
            h3 { (name) " " @if off { (badge("off for new payments", Tone::Waiting)) } @else { (badge("on", Tone::Done)) } }
            @if faults.is_empty() { p { "No fault is armed." } } @else {
                ul { @for fault in faults { li { (badge(&fault_text(fault), Tone::Failed)) } } }
            }
            form.grid action="/console/switches/fault" method="post" {
                input type="hidden" name="provider" value=(name);
                label { "Fault" select name="kind" {
                    @for (kind, means) in FAULTS { option value=(kind) { (words(kind)) ": " (means) } }
                } }
                label { "Times (empty: until cleared)" input type="number" name="times" min="1" max="1000000"; }
                label { "Milliseconds, where it hangs or is slow" input type="number" name="ms" min="0" max="600000"; }
                button { "Arm at " (name) }
            }
            form.row method="post" action="/console/switches/clear" {
                input type="hidden" name="provider" value=(name);
                button disabled[faults.is_empty()] { "Clear faults of " (name) }
            }
            form.row method="post" action="/console/switches/provider" {
                input type="hidden" name="provider" value=(name);
                input type="hidden" name="state" value=(state);
                button aria-label=(format!("{title}: {name}")) { (title) }
            }
        }
    }
}

fn fault_text(fault: &Value) -> String {
    let times = match &fault["times"] {
        Value::Null => ", until cleared".to_owned(),
        times => format!(", {times} more"),
    };
    let ms = fault["ms"].as_u64().map(|ms| format!(", {ms} ms")).unwrap_or_default();
    format!("{}{times}{ms}", words(fault["kind"].as_str().unwrap_or_default()))
}

fn clock_form(console: &Console) -> Markup {
    let clock = &console.control.clock.time;
    html! {
        section aria-labelledby="clock" {
            h2 id="clock" { "Clock" }
            p { "It is " (at(&seconds(clock.now()))) "." }
            @if clock.is_simulated() {
                p { "What is due on the way happens in its order, at its time. That can take a moment." }
                form.row action="/console/switches/clock" method="post" {
                    @for (title, seconds) in STEPS { button name="seconds" value=(seconds) { "+ " (title) } }
                    button name="seconds" value="cutoff" { "Past 02:00 in Tokyo" }
                }
                form.row action="/console/switches/clock" method="post" {
                    label { "Seconds" input type="number" name="seconds" min="0" max="316224000" required; }
                    button { "Move" }
                }
            } @else {
                p { "It runs by itself. To move it, start the sandbox with " code { "serve --clock simulated" } "." }
            }
        }
    }
}

fn inbox_form(console: &Console) -> Markup {
    html! {
        section aria-labelledby="inbox" {
            h2 id="inbox" { "The built-in webhook endpoint" }
            p {
                @match console.inbox.behaviour() {
                    None => { "It answers " (badge("200", Tone::Done)) "." },
                    Some((status, times)) => {
                        "It answers " (badge(&status.to_string(), if status < 300 { Tone::Done } else { Tone::Failed }))
                        @match times { Some(times) => { ", " (times) " more times." }, None => ", until told otherwise." }
                    },
                }
            }
            form.row action="/console/switches/inbox" method="post" {
                label { "Answers" select name="status" {
                    @for status in ["200", "500", "503", "410"] { option { (status) } }
                } }
                label { "Times (empty: until told otherwise)" input type="number" name="times" min="1" max="1000000"; }
                button { "Answer so" }
            }
        }
    }
}

/// Turns one, and leads back.
pub(super) async fn turn(
    State(console): State<Console>,
    Path(switch): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let fields = Fields::form(&body)?;
    let control = State(console.control.clone());
    let provider = || Path(fields.text("provider").unwrap_or_default().to_owned());
    let result = match switch.as_str() {
        "fault" => match fault(&fields) {
            Ok(body) => control::arm_fault(control, provider(), body).await.map(|_| "The fault is armed.".to_owned()),
            Err(problem) => Err(problem),
        },
        "clear" => control::clear_faults(control, provider()).await.map(|_| "No fault is armed any more.".to_owned()),
        "provider" => turn_provider(&console, &fields).await,
        "clock" => move_clock(&console, &fields).await,
        "job" => {
            let job = fields.text("job").unwrap_or_default().to_owned();
            control::run_job(control, Path(job)).await.map(|report| report_text(&report.0))
        }
        "inbox" => match behaviour(&fields) {
            Ok(body) => {
                inbox::behave(State(console.inbox.clone()), body).await.map(|_| "It answers so from now on.".to_owned())
            }
            Err(problem) => Err(problem),
        },
        _ => return Err(Problem::new(ProblemCode::NotFound, "There is no such switch.")),
    };
    Ok(back(&console, Section::Switches.path(), result))
}

fn fault(fields: &Fields) -> Result<Bytes, Problem> {
    let mut fault = json!({"kind": fields.text("kind")});
    for name in ["times", "ms"] {
        if let Some(number) = fields.number(name)? {
            fault[name] = number.into();
        }
    }
    Ok(fault.to_string().into())
}

fn behaviour(fields: &Fields) -> Result<Bytes, Problem> {
    let mut behaviour = json!({"status": fields.number("status")?});
    if let Some(times) = fields.number("times")? {
        behaviour["times"] = times.into();
    }
    Ok(behaviour.to_string().into())
}

async fn turn_provider(console: &Console, fields: &Fields) -> Result<String, Problem> {
    let missing = |_| Problem::new(ProblemCode::NotFound, "There is no such provider.");
    let provider: ProviderName = fields.text("provider").unwrap_or_default().parse().map_err(missing)?;
    let (value, state) = match fields.text("state") {
        Some("on") => (FlagValue::Unset, "on"),
        Some("off") => (FlagValue::Off, "off for new payments"),
        _ => return Err(Problem::new(ProblemCode::InvalidRequest, "It is turned on or off.")),
    };
    console
        .gateway
        .change_flag(FlagName::Provider(provider), &value, "console", "turned by hand in the console")
        .await?;
    Ok(format!("{provider} is {state}."))
}

async fn move_clock(console: &Console, fields: &Fields) -> Result<String, Problem> {
    let seconds = match fields.text("seconds") {
        Some("cutoff") => until_cutoff(console.control.clock.time.now()),
        _ => fields.number("seconds")?.unwrap_or_default(),
    };
    let body = json!({"advance_seconds": seconds}).to_string();
    let moved = clock::advance(State(console.control.clone()), body.into()).await?.0;
    Ok(format!("The clock stands at {} UTC.", moved["now"].as_str().unwrap_or_default()))
}

/// How long it is to a little after the next 02:00 in Tokyo.
fn until_cutoff(now: Timestamp) -> i64 {
    let day = SettlementDay::of(now);
    let cutoff = if day.cutoff() > now { day.cutoff() } else { day.next_cutoff() };
    cutoff.duration_since(now).as_secs() + AFTER_CUTOFF
}

fn report_text(report: &Value) -> String {
    let list = |name: &str| {
        let counts = report[name].as_object().into_iter().flatten();
        let counts: Vec<_> = counts.map(|(what, count)| format!("{count} {}", words(what))).collect();
        if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") }
    };
    let job = report["job"].as_str().unwrap_or_default();
    let could_not = report["could_not"].as_object().is_some_and(|could_not| !could_not.is_empty());
    let could_not = if could_not { format!("; could not: {}", list("could_not")) } else { String::new() };
    format!("{job}: looked at {}, did {}{could_not}.", report["saw"], list("did"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_cut_off_is_after_the_next_two_oclock_in_tokyo() {
        for (now, hours) in [("2027-01-15T03:00:00Z", 14), ("2027-01-15T16:59:59Z", 0), ("2027-01-15T17:00:00Z", 24)] {
            let seconds = until_cutoff(now.parse().unwrap());
            assert!((hours * 3600..=hours * 3600 + AFTER_CUTOFF + 1).contains(&seconds), "{now}: {seconds}");
        }
    }

    #[test]
    fn a_jobs_report_is_said_in_words() {
        let report =
            json!({"job": "settlement", "saw": 3, "did": {"settled": 2, "set_up": 1}, "could_not": {}, "more": false});
        assert_eq!(report_text(&report), "settlement: looked at 3, did 1 set up, 2 settled.");
        let report = json!({"job": "invariants", "saw": 0, "did": {}, "could_not": {"no_answer": 1}});
        assert_eq!(report_text(&report), "invariants: looked at 0, did nothing; could not: 1 no answer.");
    }
}
