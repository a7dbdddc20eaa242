//! The function `webhook-delivery`: events to merchants. Configuration: see the README's table.

use std::process::ExitCode;

use tollgate_assembly::{Configuration, Outside, Parts, embedded};
use tollgate_runtime::{Function, InternalCallers, run};
use tollgate_webhook_delivery::{DeliveryHandler, JOB_DEADLINE, WebhookDelivery, router, scheduled};

#[tokio::main]
async fn main() -> ExitCode {
    run("webhook-delivery", async |vars, system| {
        let configuration = Configuration::read(vars);
        vars.finish()?;
        let configuration = configuration?;
        let parts = Parts::build(&configuration, system, Outside::real(&configuration, system)?)?;
        let consumer = embedded::consumer(&parts, system, DeliveryHandler::new(parts.gateway.clone()));
        let job = scheduled(&parts.gateway).in_background(system.time.clone());
        let (store, queue) = (parts.store_check(), parts.queue_check());
        let routes = router(WebhookDelivery { gateway: parts.gateway }, InternalCallers::Nobody);
        let function = Function::new(routes).deadline("/jobs/deliveries", JOB_DEADLINE);
        Ok(function.ready_when(store).ready_when(queue).beside([consumer, job]))
    })
    .await
}
