//! The names of the topics: read from `QUEUE_URL`, strictly, so that a slip of the pen stops the process at its start.
//!
//! Must not know: whether there is such a topic.

/// The scheme that selects this queue in `QUEUE_URL`.
const SCHEME: &str = "pubsub:";
/// What the dead-letter topic is called where nobody says otherwise: beside the first, in the same project.
const DEAD_LETTER: &str = "dead-letter";
/// And the topic of providers' events.
const PROVIDER_EVENTS: &str = "provider-events";

/// The topics that are called otherwise than where nobody says, each by its full name or by its name within the project of `QUEUE_URL`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Named<'a> {
    /// Instead of `dead-letter`.
    pub dead_letter: Option<&'a str>,
    /// Instead of `provider-events`.
    pub provider_events: Option<&'a str>,
    /// There is none where nobody says so: settlements are not split then.
    pub settlement_shards: Option<&'a str>,
}

/// The full names, `projects/P/topics/T`, of the topics that are published to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Tries of deliveries that are due.
    pub payment_events: String,
    /// Events that the gateway gave up. Not the topic into which Pub/Sub itself puts what it gave up, which only Pub/Sub
    /// writes to.
    pub dead_letter: String,
    /// Providers' events that came while the store was away.
    pub provider_events: String,
    /// Parts of a settlement, if it is split.
    pub settlement_shards: Option<String>,
}

/// A name that is no topic's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no topic: it has to be projects/PROJECT/topics/TOPIC, with Pub/Sub's letters")]
pub struct InvalidTopic(pub String);

impl Topics {
    /// What `url` says, `pubsub:projects/P/topics/T`; and the topics beside it.
    pub fn read(url: &str, named: Named<'_>) -> Result<Self, InvalidTopic> {
        let invalid = |name: &str| InvalidTopic(name.chars().take(300).collect());
        let topic = url.strip_prefix(SCHEME).ok_or_else(|| invalid(url))?;
        let project = project(topic).ok_or_else(|| invalid(url))?;
        let beside = |named: &str| {
            if named.contains('/') { named.to_owned() } else { format!("projects/{project}/topics/{named}") }
        };
        let dead_letter = beside(named.dead_letter.unwrap_or(DEAD_LETTER));
        let provider_events = beside(named.provider_events.unwrap_or(PROVIDER_EVENTS));
        let settlement_shards = named.settlement_shards.map(beside);
        // Each is read by a handler that knows nothing of the others.
        let mut taken = vec![topic];
        for name in [&dead_letter, &provider_events].into_iter().chain(&settlement_shards) {
            if self::project(name).is_none() || taken.contains(&name.as_str()) {
                return Err(invalid(name));
            }
            taken.push(name);
        }
        Ok(Self { payment_events: topic.to_owned(), dead_letter, provider_events, settlement_shards })
    }
}

/// The project of a topic's full name, where it is one.
fn project(topic: &str) -> Option<&str> {
    let parts: Vec<&str> = topic.split('/').collect();
    let ["projects", project, "topics", name] = parts[..] else { return None };
    // A project may be in a domain, `example.com:project`.
    let of_project = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:".contains(&byte);
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~+%".contains(&byte);
    let is_project = (1..=100).contains(&project.len()) && project.bytes().all(of_project);
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic()) && !name.starts_with("goog");
    let is_name = (3..=255).contains(&name.len()) && name.bytes().all(of_name) && starts_well;
    (is_project && is_name).then_some(project)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_topics_are_beside_the_first_unless_they_are_named() {
        let url = "pubsub:projects/p-1/topics/payment-events";
        let topics = |dead_letter| Topics::read(url, Named { dead_letter, ..Named::default() }).unwrap();
        assert_eq!(topics(None).payment_events, "projects/p-1/topics/payment-events");
        assert_eq!(topics(None).dead_letter, "projects/p-1/topics/dead-letter");
        assert_eq!(topics(Some("given-up")).dead_letter, "projects/p-1/topics/given-up");
        assert_eq!(topics(Some("projects/other/topics/given-up")).dead_letter, "projects/other/topics/given-up");
        let topics = |provider_events| Topics::read(url, Named { provider_events, ..Named::default() }).unwrap();
        assert_eq!(topics(None).provider_events, "projects/p-1/topics/provider-events");
        assert_eq!(topics(Some("kept")).provider_events, "projects/p-1/topics/kept");
        assert_eq!(topics(Some("projects/other/topics/kept")).provider_events, "projects/other/topics/kept");
        assert_eq!(topics(None).settlement_shards, None, "without a name settlements are not split");
        let split = Named { settlement_shards: Some("settlement-shards"), ..Named::default() };
        let topic = Topics::read(url, split).unwrap().settlement_shards;
        assert_eq!(topic.as_deref(), Some("projects/p-1/topics/settlement-shards"));
    }

    #[test]
    fn what_names_no_topic_is_refused() {
        for url in [
            "",
            "pubsub:",
            "embedded:",
            "projects/p/topics/events",
            "pubsub:events",
            "pubsub:projects/p/topics/",
            "pubsub:projects//topics/events",
            "pubsub:projects/p/topics/ev",
            "pubsub:projects/p/topics/1events",
            "pubsub:projects/p/topics/google-events",
            "pubsub:projects/p/topics/events/more",
            "pubsub:projects/p/topics/ev ents",
            "pubsub:projects/p/subscriptions/events",
            "pubsub:projects/P/topics/events",
        ] {
            assert!(Topics::read(url, Named::default()).is_err(), "{url}");
        }
        let url = "pubsub:projects/p/topics/events";
        for wrong in ["", "x", "projects/p/topics/events", "events", "a/b"] {
            for named in [
                Named { dead_letter: Some(wrong), ..Named::default() },
                Named { provider_events: Some(wrong), ..Named::default() },
                Named { settlement_shards: Some(wrong), ..Named::default() },
            ] {
                assert!(Topics::read(url, named).is_err(), "{named:?}");
            }
        }
        let both = Some("both");
        assert!(Topics::read(url, Named { dead_letter: both, provider_events: both, ..Named::default() }).is_err());
        assert!(Topics::read(url, Named { dead_letter: both, settlement_shards: both, ..Named::default() }).is_err());
    }
}
