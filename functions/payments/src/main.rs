//! The function `payments`: the merchants' API. Configuration: see the README's table.

use std::process::ExitCode;

use tollgate_assembly::{Configuration, Outside, Parts};
use tollgate_payments::{MerchantsDoor, Payments, router};
use tollgate_runtime::{Function, run};

#[tokio::main]
async fn main() -> ExitCode {
    run("payments", async |vars, system| {
        let configuration = Configuration::read(vars);
        vars.finish()?;
        let configuration = configuration?;
        let parts = Parts::build(&configuration, system, Outside::real(&configuration, system)?).await?;
        let (store, counters, facts) = (parts.store_check(), parts.counters_check(), parts.facts());
        let door = MerchantsDoor::new(parts.authenticator.clone(), parts.rate_limits(), parts.trusted_proxies);
        let admission = parts.admission.clone();
        let routes = router(Payments { gateway: parts.gateway });
        let function = Function::new(routes).door(door).admission(admission);
        Ok(function.ready_when(store).ready_when(counters).showing(facts))
    })
    .await
}
