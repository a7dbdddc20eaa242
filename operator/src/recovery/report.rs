//! What a drill says: a line for each thing that was compared, the time it took, the age of the data, and the verdict.
//!
//! Must not know: how any of it was found.

use std::time::Duration;

use serde::Serialize;
use tollgate_gateway::recovery::{Compared, Kind};

use super::drill::Played;
use crate::table::Table;

/// Within so long service must be back: the recovery time objective.
const RTO: Duration = Duration::from_secs(30 * 60);
/// So much may be lost at most: the recovery point objective.
const RPO: Duration = Duration::from_secs(5 * 60);

#[derive(Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is an answer of its own")]
pub(super) struct Body<'a> {
    proven: bool,
    differences: usize,
    compared: Vec<Line<'a>>,
    damage: &'a [String],
    payments_checked: u64,
    taken_at: String,
    restore_seconds: Option<f64>,
    seconds: f64,
    rto_seconds: u64,
    within_rto: bool,
    age_seconds: f64,
    rpo_seconds: u64,
    within_rpo: bool,
    /// Where it was restored to.
    scratch: &'a str,
    kept: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    name: &'a str,
    source: Option<&'a str>,
    restored: Option<&'a str>,
    equal: bool,
}

impl Played {
    /// Whether all is equal and undamaged. (The targets are shown: a backup of last night is older than 5 minutes, and good.)
    pub(super) fn is_proven(&self) -> bool {
        self.differences() == 0
    }

    fn differences(&self) -> usize {
        self.compared.iter().filter(|one| !one.equal).count() + self.damage.len()
    }
}

/// For programs.
pub(super) fn body(played: &Played) -> Body<'_> {
    Body {
        proven: played.is_proven(),
        differences: played.differences(),
        compared: played.compared.iter().map(of).collect(),
        damage: &played.damage,
        payments_checked: played.payments,
        taken_at: played.taken_at.to_string(),
        restore_seconds: played.restoring.map(|took| took.as_secs_f64()),
        seconds: played.whole.as_secs_f64(),
        rto_seconds: RTO.as_secs(),
        within_rto: played.whole <= RTO,
        age_seconds: played.age.as_secs_f64(),
        rpo_seconds: RPO.as_secs(),
        within_rpo: played.age <= RPO,
        scratch: &played.place,
        kept: played.kept,
    }
}

fn of(one: &Compared) -> Line<'_> {
    Line {
        kind: one.kind.as_str(),
        name: &one.name,
        source: one.source.as_deref(),
        restored: one.copy.as_deref(),
        equal: one.equal,
    }
}

/// For people.
pub(super) fn words(played: &Played) -> String {
    let mut table = Table::new(["WHAT", "NAME", "SOURCE", "RESTORED", "EQUAL"]);
    for one in &played.compared {
        // Fifteen invariants that nothing violates are one line, below.
        if one.kind == Kind::Invariant && one.equal && one.copy.as_deref() == Some("0") {
            continue;
        }
        let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let equal = if one.equal { "yes" } else { "NO" };
        table.row(&[
            one.kind.as_str().to_owned(),
            one.name.clone(),
            show(&one.source),
            show(&one.copy),
            equal.to_owned(),
        ]);
    }
    let mut lines = vec![table.to_string()];
    lines.extend(played.damage.iter().map(|what| format!("damaged: {what}\n")));
    lines.push(format!("invariants of money checked on {} restored payments\n", played.payments));
    let restoring = played.restoring.map_or_else(String::new, |took| format!(", restoring {}", seconds(took)));
    let (whole, age) = (seconds(played.whole), seconds(played.age));
    lines.push(format!("took {whole}{restoring}; target (RTO) 30 min: {}\n", verdict(played.whole <= RTO)));
    let at = played.taken_at;
    lines.push(format!("data as of {at}, {age} old; target (RPO) 5 min: {}\n", verdict(played.age <= RPO)));
    lines.extend(played.kept.then(|| format!("kept: {}\n", played.place)));
    let violated =
        |one: &&Compared| one.kind == Kind::Invariant && one.source.as_deref().is_some_and(|count| count != "0");
    lines.extend(match played.compared.iter().filter(violated).count() {
        0 => None,
        count => Some(format!("THE SOURCE ITSELF VIOLATES {count} INVARIANTS: see docs/runbooks/ledger-mismatch.md\n")),
    });
    lines.push(match played.differences() {
        0 => "everything is equal".to_owned(),
        1 => "1 DIFFERENCE".to_owned(),
        many => format!("{many} DIFFERENCES"),
    });
    lines.concat()
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
