//! A payer's approval: what he brings back from the bank's page, and what it is changed for. The code that he brings is
//! committed before it is used, because it can be used once: what is lost after that is declined, and never charged.

use std::time::Duration;

use tollgate_domain::{
    AUTHORIZATION_LASTS, Answer, Failure, OperationKind, ProviderRequestId, Timestamp, TransactionState,
    TransactionView,
};
use tollgate_gateway::ports::provider::Call;

use super::{
    Bank,
    api::{Deadline, NoToken, Trace},
    failures::{NO_FUNDS, PAYERS_TOKEN, failure, of_code},
    kept::bearer,
    look_up::transaction,
    reads::{self, NotShown, unknown},
    send::Answered,
    view::{Progress, shown},
};

/// Longer codes are none.
const CODE_MAX_LEN: usize = 2048;
/// An authorization ends so long before the token that it is captured with.
const END_BEFORE: Duration = Duration::from_secs(60);

/// The payer is back with a code: approved, as far as that can be said before the code is used.
pub(super) fn brought_back(bank: &Bank, call: Call<'_>, query: &str) -> Option<TransactionView> {
    let (payment, operation) = (call.payment, call.operation);
    if operation.kind != OperationKind::Authorize || operation.payer.is_none() {
        return None;
    }
    let code = brought(query, operation.request_id, &bank.issuer)?;
    let consent = transaction(call)?;
    let kept = bank.sealing.keep_code(payment.id, &consent, &code)?;
    let state = TransactionState::Approved { progress: Progress::Approved(consent.clone()).write(operation) };
    Some(TransactionView { kept: Some(kept), ..shown(payment, &consent, state, None) })
}

/// The code in the query of a payer's return, if it answers what `operation` asked. Anybody can make such a query: what it is
/// worth, only the bank can say.
fn brought(query: &str, operation: ProviderRequestId, issuer: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).ok()?;
    let once = |name: &str| {
        let mut values = pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        (values.next(), values.next())
    };
    let (Some(state), None) = once("state") else { return None };
    let (Some(code), None) = once("code") else { return None };
    // Another bank's answer, sent here by somebody who has mixed us up (RFC 9207).
    let is_theirs = match once("iss") {
        (None, _) => true,
        (Some(named), None) => named.trim_end_matches('/') == issuer,
        _ => false,
    };
    let sound = !code.is_empty() && code.len() <= CODE_MAX_LEN && code.bytes().all(|byte| byte.is_ascii_graphic());
    let answers = state == operation.to_string() && once("error").0.is_none();
    (sound && answers && is_theirs).then(|| code.to_owned())
}

/// Changes the code for the payer's token, and asks with it whether there is money.
pub(super) async fn take_up(bank: &Bank, call: Call<'_>, consent: &str, deadline: Deadline) -> Answered {
    let payment = call.payment;
    let (Some(code), Some(returned_to)) = (bank.sealing.code(payment, consent), call.operation.return_url.as_deref())
    else {
        return (not_usable(), Trace::default());
    };
    let (changed, trace) = bank.api.change_code(&code, returned_to, deadline).await;
    let token = match changed {
        Ok(token) => token,
        Err(NoToken::NotUsable) => return (not_usable(), trace),
        Err(NoToken::Unknown(reason)) => return (Answer::Unknown { reason }, trace),
        Err(NoToken::NotReached { reason, retry_after }) => return (Answer::NotReached { reason, retry_after }, trace),
    };
    let kept = bank.sealing.keep_token(payment.id, consent, &token.access_token);
    let (Some(payers), Some(kept)) = (bearer(&token.access_token), kept) else {
        return (unknown("the payer's token cannot be kept"), trace);
    };
    // The code is used up: whatever happens to this question, the token must still be answered with.
    let in_time = bank.api.half_of(deadline);
    let (funds, trace) = reads::has_funds(&bank.api, consent, Some(&payers), in_time).await;
    let shows = |state, kept| Answer::Shows(TransactionView { kept, ..shown(payment, consent, state, None) });
    let answer = match funds {
        Ok(Some(false)) => shows(TransactionState::Declined(of_code(NO_FUNDS)), None),
        // It is not known whether there is money. The payment itself will tell.
        Ok(Some(true)) | Err(NotShown::Unknown(_) | NotShown::NotReached { .. }) => {
            shows(TransactionState::Authorized { expires_at: end(bank, token.expires_in) }, Some(kept))
        }
        Err(NotShown::Refused(error)) => Answer::Refused { failure: failure(&error), authorization_gone: false },
        Ok(None) | Err(NotShown::Missing | NotShown::NotOurs(_)) => not_usable(),
    };
    (answer, trace)
}

/// The end of the authorization, where that of its token is sooner than any.
fn end(bank: &Bank, lives: Duration) -> Option<Timestamp> {
    let lives = lives.saturating_sub(END_BEFORE);
    (lives < AUTHORIZATION_LASTS).then(|| bank.api.time.now() + lives)
}

fn not_usable() -> Answer {
    let failure = Failure { provider_code: None, ..of_code(PAYERS_TOKEN) };
    Answer::Refused { failure, authorization_gone: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://bank.example";

    #[test]
    fn a_code_counts_only_in_the_answer_to_our_own_question() {
        let operation = ProviderRequestId::from_random([7; 16]);
        let read = |query: &str| brought(&query.replace("OURS", &operation.to_string()), operation, ISSUER);
        assert_eq!(read("code=c0de&state=OURS").as_deref(), Some("c0de"));
        assert_eq!(read("state=OURS&code=c%2B0&iss=https%3A%2F%2Fbank.example%2F").as_deref(), Some("c+0"));
        for worthless in [
            "",
            "code=c0de",
            "state=OURS",
            "code=&state=OURS",
            "code=c0de&state=another",
            "code=c0de&state=OURS&state=OURS",
            "code=c0de&code=other&state=OURS",
            "code=c0de&state=OURS&error=access_denied",
            "error=access_denied&state=OURS",
            "code=c0de&state=OURS&iss=https%3A%2F%2Felsewhere.example",
            "code=c%000de&state=OURS",
            &format!("code={}&state=OURS", "c".repeat(CODE_MAX_LEN + 1)),
        ] {
            assert_eq!(read(worthless), None, "{worthless}");
        }
    }
}
