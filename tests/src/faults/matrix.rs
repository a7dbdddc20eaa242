//! Which parts and which troubles there are, and which of them mean something together.
//!
//! Must not know: how a trouble is made.

/// What the gateway needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The database.
    Store,
    /// Redis: buckets, and payments as they were.
    Counters,
    /// Pub/Sub: what is published, and what is pushed.
    Queue,
    /// Who calls the jobs.
    Scheduler,
    /// Stripe: its API, and its webhooks.
    Provider,
    /// The merchant's endpoint.
    Merchant,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Connections are reset as they come.
    Refuse,
    /// What is sent is swallowed.
    TimeOut,
    /// Everything takes long.
    Slow,
    /// A part of the answer, then a reset.
    Reset,
    /// An error for an answer, whether it was done or not.
    Error,
    /// Every request comes twice.
    Repeat,
    /// Requests overtake each other.
    Reorder,
    /// The process is killed, and started again.
    Kill,
}

/// All parts.
pub const PARTS: [Part; 6] =
    [Part::Store, Part::Counters, Part::Queue, Part::Scheduler, Part::Provider, Part::Merchant];

/// All troubles.
pub const TROUBLES: [Trouble; 8] = [
    Trouble::Refuse,
    Trouble::TimeOut,
    Trouble::Slow,
    Trouble::Reset,
    Trouble::Error,
    Trouble::Repeat,
    Trouble::Reorder,
    Trouble::Kill,
];

impl Part {
    /// Its name in the table and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Counters => "counters",
            Self::Queue => "queue",
            Self::Scheduler => "scheduler",
            Self::Provider => "provider",
            Self::Merchant => "merchant",
        }
    }
}

impl Trouble {
    /// Its name in the table and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::TimeOut => "time-out",
            Self::Slow => "slow",
            Self::Reset => "reset",
            Self::Error => "error",
            Self::Repeat => "repeat",
            Self::Reorder => "reorder",
            Self::Kill => "kill",
        }
    }
}

/// Why this trouble means nothing for this part; `None`: it is played.
pub const fn meaningless(part: Part, trouble: Trouble) -> Option<&'static str> {
    match (part, trouble) {
        (Part::Counters, Trouble::Repeat) => Some(
            "one connection, and nobody between that could send a command again; the client sends none again whose answer is lost",
        ),
        (Part::Counters, Trouble::Reorder) => Some("one connection, on which answers come in the order of commands"),
        _ => None,
    }
}
