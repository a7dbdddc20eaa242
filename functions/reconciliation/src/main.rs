//! The function `reconciliation`: the jobs that reconcile. Configuration: see the README's table.

use std::process::ExitCode;

use tollgate_assembly::{Configuration, Outside, Parts};
use tollgate_reconciliation::{DEADLINES, router, scheduled};
use tollgate_runtime::{Function, InternalCallers, run};

#[tokio::main]
async fn main() -> ExitCode {
    run("reconciliation", async |vars, system| {
        let configuration = Configuration::read(vars);
        vars.finish()?;
        let configuration = configuration?;
        let parts = Parts::build(&configuration, system, Outside::real(&configuration, system)?)?;
        let ready = parts.store_check();
        if let Err(error) = parts.gateway.show_earlier_runs().await {
            tracing::warn!(%error, "what earlier runs left is not shown until the next one");
        }
        let jobs = scheduled(&parts.gateway).map(|job| job.in_background(system.time.clone()));
        // Until callers can be told apart, nobody may start a job over the network.
        let function = Function::new(router(parts.gateway, InternalCallers::Nobody)).ready_when(ready).beside(jobs);
        Ok(DEADLINES.into_iter().fold(function, |function, (route, deadline)| function.deadline(route, deadline)))
    })
    .await
}
