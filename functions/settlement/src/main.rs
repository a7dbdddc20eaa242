//! The function `settlement`: the nightly batch. Configuration: see the README's table.

use std::process::ExitCode;

use tollgate_assembly::{Configuration, Outside, Parts, internal_callers};
use tollgate_runtime::{Function, run};
use tollgate_settlement::{DEADLINE, ROUTE, SHARD_DEADLINE, SHARDS_ROUTE, router, scheduled};

#[tokio::main]
async fn main() -> ExitCode {
    run("settlement", async |vars, system| {
        let (configuration, callers) = (Configuration::read(vars), internal_callers(vars, system)?);
        vars.finish()?;
        let (configuration, callers) = (configuration?, callers?);
        let parts = Parts::build(&configuration, system, Outside::real(&configuration, system)?).await?;
        let (ready, facts) = (parts.store_check(), parts.facts());
        let earlier = parts.earlier_runs();
        let job = parts.runs_jobs().then(|| scheduled(&parts.gateway).in_background(system.time.clone()));
        let routes = router(parts.gateway, callers);
        let function = Function::new(routes).deadline(ROUTE, DEADLINE).deadline(SHARDS_ROUTE, SHARD_DEADLINE);
        let function = function.ready_when(ready).showing(facts);
        Ok(function.beside([earlier].into_iter().chain(job)))
    })
    .await
}
