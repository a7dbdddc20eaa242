//! The function as a process: configuration in, server out.
//!
//! Must not know: what is outside. `main` gives what is real; a test gives merchants' endpoints on its own machine, which
//! production refuses.

use std::process::ExitCode;

use tollgate_assembly::{Configuration, Outside, Parts, embedded, internal_callers};
use tollgate_runtime::{Function, System, run};

use crate::{DeliveryHandler, JOB_DEADLINE, WebhookDelivery, router, scheduled};

/// Serves until it is told to stop.
pub async fn serve(outside: fn(&Configuration, &System) -> anyhow::Result<Outside>) -> ExitCode {
    run("webhook-delivery", async |vars, system| {
        let (configuration, callers) = (Configuration::read(vars), internal_callers(vars, system)?);
        vars.finish()?;
        let (configuration, callers) = (configuration?, callers?);
        let parts = Parts::build(&configuration, system, outside(&configuration, system)?).await?;
        let consumer = embedded::consumer(&parts, system, DeliveryHandler::new(parts.gateway.clone()));
        let job = parts.runs_jobs().then(|| scheduled(&parts.gateway).in_background(system.time.clone()));
        let (checks, facts) = ([Some(parts.store_check()), parts.queue_check()], parts.facts());
        let admission = parts.admission.clone();
        let routes = router(WebhookDelivery { gateway: parts.gateway }, callers);
        let function = Function::new(routes).admission(admission).showing(facts);
        let function = function.deadline("/jobs/deliveries", JOB_DEADLINE);
        let function = checks.into_iter().flatten().fold(function, Function::ready_when);
        Ok(function.beside(consumer.into_iter().chain(job)))
    })
    .await
}
