//! The function `webhook-delivery`, but for one thing: it also sends to merchants' endpoints on this machine, which the real one
//! refuses. So a test can be the merchant.

use std::{process::ExitCode, sync::Arc};

use tollgate_assembly::Outside;
use tollgate_webhooks::{AddressPolicy, HttpWebhookSender};

#[tokio::main]
async fn main() -> ExitCode {
    tollgate_webhook_delivery::serve(|configuration, system| {
        let webhooks = Arc::new(HttpWebhookSender::new(AddressPolicy::sandbox(), Arc::clone(&system.time)));
        Ok(Outside { webhooks, ..Outside::real(configuration, system)? })
    })
    .await
}
