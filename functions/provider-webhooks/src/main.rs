//! The function `provider-webhooks`: events from providers. Configuration: see the README's table.

use std::{process::ExitCode, sync::Arc};

use tollgate_assembly::{Configuration, Outside, Parts};
use tollgate_provider_webhooks::{BODY_AT_MOST, ProviderWebhooks, router};
use tollgate_runtime::{Function, run};

#[tokio::main]
async fn main() -> ExitCode {
    run("provider-webhooks", async |vars, system| {
        let configuration = Configuration::read(vars);
        vars.finish()?;
        let configuration = configuration?;
        let parts = Parts::build(&configuration, system, Outside::real(&configuration, system)?).await?;
        let (ready, breakers) = (parts.store_check(), parts.breakers_fact());
        let time = Arc::clone(&system.time);
        let routes = router(ProviderWebhooks { gateway: parts.gateway, readers: parts.readers, time });
        Ok(Function::new(routes).body_limit(BODY_AT_MOST).ready_when(ready).showing(breakers))
    })
    .await
}
