//! The queue's metrics. What is per merchant is no label.

use crate::Topic;

/// What happened to messages of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    /// Taken into the file.
    Published,
    /// Handled, and removed.
    Acked,
    /// To be handed out again.
    Retried,
    /// Given up by the queue; counted in the topic that it leaves.
    DeadLettered,
    /// Not handled before its deadline; counted beside what became of it.
    Expired,
}

/// All of them, in the order of their numbers.
const ALL: [(Happened, &str); 5] = [
    (Happened::Published, "published"),
    (Happened::Acked, "acked"),
    (Happened::Retried, "retried"),
    (Happened::DeadLettered, "dead_lettered"),
    (Happened::Expired, "expired"),
];

/// What happened in one transaction: counted once it is committed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    events: [u64; ALL.len()],
    dead: [u64; ALL.len()],
}

impl Tally {
    pub(super) fn count(&mut self, topic: Topic, happened: Happened) {
        let counts = match topic {
            Topic::PaymentEvents => &mut self.events,
            Topic::DeadLetter => &mut self.dead,
        };
        counts[happened as usize] += 1;
    }

    /// Tells the metrics.
    pub(super) fn report(&self) {
        for (topic, counts) in [(Topic::PaymentEvents, &self.events), (Topic::DeadLetter, &self.dead)] {
            for (happened, name) in ALL {
                let count = counts[happened as usize];
                if count > 0 {
                    metrics::counter!("queue_messages_total", "topic" => topic.name(), "outcome" => name)
                        .increment(count);
                }
            }
        }
    }
}

/// How many messages are in `topic`, held ones too.
pub(super) fn depth(topic: Topic, messages: u64) {
    // The capacity is far below what a double holds exactly.
    #[allow(clippy::cast_precision_loss, reason = "a queue has millions of messages at most")]
    metrics::gauge!("queue_depth", "topic" => topic.name()).set(messages as f64);
}
