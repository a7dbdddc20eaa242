//! What a function on embedded parts does for itself that Google Cloud does elsewhere: it takes its messages from the queue,
//! applies the events that waited for the store, and runs its jobs by the clock.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::future::{Either, select};
use tollgate_gateway::ports::Spawn;
use tollgate_messaging::{Handler, Limits, events::Applier};
use tollgate_runtime::{Background, System};

use crate::Parts;

/// How often the file of providers' events is looked at: one number is read where none waits.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// And while the store is away.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

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

/// Applies the providers' events that wait in `applier`'s file until told to stop. What is under way then goes on by itself, and an
/// event that was applied meanwhile is found to be a duplicate.
pub fn applying(applier: &Applier, system: &System) -> Background {
    let (applier, time) = (applier.clone(), Arc::clone(&system.time));
    Background::new(move |mut stopping| {
        let (applier, time) = (applier.clone(), Arc::clone(&time));
        async move {
            let mut wait = LOOK_EVERY;
            loop {
                let round = async {
                    time.sleep(wait).await;
                    applier.round().await
                };
                let round = match select(pin!(stopping.wait()), pin!(round)).await {
                    Either::Left(_) => return,
                    Either::Right((round, _)) => round,
                };
                wait = match round {
                    Ok(round) if !round.store_away => LOOK_EVERY,
                    Ok(_) => LOOK_AGAIN,
                    Err(error) => {
                        tracing::error!(%error, "the providers' events that wait cannot be read");
                        LOOK_AGAIN
                    }
                };
            }
        }
    })
}
