//! The function `provider-webhooks`: events from providers. Configuration: see the README's table.

use std::{process::ExitCode, sync::Arc};

use tollgate_assembly::{Configuration, Outside, Parts, embedded, internal_callers};
use tollgate_messaging::events::Applier;
use tollgate_provider_webhooks::{BODY_AT_MOST, KeptEvents, ProviderWebhooks, ProvidersDoor, router};
use tollgate_runtime::{Function, run};

#[tokio::main]
async fn main() -> ExitCode {
    run("provider-webhooks", async |vars, system| {
        let (configuration, callers) = (Configuration::read(vars), internal_callers(vars, system)?);
        vars.finish()?;
        let (configuration, callers) = (configuration?, callers?);
        let parts = Parts::build(&configuration, system, Outside::real(&configuration, system)?).await?;
        let (ready, facts) = (parts.store_check(), parts.facts());
        let time = Arc::clone(&system.time);
        let door = ProvidersDoor::new(parts.rate_limits(), parts.trusted_proxies);
        let admission = parts.admission.clone();
        let applying = parts.event_file.map(|file| {
            let kept = Arc::new(KeptEvents::new(parts.gateway.clone()));
            embedded::applying(&Applier::new(file, kept, Arc::clone(&time)), system)
        });
        let routes = router(ProviderWebhooks { gateway: parts.gateway, readers: parts.readers, time }, callers);
        let function = Function::new(routes).door(door).admission(admission).body_limit(BODY_AT_MOST);
        Ok(function.beside(applying).ready_when(ready).showing(facts))
    })
    .await
}
