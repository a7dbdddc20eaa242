//! The function `reconciliation`: the jobs that reconcile. Configuration: see the README's table.

use std::process::ExitCode;

use tollgate_assembly::{Configuration, Outside, Parts, internal_callers};
use tollgate_reconciliation::{DEADLINES, router, scheduled};
use tollgate_runtime::{Function, run};

#[tokio::main]
async fn main() -> ExitCode {
    run("reconciliation", async |vars, system| {
        let (configuration, callers) = (Configuration::read(vars), internal_callers(vars, system)?);
        vars.finish()?;
        let (configuration, callers) = (configuration?, callers?);
        let parts = Parts::build(&configuration, system, Outside::real(&configuration, system)?).await?;
        let (ready, facts) = (parts.store_check(), parts.facts());
        let earlier = parts.earlier_runs();
        let jobs = parts.runs_jobs().then(|| scheduled(&parts.gateway)).into_iter().flatten();
        let jobs = jobs.map(|job| job.in_background(system.time.clone()));
        let function = Function::new(router(parts.gateway, callers)).ready_when(ready).showing(facts);
        let function = function.beside([earlier].into_iter().chain(jobs));
        Ok(DEADLINES.into_iter().fold(function, |function, (route, deadline)| function.deadline(route, deadline)))
    })
    .await
}
