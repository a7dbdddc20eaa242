//! A kept event as data: one line of JSON, versioned, bounded, and with a checksum, for what it says can move a payment, and
//! nobody signs it any more.
//!
//! Must not know: where it is kept, or what is done with it.

use serde::{Deserialize, Serialize};
use tollgate_domain::{Failure, Money, RefundState, RefundView, TransactionState, TransactionView};
use tollgate_gateway::ports::{
    event_backlog::KeptEvent,
    provider::{News, ProviderEvent},
};

/// The version that this program writes, and the only one that it reads.
const VERSION: u32 = 1;
/// An event of ours is some 600 bytes, and a page to send a payer to has 2,000 at most.
pub const LONGEST_EVENT_BYTES: usize = 16 * 1024;

/// Why data is no kept event.
#[derive(Debug, thiserror::Error)]
pub enum NoEvent {
    /// Longer than any of ours.
    #[error("{0} bytes are no event of ours")]
    TooLong(usize),
    /// Not what [`write`] makes.
    #[error("the data is no event: {0}")]
    Data(#[from] serde_json::Error),
    /// Another program's.
    #[error("the event is of version {0}: this program knows {VERSION}")]
    Version(u32),
    /// A value that cannot be.
    #[error("the event holds a wrong {0}")]
    Value(&'static str),
    /// Something in it is not as it was written.
    #[error("the event is damaged")]
    Damaged,
}

/// The version stands outside, so that one of another version is told from what is damaged.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    v: u32,
    crc: String,
    event: Kept,
}

#[derive(Deserialize)]
struct AnyVersion {
    v: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    provider: String,
    event_id: String,
    event_type: String,
    received_at: String,
    correlation_id: String,
    news: Said,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Said {
    NotUsed,
    NotOurs,
    Transaction { payment: Option<String>, view: View },
    Changed { payment: String, transaction_id: String },
    Refund { payment: String, refund: String, view: RefundSeen },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct View {
    transaction_id: String,
    request_id: Option<String>,
    amount: Amount,
    state: State,
    kept: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum State {
    AwaitingPayer { url: String, until: Option<String> },
    Approved { progress: String },
    Processing,
    Authorized { expires_at: Option<String> },
    Captured { amount: Amount, refunded: Amount },
    Voided,
    Declined(Why),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefundSeen {
    refund_reference: String,
    instead_of: Option<String>,
    state: RefundStands,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum RefundStands {
    Pending,
    Completed,
    Failed(Why),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    code: String,
    message: String,
    provider_code: Option<String>,
}

/// Minor units, and of which currency.
#[derive(Serialize, Deserialize)]
struct Amount(i64, String);

/// The data of `event`.
pub fn write(event: &KeptEvent) -> Result<String, NoEvent> {
    seal(Kept::of(event))
}

/// The event that `data` is, if it is what [`write`] made of it, to the byte.
pub fn read(data: &[u8]) -> Result<KeptEvent, NoEvent> {
    if data.len() > LONGEST_EVENT_BYTES {
        return Err(NoEvent::TooLong(data.len()));
    }
    let AnyVersion { v } = serde_json::from_slice(data)?;
    if v != VERSION {
        return Err(NoEvent::Version(v));
    }
    let sealed: Sealed = serde_json::from_slice(data)?;
    let event = sealed.event.read()?;
    // The checksum is of these very words, so one comparison checks both.
    if write(&event)?.as_bytes() != data {
        return Err(NoEvent::Damaged);
    }
    Ok(event)
}

fn seal(event: Kept) -> Result<String, NoEvent> {
    let crc = format!("{:08x}", crc32fast::hash(&serde_json::to_vec(&event)?));
    let data = serde_json::to_string(&Sealed { v: VERSION, crc, event })?;
    if data.len() > LONGEST_EVENT_BYTES { Err(NoEvent::TooLong(data.len())) } else { Ok(data) }
}

fn parsed<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T, NoEvent> {
    text.parse().map_err(|_| NoEvent::Value(what))
}

fn parsed_or_none<T: std::str::FromStr>(text: Option<&String>, what: &'static str) -> Result<Option<T>, NoEvent> {
    text.map(|text| parsed(text, what)).transpose()
}

impl Kept {
    fn of(kept: &KeptEvent) -> Self {
        let KeptEvent { provider, event, received_at, correlation_id } = kept;
        let ProviderEvent { event_id, event_type, news } = event;
        Self {
            provider: provider.as_str().to_owned(),
            event_id: event_id.clone(),
            event_type: event_type.clone(),
            received_at: received_at.to_string(),
            correlation_id: correlation_id.clone(),
            news: Said::of(news),
        }
    }

    fn read(self) -> Result<KeptEvent, NoEvent> {
        Ok(KeptEvent {
            provider: parsed(&self.provider, "provider")?,
            received_at: parsed(&self.received_at, "time")?,
            correlation_id: self.correlation_id,
            event: ProviderEvent { event_id: self.event_id, event_type: self.event_type, news: self.news.read()? },
        })
    }
}

impl Said {
    fn of(news: &News) -> Self {
        match news {
            News::NotUsed => Self::NotUsed,
            News::NotOurs => Self::NotOurs,
            News::Transaction { payment, view } => {
                Self::Transaction { payment: payment.as_ref().map(ToString::to_string), view: View::of(view) }
            }
            News::Changed { payment, transaction_id } => {
                Self::Changed { payment: payment.to_string(), transaction_id: transaction_id.clone() }
            }
            News::Refund { payment, refund, view } => {
                Self::Refund { payment: payment.to_string(), refund: refund.to_string(), view: RefundSeen::of(view) }
            }
        }
    }

    fn read(self) -> Result<News, NoEvent> {
        Ok(match self {
            Self::NotUsed => News::NotUsed,
            Self::NotOurs => News::NotOurs,
            Self::Transaction { payment, view } => {
                News::Transaction { payment: parsed_or_none(payment.as_ref(), "payment")?, view: view.read()? }
            }
            Self::Changed { payment, transaction_id } => {
                News::Changed { payment: parsed(&payment, "payment")?, transaction_id }
            }
            Self::Refund { payment, refund, view } => News::Refund {
                payment: parsed(&payment, "payment")?,
                refund: parsed(&refund, "refund")?,
                view: view.read(),
            },
        })
    }
}

impl View {
    fn of(view: &TransactionView) -> Self {
        let TransactionView { transaction_id, request_id, amount, state, kept } = view;
        Self {
            transaction_id: transaction_id.clone(),
            request_id: request_id.as_ref().map(ToString::to_string),
            amount: Amount::of(*amount),
            state: State::of(state),
            kept: kept.clone(),
        }
    }

    fn read(self) -> Result<TransactionView, NoEvent> {
        Ok(TransactionView {
            transaction_id: self.transaction_id,
            request_id: parsed_or_none(self.request_id.as_ref(), "request")?,
            amount: self.amount.read()?,
            state: self.state.read()?,
            kept: self.kept,
        })
    }
}

impl State {
    fn of(state: &TransactionState) -> Self {
        match state {
            TransactionState::AwaitingPayer { url, until } => {
                Self::AwaitingPayer { url: url.clone(), until: until.as_ref().map(ToString::to_string) }
            }
            TransactionState::Approved { progress } => Self::Approved { progress: progress.clone() },
            TransactionState::Processing => Self::Processing,
            TransactionState::Authorized { expires_at } => {
                Self::Authorized { expires_at: expires_at.as_ref().map(ToString::to_string) }
            }
            TransactionState::Captured { amount, refunded } => {
                Self::Captured { amount: Amount::of(*amount), refunded: Amount::of(*refunded) }
            }
            TransactionState::Voided => Self::Voided,
            TransactionState::Declined(failure) => Self::Declined(Why::of(failure)),
        }
    }

    fn read(self) -> Result<TransactionState, NoEvent> {
        Ok(match self {
            Self::AwaitingPayer { url, until } => {
                TransactionState::AwaitingPayer { url, until: parsed_or_none(until.as_ref(), "time")? }
            }
            Self::Approved { progress } => TransactionState::Approved { progress },
            Self::Processing => TransactionState::Processing,
            Self::Authorized { expires_at } => {
                TransactionState::Authorized { expires_at: parsed_or_none(expires_at.as_ref(), "time")? }
            }
            Self::Captured { amount, refunded } => {
                TransactionState::Captured { amount: amount.read()?, refunded: refunded.read()? }
            }
            Self::Voided => TransactionState::Voided,
            Self::Declined(why) => TransactionState::Declined(why.read()),
        })
    }
}

impl RefundSeen {
    fn of(view: &RefundView) -> Self {
        let RefundView { refund_reference, instead_of, state } = view;
        let state = match state {
            RefundState::Pending => RefundStands::Pending,
            RefundState::Completed => RefundStands::Completed,
            RefundState::Failed(failure) => RefundStands::Failed(Why::of(failure)),
        };
        Self { refund_reference: refund_reference.clone(), instead_of: instead_of.clone(), state }
    }

    fn read(self) -> RefundView {
        let state = match self.state {
            RefundStands::Pending => RefundState::Pending,
            RefundStands::Completed => RefundState::Completed,
            RefundStands::Failed(why) => RefundState::Failed(why.read()),
        };
        RefundView { refund_reference: self.refund_reference, instead_of: self.instead_of, state }
    }
}

impl Why {
    fn of(failure: &Failure) -> Self {
        let Failure { code, message, provider_code } = failure;
        Self { code: code.clone(), message: message.clone(), provider_code: provider_code.clone() }
    }

    fn read(self) -> Failure {
        Failure { code: self.code, message: self.message, provider_code: self.provider_code }
    }
}

impl Amount {
    fn of(money: Money) -> Self {
        Self(money.minor(), money.currency().code().to_owned())
    }

    fn read(&self) -> Result<Money, NoEvent> {
        Money::new(self.0, parsed(&self.1, "currency")?).map_err(|_| NoEvent::Value("amount"))
    }
}

#[cfg(test)]
mod tests;
