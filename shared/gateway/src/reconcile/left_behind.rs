//! Attempts that a payment was moved away from: nothing happened there as far as anybody knows. The hourly job asks all the same,
//! so that a success there is found and undone though its events are lost (rule 8).

use tollgate_domain::{Answer, Observation, Payment, What};

use crate::{Context, Error, Gateway, JobReport, Resolution, ports::provider::LookUp, records::Cause};

impl Gateway {
    /// Looks for a success at a provider that `payment` was moved away from. Nothing else may be open.
    pub(super) async fn compare_left_behind(
        &self,
        payment: &Payment,
        cause: &Cause,
        report: &mut JobReport,
        context: &Context,
    ) -> Result<Resolution, Error> {
        for attempt in self.left_behind(payment).await? {
            let (found, row) = self.look_up(payment, &attempt, context).await?;
            let observation = match &found {
                LookUp::Found(Answer::Shows(view)) => self.seen_at(payment, attempt.provider, view, true).await?,
                LookUp::Found(_) | LookUp::Failed { .. } => {
                    self.commit_row(row).await?;
                    return Ok(Resolution::Unreachable);
                }
                LookUp::NotFound | LookUp::NotOurs { .. } => Observation::Nothing { contradiction: false },
            };
            match observation {
                Observation::Change(change) => {
                    if change.what == What::LateSuccess {
                        report.did("late_success");
                    } else {
                        report.could_not("late_success");
                    }
                    return self.adopt(payment, *change, row, cause, context).await;
                }
                // It stands there, was undone before, and a person has been asked to look.
                Observation::Nothing { contradiction: true } => {
                    self.commit_row(row).await?;
                    report.could_not("late_success");
                    return Ok(Resolution::StillUnknown);
                }
                _ => self.commit_row(row).await?,
            }
        }
        Ok(Resolution::NothingOpen)
    }
}
