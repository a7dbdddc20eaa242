//! Where a new payment goes: among the providers that the merchant has a token for, that are on and that take the amount,
//! by the flags; and to the next where the first cannot take it (rule 9, finding I2). Why is written with the payment.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tollgate_domain::{Change, Operation, OperationKind, Payment, ProviderName, routing};

use crate::{
    Context, CreatePayment, Error, Gateway,
    carry_out::Carried,
    idempotency::Key,
    ports::{Provider, provider::Pass},
    records::{Cause, Committed},
};

/// When to come back where nobody says: operators turn a provider on again by hand.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// A merchant waits for 30 s at most, and the next provider may take ten of them.
const FAIL_OVER_WITHIN: Duration = Duration::from_secs(15);

/// A provider that may take the payment, with the payer's token there.
pub(crate) struct Candidate {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) token: String,
    why: String,
}

/// Who is tried, in this order, and why.
pub(crate) struct Plan {
    candidates: VecDeque<Candidate>,
    /// What stood against those that are not tried any more.
    against: Vec<String>,
    /// When it was made (monotonic time).
    at: Duration,
}

impl Plan {
    /// Why `chosen` was: by whose word or which rule, and what stood against others.
    pub(crate) fn why(&self, chosen: &Candidate) -> String {
        let mut why = format!("{}: {}", chosen.provider.name(), chosen.why);
        for against in &self.against {
            why.push_str("; ");
            why.push_str(against);
        }
        why
    }
}

impl Gateway {
    /// Who may take the payment. An error is an answer before any intent.
    pub(crate) async fn plan(&self, command: &CreatePayment, key: &Key) -> Result<Plan, Error> {
        let wanted = |name: ProviderName| command.provider.is_none_or(|provider| provider == name);
        let (mut takers, mut refused) = (Vec::new(), None);
        for name in command.payment_method.keys().copied().filter(|name| wanted(*name)) {
            let Some(provider) = self.provider(name) else { continue };
            match provider.accepts(command.amount, command.capture_method) {
                Ok(()) => takers.push(name),
                Err(unsupported) => refused = Some(Error::Unsupported(unsupported)),
            }
        }
        if takers.is_empty() {
            let tokens: Vec<_> = command.payment_method.keys().map(|name| name.as_str()).collect();
            return Err(refused.unwrap_or_else(|| {
                tracing::warn!(?tokens, "no provider takes the payment: none of those with a token is configured");
                Error::NoProvider
            }));
        }
        let routing = self.routing().await?;
        let routing::Route { choices, left_out } =
            routing.route(command.merchant, command.amount.currency(), &takers, draw(key));
        let asked_for = command.provider.is_some();
        let candidates = choices.into_iter().filter_map(|choice| {
            let why = if asked_for { "asked for by the merchant".to_owned() } else { choice.why };
            let token = command.payment_method.get(&choice.provider)?.clone();
            Some(Candidate { provider: Arc::clone(self.provider(choice.provider)?), token, why })
        });
        Ok(Plan { candidates: candidates.collect(), against: left_out, at: self.ports.time.monotonic() })
    }

    /// The next one that admits a call now, before anything is written. An error: nobody does.
    pub(crate) async fn next_candidate(&self, plan: &mut Plan) -> Result<(Candidate, Pass), Error> {
        let mut soonest: Option<Duration> = None;
        while let Some(candidate) = plan.candidates.pop_front() {
            match self.admit(candidate.provider.as_ref(), OperationKind::Authorize).await {
                Ok(pass) => return Ok((candidate, pass)),
                Err(busy) => {
                    plan.against.push(format!("{} could not be called: {}", candidate.provider.name(), busy.reason));
                    soonest = Some(soonest.map_or(busy.retry_after, |wait| wait.min(busy.retry_after)));
                }
            }
        }
        let reason = plan.against.join("; ");
        tracing::warn!(event = "no_provider_takes_it", reason, "no provider takes the payment");
        Err(Error::ProviderUnavailable { retry_after: Some(soonest.unwrap_or(TRY_AGAIN_AFTER)) })
    }

    /// Moves the payment on, for as long as its provider was not reached and there is another. Unknown never fails over:
    /// only what this very request saw, in every call of the attempt, to have done nothing.
    pub(crate) async fn fail_over(
        &self,
        mut carried: Carried,
        mut plan: Plan,
        context: &Context,
    ) -> Result<Carried, Error> {
        while carried.not_reached.is_some() && self.ports.time.monotonic() < plan.at + FAIL_OVER_WITHIN {
            let from = carried.payment.provider;
            plan.against = vec![format!("{from} was not reached")];
            let Ok((next, pass)) = self.next_candidate(&mut plan).await else { break };
            let Some(change) = self.moved(&carried.payment, &next, &plan) else { break };
            let payment = change.payment.clone();
            let set = self.change_set(Some(&carried.payment), change, Cause::ProviderAnswer, context);
            if self.commit(&set).await? != Committed::Done {
                // A retry of the merchant's, or a job, has taken the payment up: it is theirs.
                break;
            }
            let to = next.provider.name();
            tracing::warn!(payment = %payment.id, from = from.as_str(), to = to.as_str(), event = "failed_over",
                "the provider was not reached, and another is tried");
            metrics::counter!("payment_failovers_total", "from" => from.as_str(), "to" => to.as_str()).increment(1);
            carried = self.carry_out(payment, pass, context).await?;
        }
        Ok(carried)
    }

    /// The attempts that the payment was moved away from, the first one first. They end where its own provider's begins.
    pub(crate) async fn left_behind(&self, payment: &Payment) -> Result<Vec<Operation>, Error> {
        let mut left = Vec::new();
        for number in 1..payment.operations {
            let operation = self.operation_of(payment, number).await?;
            if !operation.was_left_behind() {
                break;
            }
            left.push(operation);
        }
        Ok(left)
    }

    /// Whether the payment is at `provider`, or ever was.
    pub(crate) async fn was_at(&self, payment: &Payment, provider: ProviderName) -> Result<bool, Error> {
        Ok(payment.provider == provider
            || self.left_behind(payment).await?.iter().any(|operation| operation.provider == provider))
    }

    fn moved(&self, payment: &Payment, next: &Candidate, plan: &Plan) -> Option<Change> {
        let why = plan.why(next);
        payment.fail_over(next.provider.name(), next.token.clone(), &why, self.attempt(), self.now())
    }
}

/// Decides where weights do: the same for the same key, so that a request that is sent again goes where it went.
fn draw(key: &Key) -> u64 {
    key.hash.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
