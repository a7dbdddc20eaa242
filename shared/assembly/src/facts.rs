//! What `/health/deep` shows of a function's parts, beside the checks. No provider is asked for any of it.
//!
//! Must not know: routes, whether the function is ready.

use serde_json::{Map, Value, json};
use tollgate_runtime::health::Fact;

use crate::Parts;

impl Parts {
    /// All that there is: how the breakers stand, how much is worked on, which providers are on, since when deliveries are due, what is in the queue, and
    /// versions.
    pub fn facts(&self) -> Vec<Fact> {
        let facts = [
            self.breakers_fact(),
            self.admission_fact(),
            self.providers_fact(),
            self.due_deliveries_fact(),
            versions_fact(),
        ];
        facts.into_iter().chain(self.queue_fact()).collect()
    }

    /// How much is worked on and waits.
    fn admission_fact(&self) -> Fact {
        let admission = self.admission.clone();
        Fact::new("admission", move || {
            let standing = admission.standing();
            json!({"in_flight": standing.in_flight, "waiting": standing.waiting, "limit": standing.limit})
        })
    }

    /// The configured providers, each `on`, or `off` where operators turned it off for new payments.
    fn providers_fact(&self) -> Fact {
        let gateway = self.gateway.clone();
        Fact::asked("providers", move || {
            let gateway = gateway.clone();
            async move {
                let standing = gateway.providers_standing().await?;
                let states = standing.into_iter().map(|of| {
                    let state = if of.turned_off { "off" } else { "on" };
                    (of.provider.as_str().to_owned(), state.into())
                });
                Ok(Value::Object(states.collect::<Map<_, _>>()))
            }
        })
    }

    /// How long the delivery to a merchant has been due that has been due longest: what nobody sends grows old.
    fn due_deliveries_fact(&self) -> Fact {
        let gateway = self.gateway.clone();
        Fact::asked("oldest_due_delivery_age_seconds", move || {
            let gateway = gateway.clone();
            async move { Ok(gateway.oldest_due_delivery_age().await?.as_secs().into()) }
        })
    }

    /// How many messages are in the embedded queue, those in flight too. What is in Pub/Sub, its own metrics say.
    fn queue_fact(&self) -> Option<Fact> {
        let queue = self.embedded_queue.clone()?;
        Some(Fact::asked("queue_depths", move || {
            let queue = queue.clone();
            async move {
                let standing = queue.standing().await?;
                Ok(json!({"payment_events": standing.payment_events, "dead_letter": standing.dead_letter}))
            }
        }))
    }
}

fn versions_fact() -> Fact {
    Fact::new("versions", || json!({"tollgate": tollgate_runtime::VERSION}))
}
