//! A part's row of the matrix, on a deployment of its own.

use std::{collections::BTreeSet, io::Write, path::PathBuf, time::Duration};

use super::{
    cell::{self, Outcome},
    deployment::{Deployment, Options},
    matrix::{Part, Trouble, meaningless},
    table,
};

/// What is played.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// How long each trouble lasts.
    pub lasts: Duration,
    /// Where to keep logs and books, by part.
    pub keep: Option<PathBuf>,
    /// Without Google's emulators, though they are there.
    pub on_sqlite: bool,
}

/// Plays these troubles of a part, one after the other. What cannot be played here is left out. A deployment in which something went
/// wrong is not used again.
pub async fn row(part: Part, troubles: &[Trouble], plan: &Plan) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    let mut standing: Option<(Deployment, BTreeSet<String>)> = None;
    for trouble in troubles.iter().copied().filter(|trouble| meaningless(part, *trouble).is_none()) {
        let (mut deployment, mut everybody) = if let Some(standing) = standing.take() {
            standing
        } else {
            let options = Options {
                own_queue: part == Part::Queue,
                keep: plan.keep.as_ref().map(|folder| folder.join(format!("{}-{}", part.name(), trouble.name()))),
                settled: 12 * troubles.len(),
                on_sqlite: plan.on_sqlite,
            };
            (Box::pin(Deployment::start(&options)).await?, BTreeSet::new())
        };
        if !deployment.can_play(part, trouble) {
            standing = Some((deployment, everybody));
            continue;
        }
        let outcome = Box::pin(cell::play(&mut deployment, (part, trouble), plan.lasts, &mut everybody)).await?;
        // Somebody may be watching; nothing depends on it.
        _ = write!(std::io::stderr(), "{}", table::line(&outcome));
        if outcome.wrong.is_empty() {
            standing = Some((deployment, everybody));
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}
