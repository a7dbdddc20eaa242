//! Statements of the Python package `mock-bank`, an ISO 20022 bank that nobody of us wrote: what it books is held against our
//! store by the program as it is run.

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tollgate_domain::RefundId;
use tollgate_emulators::require;
use tollgate_gateway::contract::{Samples, Story};

use crate::{
    place::Place,
    reconcile::{captured, commit, opened, refund_of, reversal_of, undone},
};

const COMMAND: &str = "--json reconcile bank-statement -";

/// A Python that has it: `TOLLGATE_PYTHON`, or `python3`.
fn python() -> Option<PathBuf> {
    let python = PathBuf::from(env::var_os("TOLLGATE_PYTHON").unwrap_or_else(|| "python3".into()));
    let ran = Command::new(&python).args(["-c", "from mockbank.server import make_server"]).output();
    let how = "make a virtual environment (python3 -m venv DIR), run DIR/bin/pip install 'mock-bank>=0.9,<1', and set \
               TOLLGATE_PYTHON=DIR/bin/python";
    require("mock-bank", ran.is_ok_and(|output| output.status.success()), how).then_some(python)
}

/// The statements of our account, a day each.
fn statements(python: &Path, plan: &Value) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/mock_bank.py");
    let mut bank = Command::new(python);
    let mut bank =
        bank.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    bank.stdin.take().unwrap().write_all(plan.to_string().as_bytes()).unwrap();
    let output = bank.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn movement(id: &impl ToString, amount: i64) -> Value {
    json!({"id": id.to_string(), "amount": amount})
}

/// What the program says of a statement, and with which code.
fn compared(place: &Place, statement: &str) -> (i32, Value) {
    let ran = place.tollgate.run_on(COMMAND, statement);
    (ran.code, serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}")))
}

/// A place that has these.
async fn with(stories: &[&Story<'_>]) -> Place {
    let place = Place::on_sqlite().migrated();
    for story in stories {
        commit(&place, story).await;
    }
    place
}

#[tokio::test]
async fn a_day_that_both_tell_alike_matches() {
    let Some(python) = python() else { return };
    let samples = Samples::new(920);
    let (paid, late) = (captured(&samples), undone(&samples));
    let refunded = captured(&samples).settled().refund_requested(100).refund_completed();
    let place = with(&[&paid, &late, &refunded]).await;
    let plan = json!({"days": [
        {"in": [movement(&paid.payment.id, 1000), movement(&late.payment.id, 1000), movement(&refunded.payment.id, 1000)],
         "out": [movement(&reversal_of(late.payment.id), 1000)]},
        {"in": [movement(&"", 500), movement(&"INVOICE-7", 77)], "out": [movement(&refund_of(&refunded), 100)]},
        {},
    ]});
    let days = statements(&python, &plan);
    let said: Vec<_> = days.iter().map(|day| compared(&place, day)).collect();
    let counts = said.iter().map(|(code, shown)| (*code, shown["matched"].as_u64(), shown["not_ours"].as_u64()));
    assert_eq!(counts.collect::<Vec<_>>(), [(0, Some(4), Some(0)), (0, Some(1), Some(2)), (0, Some(0), Some(0))]);
    let closing = said.iter().map(|(_, shown)| shown["statements"][0]["closing"]["amount"].as_i64().unwrap());
    assert_eq!(closing.collect::<Vec<_>>(), [102_000, 102_477, 102_477]);
}

#[tokio::test]
async fn what_the_bank_tells_otherwise_is_found() {
    let Some(python) = python() else { return };
    let samples = Samples::new(921);
    let (short, twice, failed) = (captured(&samples), captured(&samples), opened(&samples).refused());
    let place = with(&[&short, &twice, &failed]).await;
    let unknown = RefundId::from_random([9; 16]);
    let day = json!({
        "in": [movement(&short.payment.id, 999), movement(&twice.payment.id, 1000), movement(&twice.payment.id, 1000),
               movement(&failed.payment.id, 1000)],
        "out": [movement(&unknown, 10)],
    });
    let days = statements(&python, &json!({"days": [day]}));
    let (code, shown) = compared(&place, &days[0]);
    assert_eq!((code, &shown["booked"], &shown["matched"]), (1, &json!(5), &json!(1)), "{shown}");
    assert_eq!(shown["kinds"], json!({"amount": 1, "duplicate": 1, "missing_here": 1, "state": 1}));
}

#[tokio::test]
async fn a_refund_that_comes_back_days_later_is_one_only_once_we_know() {
    let Some(python) = python() else { return };
    let samples = Samples::new(922);
    let story = captured(&samples).settled().refund_requested(100).refund_completed();
    let refund = refund_of(&story);
    let place = with(&[&story]).await;
    let plan = json!({
        "behaviour": "return-later", "parameters": {"days": 2},
        "days": [{"in": [movement(&story.payment.id, 1000)], "out": [movement(&refund, 100)]}, {}, {}],
    });
    let days = statements(&python, &plan);
    assert_eq!(compared(&place, &days[0]).0, 0);
    let (code, shown) = compared(&place, &days[2]);
    let back = &shown["exceptions"][0];
    assert_eq!((code, &back["kind"], &back["bank"]["gives_back"]), (1, &json!("state"), &json!(true)), "{shown}");
    assert_eq!((&back["bank"]["direction"], &back["ours"]["status"]), (&json!("credit"), &json!("COMPLETED")));
    assert_eq!(back["payment_id"], story.payment.id.to_string());

    let failed = story.refund_failed();
    let last = failed.sets.last().unwrap();
    place.stores().payments.commit(last).await.unwrap();
    assert_eq!(compared(&place, &days[2]).0, 0, "now both say so");
}

#[tokio::test]
async fn a_statement_with_a_hole_is_refused_with_the_size_of_the_hole() {
    let Some(python) = python() else { return };
    let samples = Samples::new(923);
    let story = captured(&samples).settled().refund_requested(100).refund_completed();
    let place = with(&[&story]).await;
    let plan = json!({
        "behaviour": "statement-gap", "days": [{"out": [movement(&refund_of(&story), 100)]}],
    });
    let days = statements(&python, &plan);
    let line = place.tollgate.run_on(COMMAND, &days[0]).failure(3);
    assert!(line.ends_with("100000 JPY, but the closing balance is 99900 JPY: -100 JPY apart"), "{line}");
}
