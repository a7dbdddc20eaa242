//! Attempts that a payment was moved away from: nothing happened there as far as anybody knows. The hourly job asks all the same,
//! so that a success there is found and undone though its events are lost (rule 8).

use tollgate_domain::{Answer, Observation, Payment};

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
                LookUp::Found(Answer::Shows(view)) => self.seen_at(payment, attempt.provider, view, true),
                LookUp::Found(_) | LookUp::Failed { .. } => {
                    self.commit_row(row).await?;
                    return Ok(Resolution::Unreachable);
                }
                LookUp::NotFound | LookUp::NotOurs { .. } => Observation::Nothing { contradiction: false },
            };
            let Observation::Change(change) = observation else {
                self.commit_row(row).await?;
                continue;
            };
            report.did("late_success");
            return self.adopt(payment, *change, row, cause, context).await;
        }
        Ok(Resolution::NothingOpen)
    }
}
