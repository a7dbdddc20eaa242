//! What a function on embedded parts does for itself that Google Cloud does elsewhere: it takes its messages from the queue,
//! and runs its jobs by the clock.

use std::sync::Arc;

use tollgate_gateway::ports::Spawn;
use tollgate_messaging::{Handler, Limits};
use tollgate_runtime::{Background, System};

use crate::Parts;

/// Hands the queue's messages to `handler` until told to stop; what is in flight then is ended. `None`: the queue is Pub/Sub,
/// which pushes them.
pub fn consumer(parts: &Parts, system: &System, handler: impl Handler) -> Option<Background> {
    let (queue, tasks, handler) = (parts.embedded_queue.clone()?, system.tasks.clone(), Arc::new(handler));
    Some(Background::new(move |mut stopping| {
        let spawn: Arc<dyn Spawn> = Arc::new(tasks.clone());
        let (queue, handler) = (queue.clone(), handler.clone());
        async move {
            let consumer = match queue.consume(handler, Limits::default(), &spawn) {
                Ok(consumer) => consumer,
                Err(error) => return tracing::error!(%error, "the queue cannot be consumed"),
            };
            stopping.wait().await;
            if let Err(error) = consumer.stop().await {
                tracing::warn!(%error, "the queue did not end well; its messages come again");
            }
        }
    }))
}
