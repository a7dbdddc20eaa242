//! The names of the topics: read from `QUEUE_URL`, strictly, so that a slip of the pen stops the process at its start.
//!
//! Must not know: whether there is such a topic.

/// The scheme that selects this queue in `QUEUE_URL`.
const SCHEME: &str = "pubsub:";
/// What the dead-letter topic is called where nobody says otherwise: beside the first, in the same project.
const DEAD_LETTER: &str = "dead-letter";

/// The full names, `projects/P/topics/T`, of the topics that are published to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Tries of deliveries that are due.
    pub payment_events: String,
    /// Events that the gateway gave up. Not the topic into which Pub/Sub itself puts what it gave up, which only Pub/Sub
    /// writes to.
    pub dead_letter: String,
}

/// A name that is no topic's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no topic: it has to be projects/PROJECT/topics/TOPIC, with Pub/Sub's letters")]
pub struct InvalidTopic(pub String);

impl Topics {
    /// What `url` says, `pubsub:projects/P/topics/T`; and the dead-letter topic, by its full name or by its name within the
    /// same project, else `dead-letter` there.
    pub fn read(url: &str, dead_letter: Option<&str>) -> Result<Self, InvalidTopic> {
        let invalid = |name: &str| InvalidTopic(name.chars().take(300).collect());
        let topic = url.strip_prefix(SCHEME).ok_or_else(|| invalid(url))?;
        let project = project(topic).ok_or_else(|| invalid(url))?;
        let dead_letter = match dead_letter {
            Some(full) if full.contains('/') => full.to_owned(),
            short => format!("projects/{project}/topics/{}", short.unwrap_or(DEAD_LETTER)),
        };
        if self::project(&dead_letter).is_none() || dead_letter == topic {
            return Err(invalid(&dead_letter));
        }
        Ok(Self { payment_events: topic.to_owned(), dead_letter })
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
    fn the_dead_letter_topic_is_beside_the_first_unless_it_is_named() {
        let topics = |dead_letter| Topics::read("pubsub:projects/p-1/topics/payment-events", dead_letter).unwrap();
        assert_eq!(topics(None).payment_events, "projects/p-1/topics/payment-events");
        assert_eq!(topics(None).dead_letter, "projects/p-1/topics/dead-letter");
        assert_eq!(topics(Some("given-up")).dead_letter, "projects/p-1/topics/given-up");
        assert_eq!(topics(Some("projects/other/topics/given-up")).dead_letter, "projects/other/topics/given-up");
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
            assert!(Topics::read(url, None).is_err(), "{url}");
        }
        for dead_letter in ["", "x", "projects/p/topics/events", "events", "a/b"] {
            assert!(Topics::read("pubsub:projects/p/topics/events", Some(dead_letter)).is_err(), "{dead_letter}");
        }
    }
}
