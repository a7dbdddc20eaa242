//! The function `payments`: the merchants' API. Configuration: see the README's table.

use std::process::ExitCode;

use tollgate_assembly::{Configuration, Outside, Parts};
use tollgate_payments::{Payments, router};
use tollgate_runtime::{Function, run};

#[tokio::main]
async fn main() -> ExitCode {
    run("payments", async |vars, system| {
        let configuration = Configuration::read(vars);
        vars.finish()?;
        let configuration = configuration?;
        let parts = Parts::build(&configuration, system, Outside::real(&configuration, system)?).await?;
        let (store, counters, breakers) = (parts.store_check(), parts.counters_check(), parts.breakers_fact());
        let routes = router(Payments { gateway: parts.gateway, authenticator: parts.authenticator });
        Ok(Function::new(routes).ready_when(store).ready_when(counters).showing(breakers))
    })
    .await
}
