//! Getting consents and payments from the bank, each held against what is expected of it. Decides nothing about what follows.

use std::time::Duration;

use http::HeaderValue;
use tollgate_domain::Answer;
use tollgate_gateway::ports::provider::LookUp;

use super::{
    api::{Api, Ask, Deadline, Got, Reply, Trace},
    failures::{CONSENT_STATUS, PAYERS_TOKEN, failure, token},
    objects::{ApiError, Consent, Funds, Paid, read},
    requests::{self, Unsendable},
    view::{Expected, check_consent, check_new_consent, check_paid},
};

/// Why there is nothing to show.
#[derive(Debug)]
pub(super) enum NotShown {
    /// The bank has no such thing.
    Missing,
    /// It shows something else.
    NotOurs(&'static str),
    /// Its final no.
    Refused(ApiError),
    /// What happened is not known.
    Unknown(String),
    /// It was not asked.
    NotReached { reason: String, retry_after: Option<Duration> },
}

impl NotShown {
    /// As the answer to a step.
    pub(super) fn answer(self) -> Answer {
        match self {
            Self::Missing => unknown("the bank does not show it any more"),
            Self::NotOurs(reason) => unknown(reason),
            // What is used or refused shows in the consent.
            Self::Refused(error) if error.code() == CONSENT_STATUS => unknown("the consent's status does not allow it"),
            Self::Refused(error) => Answer::Refused { failure: failure(&error), authorization_gone: false },
            Self::Unknown(reason) => Answer::Unknown { reason },
            Self::NotReached { reason, retry_after } => Answer::NotReached { reason, retry_after },
        }
    }

    /// As the answer to a question that changes nothing: a refusal says nothing about what was asked for.
    pub(super) fn look_up(self) -> LookUp {
        let reason = match self {
            Self::NotOurs(reason) => return LookUp::NotOurs { reason: reason.to_owned() },
            Self::Missing => "the bank does not show it any more".to_owned(),
            Self::Refused(error) => {
                format!("the bank refused to show it ({})", token(error.code()).unwrap_or("no code"))
            }
            Self::Unknown(reason) | Self::NotReached { reason, .. } => reason,
        };
        LookUp::Failed { reason }
    }
}

type Shown<T> = (Result<T, NotShown>, Trace);

/// Makes the consent that `ask` asks for.
pub(super) async fn make_consent(
    api: &Api,
    ask: Result<Ask, Unsendable>,
    expected: &Expected,
    deadline: Deadline,
) -> Shown<Consent> {
    let (body, trace) = call(api, ask, deadline).await;
    let checked = body.and_then(|body| {
        let consent: Consent = read(&body).map_err(NotShown::Unknown)?;
        check_new_consent(&consent, expected).map_err(NotShown::NotOurs)?;
        Ok(consent)
    });
    (checked, trace)
}

/// The consent with this id.
pub(super) async fn consent(api: &Api, id: &str, expected: &Expected, deadline: Deadline) -> Shown<Consent> {
    let (body, trace) = call(api, requests::show_consent(id), deadline).await;
    let checked = body.and_then(|body| {
        let consent: Consent = read(&body).map_err(NotShown::Unknown)?;
        check_consent(&consent, id, expected).map_err(NotShown::NotOurs)?;
        Ok(consent)
    });
    (checked, trace)
}

/// Whether there is money for a consent, asked with the token `payers`, or our own; `None`: only the payer's may ask.
pub(super) async fn has_funds(
    api: &Api,
    id: &str,
    payers: Option<&HeaderValue>,
    deadline: Deadline,
) -> Shown<Option<bool>> {
    let (body, trace) = call_as(api, requests::funds(id), payers, deadline).await;
    let shown = match body {
        Ok(body) => read::<Funds>(&body).map_err(NotShown::Unknown).map(|funds| Some(funds.is_available())),
        Err(NotShown::Refused(error)) if error.code() == PAYERS_TOKEN => Ok(None),
        Err(not_shown) => Err(not_shown),
    };
    (shown, trace)
}

/// The payment with this id, which must have used the consent `of`.
pub(super) async fn payment(api: &Api, id: &str, of: &str, expected: &Expected, deadline: Deadline) -> Shown<Paid> {
    let (body, trace) = call(api, requests::show_payment(id), deadline).await;
    let checked = body.and_then(|body| {
        let paid = checked_payment(&body, of, expected)?;
        if paid.data.domestic_payment_id == id {
            Ok(paid)
        } else {
            Err(NotShown::NotOurs("the answer shows another payment"))
        }
    });
    (checked, trace)
}

/// Uses `consent`, with the token `payers` where its payer had to approve, or shows the payment that did: as long as the bank
/// knows the key, asking again is only that.
pub(super) async fn submit(
    api: &Api,
    consent: &Consent,
    payers: Option<&HeaderValue>,
    expected: &Expected,
    deadline: Deadline,
) -> Shown<Paid> {
    let (body, trace) = call_as(api, requests::submit(consent), payers, deadline).await;
    (body.and_then(|body| checked_payment(&body, &consent.data.consent_id, expected)), trace)
}

/// The payment that used `consent`, by its id where that is `known`. A consent is used once: nothing can move by this.
pub(super) async fn paid(
    api: &Api,
    consent: &Consent,
    known: Option<&str>,
    payers: Option<&HeaderValue>,
    expected: &Expected,
    deadline: Deadline,
) -> Shown<Paid> {
    if let Some(id) = known {
        match payment(api, id, &consent.data.consent_id, expected, deadline).await {
            // An answer can have named a wrong id.
            (Err(NotShown::Missing | NotShown::NotOurs(_)), _) => {}
            shown => return shown,
        }
    }
    match submit(api, consent, payers, expected, deadline).await {
        (Err(NotShown::Refused(error)), trace) => {
            let code = token(error.code()).unwrap_or("no code");
            let reason = format!("the consent is used, and its payment cannot be found any more ({code})");
            (Err(NotShown::Unknown(reason)), trace)
        }
        shown => shown,
    }
}

fn checked_payment(body: &[u8], of: &str, expected: &Expected) -> Result<Paid, NotShown> {
    let paid: Paid = read(body).map_err(NotShown::Unknown)?;
    check_paid(&paid, of, expected).map_err(NotShown::NotOurs)?;
    Ok(paid)
}

/// Any call of the API, with our own token.
pub(super) async fn call(api: &Api, ask: Result<Ask, Unsendable>, deadline: Deadline) -> Shown<bytes::Bytes> {
    call_as(api, ask, None, deadline).await
}

async fn call_as(
    api: &Api,
    ask: Result<Ask, Unsendable>,
    payers: Option<&HeaderValue>,
    deadline: Deadline,
) -> Shown<bytes::Bytes> {
    let ask = match ask {
        Ok(ask) => ask,
        Err(reason) => {
            let not_shown = NotShown::NotReached { reason: reason.to_owned(), retry_after: None };
            return (Err(not_shown), Trace::default());
        }
    };
    let Reply { got, trace } = match payers {
        Some(bearer) => api.call_for_the_payer(&ask, bearer, deadline).await,
        None => api.call(&ask, deadline).await,
    };
    let body = match got {
        Got::Body(body) => Ok(body),
        Got::Missing => Err(NotShown::Missing),
        Got::Refused(error) => Err(NotShown::Refused(error)),
        Got::Unknown(reason) => Err(NotShown::Unknown(reason)),
        Got::NotReached { reason, retry_after } => Err(NotShown::NotReached { reason, retry_after }),
    };
    (body, trace)
}

impl Funds {
    fn is_available(&self) -> bool {
        self.data.funds_available_result.funds_available
    }
}

pub(super) fn unknown(reason: &str) -> Answer {
    Answer::Unknown { reason: reason.to_owned() }
}
