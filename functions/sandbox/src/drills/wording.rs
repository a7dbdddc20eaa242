//! The lines of a drill's story: times, a payment's timeline in words, and checks. Plain text, no line longer than a wide terminal.
//!
//! Must not know: where a line comes from.

use std::time::Duration;

use serde_json::{Value, json};

/// A line's length at most.
const WIDTH: usize = 138;
/// Where the text of a story's line begins.
const INDENT: usize = 36;

/// A line of the story: real time, simulated time where that was moved, who, and what.
pub(super) fn line(real: Duration, simulated: Duration, who: &str, what: &str) -> String {
    let simulated = if simulated.as_secs() == 0 { String::new() } else { format!("+{}", span(simulated)) };
    let head = format!("  {:>9}  {simulated:<12} {who:<10}", format!("+{:.2} s", real.as_secs_f64()));
    let text = wrapped(what, INDENT);
    format!("{head:<INDENT$}{}", &text[INDENT..])
}

/// `31 s`, `10 min`, `2 h 5 min`, `7 d 1 h`.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(units.len() - 1);
    let parts = units[first..].iter().take(2).filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts.map(|(count, unit)| format!("{count} {unit}")).collect();
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

/// `12 ms`, or `1.5 s` from a second on.
pub(super) fn took(time: Duration) -> String {
    match time.as_millis() {
        0 => "<1 ms".to_owned(),
        ms @ 1..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// What a job reports.
pub(super) fn report(report: &Value) -> String {
    let listed = |part: &str| {
        let counts = report[part].as_object().into_iter().flatten();
        let counts: Vec<_> = counts.map(|(what, count)| format!("{what} {count}")).collect();
        if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ").replace('_', " ") }
    };
    format!("saw {}, did: {}, could not do: {}", report["saw"], listed("did"), listed("could_not"))
}

/// The text in lines, each behind so many blanks. What fits into one is left as it is.
pub(super) fn wrapped(text: &str, indent: usize) -> String {
    if indent + text.chars().count() <= WIDTH {
        return format!("{:indent$}{text}", "");
    }
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.iter().map(|line| format!("{:indent$}{line}", "")).collect::<Vec<_>>().join("\n")
}

/// A check that holds.
pub(super) fn checked(asked: &str, expected: &str, seen: &str) -> String {
    let figures = if expected == seen {
        format!("expected and seen: {seen}")
    } else {
        format!("expected {expected}; seen {seen}")
    };
    let one = format!("    ✓ {asked}: {figures}");
    if one.chars().count() <= WIDTH {
        return one;
    }
    let (asked, figures) = (wrapped(&format!("{asked}:"), 6), wrapped(&figures, 6));
    format!("    ✓ {}\n{figures}", asked.trim_start())
}

/// What did not hold.
pub(super) fn failed(what: &str) -> String {
    format!("    ✗ {}", wrapped(what, 6).trim_start())
}

/// A payment's id as it is told: its end is its own.
pub(super) fn short(id: &str) -> String {
    let end = id.char_indices().nth_back(5).map_or(id, |(start, _)| &id[start..]);
    format!("pay_…{end}")
}

/// The tries of a webhook to the merchant, each as an entry beside those of the timeline; and its end, where there was none.
pub(super) fn tries(delivery: &Value) -> Vec<Value> {
    let about = |entry: &Value| json!({"type": "webhook", "at": entry["at"], "event": delivery["type"], "try": entry});
    let tries = delivery["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut entries: Vec<_> = tries.iter().map(about).collect();
    if delivery["status"] == "DEAD_LETTERED" {
        let at = tries.last().map_or(Value::Null, |last| last["at"].clone());
        entries.push(json!({"type": "given_up", "at": at, "event": delivery["type"], "tries": tries.len()}));
    }
    entries
}

/// Do both say the same of the provider, at another time?
pub(super) fn is_the_same(one: &Value, other: &Value) -> bool {
    let same = |field: &str| one[field] == other[field];
    one["type"] == "provider_call" && ["type", "provider", "call", "outcome", "http_status"].into_iter().all(same)
}

/// An entry of a timeline, or of [`tries`]: who, and what.
pub(super) fn entry(entry: &Value) -> (String, String) {
    let text = |field: &str| entry[field].as_str().unwrap_or_default();
    match text("type") {
        "change" => ("gateway".to_owned(), change(entry)),
        "provider_call" => {
            (text("provider").to_owned(), format!("{}: {}", text("call").replace('_', "-"), outcome(entry)))
        }
        "webhook" => ("merchant".to_owned(), webhook(entry)),
        "given_up" => {
            ("gateway".to_owned(), format!("webhook {}: dead-lettered after {} tries", text("event"), entry["tries"]))
        }
        _ => {
            let news = if entry["effect"] == true { "this is news" } else { "nothing new" };
            (text("provider").to_owned(), format!("its event {}: {news}", text("event_type")))
        }
    }
}

fn change(entry: &Value) -> String {
    let moves = entry["transitions"].as_array().into_iter().flatten().filter_map(|step| step["to"].as_str());
    let moves: Vec<_> = moves.map(|to| format!("→ {to}")).collect();
    let what = entry["what"].as_str().unwrap_or_default().replace('_', " ");
    let cause = entry["cause"]["type"].as_str().unwrap_or_default().replace('_', " ");
    let detail = entry["detail"].as_str().map(|detail| format!("; {detail}")).unwrap_or_default();
    let what = if moves.is_empty() { what } else { format!("{}  {what}", moves.join(" ")) };
    format!("{what} ({cause}{detail})")
}

fn outcome(call: &Value) -> String {
    let after = took(Duration::from_millis(call["duration_ms"].as_u64().unwrap_or_default()));
    let code = call["provider_code"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
    match (call["outcome"].as_str().unwrap_or_default(), call["http_status"].as_u64()) {
        ("unknown", None) => format!("no answer after {after}: the outcome is unknown"),
        (outcome, None) => format!("{}{code} after {after}", outcome.replace('_', " ")),
        (outcome, Some(status)) => format!("answered {status}{code} after {after}: {}", outcome.replace('_', " ")),
    }
}

fn webhook(entry: &Value) -> String {
    let (event, attempt) = (entry["event"].as_str().unwrap_or_default(), &entry["try"]);
    let after = took(Duration::from_millis(attempt["duration_ms"].as_u64().unwrap_or_default()));
    let answered = match (attempt["http_status"].as_u64(), attempt["error"].as_str()) {
        (Some(status), _) => format!("answered {status}"),
        (None, Some(error)) => error.replace('_', " "),
        (None, None) => "no answer".to_owned(),
    };
    format!("is told {event}: {answered} after {after} (try {})", attempt["number"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_two_units_at_most() {
        let told = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(
            [0, 31, 600, 631, 7500, 7 * 86_400 + 3600].map(told).join(", "),
            "0 s, 31 s, 10 min, 10 min 31 s, 2 h 5 min, 7 d 1 h"
        );
        assert_eq!([0, 12, 999, 1503].map(|ms| took(Duration::from_millis(ms))), ["<1 ms", "12 ms", "999 ms", "1.5 s"]);
    }

    #[test]
    fn a_line_has_both_times_and_goes_on_below_itself() {
        let told = line(Duration::from_millis(1620), Duration::ZERO, "stripe", "no answer");
        assert_eq!(told, format!("    +1.62 s  {:12} stripe    no answer", ""));
        let told = line(Duration::from_millis(420), Duration::from_secs(600), "gateway", &"word ".repeat(40));
        let lines: Vec<_> = told.lines().collect();
        assert!(lines[0].starts_with("    +0.42 s  +10 min      gateway   word") && lines.len() == 2, "{told}");
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH) && lines[1].starts_with(&" ".repeat(INDENT)));
    }

    #[test]
    fn a_timeline_is_told_in_words() {
        let cases = [
            (
                json!({"type": "change", "what": "payment_opened", "transitions": [{"from": null, "to": "PENDING"}],
                       "cause": {"type": "merchant_request"}, "detail": "stripe: the only one given"}),
                "gateway: → PENDING  payment opened (merchant request; stripe: the only one given)",
            ),
            (
                json!({"type": "provider_call", "provider": "stripe", "call": "authorize", "outcome": "unknown",
                       "http_status": null, "duration_ms": 1503}),
                "stripe: authorize: no answer after 1.5 s: the outcome is unknown",
            ),
            (
                json!({"type": "provider_call", "provider": "stripe", "call": "authorize", "outcome": "refused",
                       "http_status": 402, "provider_code": "card_declined", "duration_ms": 3}),
                "stripe: authorize: answered 402 card_declined after 3 ms: refused",
            ),
            (
                json!({"type": "provider_event", "provider": "stripe", "event_type": "charge.refunded", "effect": false}),
                "stripe: its event charge.refunded: nothing new",
            ),
        ];
        for (case, told) in cases {
            let (who, what) = entry(&case);
            assert_eq!(format!("{who}: {what}"), told);
        }
    }

    #[test]
    fn each_try_of_a_webhook_is_told_and_its_end() {
        let attempt = |number, status: Option<u16>| json!({"number": number, "at": "2027-01-15T03:00:00Z", "http_status": status, "error": "timed_out", "duration_ms": 1});
        let delivery = json!({"type": "payment.authorized", "status": "DEAD_LETTERED", "attempts": [attempt(1, Some(503)), attempt(2, None)]});
        let told: Vec<_> = tries(&delivery).iter().map(|one| entry(one).1).collect();
        assert_eq!(
            told,
            [
                "is told payment.authorized: answered 503 after 1 ms (try 1)",
                "is told payment.authorized: timed out after 1 ms (try 2)",
                "webhook payment.authorized: dead-lettered after 2 tries",
            ]
        );
    }

    #[test]
    fn a_jobs_report_is_told_in_words() {
        let settled = json!({"job": "settlement", "saw": 3, "did": {"settled": 3}, "could_not": {}, "more": false});
        assert_eq!(report(&settled), "saw 3, did: settled 3, could not do: nothing");
    }

    #[test]
    fn a_check_says_what_is_expected_and_what_was_seen() {
        assert_eq!(checked("one charge", "1", "1"), "    ✓ one charge: expected and seen: 1");
        assert_eq!(
            checked("fail fast", "50 ms at most", "11 ms"),
            "    ✓ fail fast: expected 50 ms at most; seen 11 ms"
        );
        assert_eq!(checked(&"long ".repeat(25), "1", "2").lines().count(), 2);
        assert!(failed("one charge: expected 1, seen 2").starts_with("    ✗ one charge"));
    }
}
