//! The function `settlement`: the nightly batch. Configuration: see the README's table.

use std::process::ExitCode;

use tollgate_assembly::{Configuration, Outside, Parts};
use tollgate_runtime::{Function, InternalCallers, run};
use tollgate_settlement::{DEADLINE, ROUTE, router, scheduled};

#[tokio::main]
async fn main() -> ExitCode {
    run("settlement", async |vars, system| {
        let configuration = Configuration::read(vars);
        vars.finish()?;
        let configuration = configuration?;
        let parts = Parts::build(&configuration, system, Outside::real(&configuration, system)?)?;
        let ready = parts.store_check();
        if let Err(error) = parts.gateway.show_earlier_runs().await {
            tracing::warn!(%error, "what earlier runs left is not shown until the next one");
        }
        let job = scheduled(&parts.gateway).in_background(system.time.clone());
        let routes = router(parts.gateway, InternalCallers::Nobody);
        Ok(Function::new(routes).deadline(ROUTE, DEADLINE).ready_when(ready).beside([job]))
    })
    .await
}
