//! The providers, each with its own truth: simulated Stripe and PayPal, asked over a network that loses, delays and repeats.
//!
//! Must not know: what the gateway makes of an answer.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    channel::{mpsc, oneshot},
    future,
};
use http::{HeaderValue, Request, Response};
use serde_json::value::RawValue;
use tollgate_domain::PaymentId;
use tollgate_gateway::ports::{Entropy, HttpClient, HttpError};
use tollgate_simulators::{Endpoint, PayPal, Provider as _, Simulator, Stripe, Transaction, Webhook};

use crate::{
    dice::Dice,
    executor::{Owner, locked},
    planted::Bug,
    ports::{SimEntropy, true_time},
    stage::Stage,
};

/// Where the providers are.
pub(crate) const STRIPE: &str = "https://stripe.test/stripe";
/// See [`STRIPE`].
pub(crate) const PAYPAL: &str = "https://paypal.test/paypal";
/// What Stripe signs with.
pub(crate) const STRIPE_SECRET: &str = "whsec_simulation";
/// What PayPal's webhook is called.
pub(crate) const PAYPAL_WEBHOOK: &str = "8JH20348PF1183045";

/// Which provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Stripe,
    Paypal,
}

impl Which {
    pub(crate) const ALL: [Self; 2] = [Self::Stripe, Self::Paypal];

    fn index(self) -> usize {
        match self {
            Self::Stripe => 0,
            Self::Paypal => 1,
        }
    }
}

/// Both of them.
pub(crate) struct Providers {
    all: [Mutex<Simulator>; 2],
    /// Rings when there may be something to tell.
    bell: (mpsc::UnboundedSender<()>, Mutex<Option<mpsc::UnboundedReceiver<()>>>),
}

/// A PayPal that has its key already: making one takes longer than many payments.
fn paypal(entropy: &Arc<dyn Entropy>) -> PayPal {
    static KEY: OnceLock<Vec<Box<RawValue>>> = OnceLock::new();
    let records = KEY.get_or_init(|| {
        let mut provider = PayPal::new(Arc::new(SimEntropy(Dice::of(1))), Some("https://paypal.test".to_owned()));
        provider.prepare_to_sign().records
    });
    let mut provider = PayPal::new(Arc::clone(entropy), Some("https://paypal.test".to_owned()));
    for record in records {
        // What it wrote itself it can read.
        _ = provider.restore(record);
    }
    provider
}

impl Providers {
    pub(crate) fn new(entropy: &Arc<dyn Entropy>) -> Self {
        let stripe = Stripe::new(Arc::clone(entropy), Some("https://stripe.test".to_owned()));
        let (mut stripe, mut paypal) = (Simulator::ephemeral(stripe), Simulator::ephemeral(paypal(entropy)));
        let endpoint = |path: &str, secret: &str| Endpoint {
            url: format!("https://pay.test/webhooks/{path}"),
            secret: secret.to_owned(),
        };
        stripe.set_endpoint(endpoint("stripe", STRIPE_SECRET));
        paypal.set_endpoint(endpoint("paypal", PAYPAL_WEBHOOK));
        let (ring, hear) = mpsc::unbounded();
        Self { all: [Mutex::new(stripe), Mutex::new(paypal)], bell: (ring, Mutex::new(Some(hear))) }
    }

    /// Rings whenever a provider may have something to tell. Empty for whoever asks second.
    pub(crate) fn bell(&self) -> mpsc::UnboundedReceiver<()> {
        locked(&self.bell.1).take().unwrap_or_else(|| mpsc::unbounded().1)
    }

    /// There may be something to tell.
    pub(crate) fn ring(&self) {
        // Nobody listens where the simulation is over.
        _ = self.bell.0.unbounded_send(());
    }

    /// What a provider has in its books.
    pub(crate) fn transactions(&self, which: Which) -> Vec<Transaction> {
        locked(&self.all[which.index()]).transactions()
    }

    /// A webhook that is to be sent.
    pub(crate) fn take_webhook(&self, which: Which, stage: &Stage) -> Option<Webhook> {
        locked(&self.all[which.index()]).take_webhook(stage.now())
    }

    /// It was taken, or not.
    pub(crate) fn webhook_settled(&self, which: Which, event_id: &str, delivered: bool, stage: &Stage) {
        locked(&self.all[which.index()]).webhook_settled(event_id, delivered, stage.now());
    }

    /// Lets the providers' own time pass; answers how long nothing happens there by itself.
    pub(crate) fn advance(&self, stage: &Stage) -> Option<Duration> {
        let now = stage.now();
        let due = self.all.iter().filter_map(|provider| {
            let mut provider = locked(provider);
            provider.advance(now);
            provider.next_due()
        });
        due.min().map(|due| Duration::try_from(due.duration_since(now)).unwrap_or_default())
    }

    /// A payer presses a button on a provider's page; answers where that sends him.
    pub(crate) fn press(&self, page: &str, button: &str, stage: &Stage) -> Option<String> {
        let which = if page.starts_with(STRIPE) { Which::Stripe } else { Which::Paypal };
        let request = Request::post(format!("{page}/{button}")).body(Bytes::new()).ok()?;
        let answer = self.handle(which, &request, stage);
        answer.headers().get("location").and_then(|url| url.to_str().ok()).map(str::to_owned)
    }

    fn handle(&self, which: Which, request: &Request<Bytes>, stage: &Stage) -> Response<Bytes> {
        let mut provider = locked(&self.all[which.index()]);
        let response = provider.handle(true_time(&stage.executor), request).response;
        self.ring();
        response
    }
}

/// An instance's way to the providers.
pub(crate) struct SimHttp {
    pub(crate) stage: Arc<Stage>,
    pub(crate) owner: Owner,
    pub(crate) providers: Arc<Providers>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    NotReached,
    BadGateway,
    Lost,
    Late,
    TooLate,
    Twice,
    AnswerLost,
}

impl SimHttp {
    fn fate(&self, which: Which) -> Fate {
        let (stage, dice) = (&self.stage, &self.stage.dice);
        let rates = stage.weather.rates();
        if stage.weather.provider_is_away(which.index(), stage.executor.now()) {
            return dice.one_of(&[Fate::NotReached, Fate::NotReached, Fate::BadGateway, Fate::Lost, Fate::AnswerLost]);
        }
        let fates = [
            (rates.not_reached, Fate::NotReached),
            (rates.bad_gateway, Fate::BadGateway),
            (rates.request_lost, Fate::Lost),
            (rates.request_late, Fate::Late),
            (rates.request_too_late, Fate::TooLate),
            (rates.request_twice, Fate::Twice),
            (rates.answer_lost, Fate::AnswerLost),
        ];
        let mut number = dice.below(1_000_000);
        for (rate, fate) in fates {
            if number < rate {
                return fate;
            }
            number -= rate;
        }
        Fate::Answered
    }

    fn arrive(&self, which: Which, request: &Request<Bytes>) -> Response<Bytes> {
        let response = self.providers.handle(which, request, &self.stage);
        let payment = payment_in(request.body());
        self.stage.story.tell(self.owner, payment, "the provider answers", || {
            let key = ["idempotency-key", "paypal-request-id"].iter().find_map(|name| request.headers().get(*name));
            format!("{} {} with key {key:?}: {}", request.method(), request.uri().path(), response.status())
        });
        response
    }

    /// The request arrives by itself, later.
    fn arrives_in(&self, which: Which, request: Request<Bytes>, after: Duration) {
        let (stage, owner, providers) = (Arc::clone(&self.stage), self.owner, Arc::clone(&self.providers));
        let executor = stage.executor.clone();
        executor.spawn(Owner::WORLD, async move {
            stage.pause(after).await;
            locked(&stage.late).extend(payment_in(request.body()));
            Self { stage, owner, providers }.arrive(which, &request);
        });
    }

    async fn through(
        &self,
        which: Which,
        request: Request<Bytes>,
        timeout: Duration,
        fate: Fate,
    ) -> Result<Response<Bytes>, HttpError> {
        let stage = &self.stage;
        let no_answer = || HttpError::AnswerLost("no answer in time".to_owned());
        if fate != Fate::Answered {
            stage.story.tell(self.owner, payment_in(request.body()), "a request to the provider", || {
                format!("{} {}: {fate:?}", request.method(), request.uri().path())
            });
        }
        match fate {
            Fate::NotReached => {
                stage.a_moment().await;
                return Err(HttpError::NotReached("connection refused".to_owned()));
            }
            Fate::BadGateway => {
                stage.a_moment().await;
                let mut page = Response::new(Bytes::from_static(b"<html>502 Bad Gateway</html>"));
                *page.status_mut() = http::StatusCode::BAD_GATEWAY;
                page.headers_mut().insert("content-type", HeaderValue::from_static("text/html"));
                return Ok(page);
            }
            Fate::Lost | Fate::Late | Fate::TooLate => {
                match fate {
                    Fate::Late => self.arrives_in(which, request, timeout + stage.dice.secs(0, 120)),
                    Fate::TooLate => self.arrives_in(which, request, stage.dice.secs(1800, 5 * 3600)),
                    _ => {}
                }
                // Some connections break, others hang.
                stage.pause(if stage.dice.chance(300) { stage.dice.ms(10, 500) } else { timeout }).await;
                return Err(no_answer());
            }
            _ => {}
        }
        if fate == Fate::Twice {
            self.arrives_in(which, request.clone(), stage.dice.ms(0, 20_000));
        }
        stage.pause(stage.dice.ms(5, 150)).await;
        let response = self.arrive(which, &request);
        if fate == Fate::AnswerLost {
            stage.pause(if stage.dice.chance(500) { stage.dice.ms(10, 500) } else { timeout }).await;
            return Err(no_answer());
        }
        stage.pause(stage.dice.ms(5, 300)).await;
        Ok(response)
    }
}

#[async_trait]
impl HttpClient for SimHttp {
    async fn send(&self, mut request: Request<Bytes>, timeout: Duration) -> Result<Response<Bytes>, HttpError> {
        let which = if request.uri().host() == Some("stripe.test") { Which::Stripe } else { Which::Paypal };
        self.plant(&mut request);
        let (stage, fate) = (&self.stage, self.fate(which));
        let answer = self.through(which, request, timeout, fate).await;
        if fate != Fate::Answered && stage.dice.rarely(stage.weather.rates().stall_with_it) {
            // Where it is long, another instance takes over by the clock; where it is short, one whose clock is ahead.
            let pause = if stage.dice.chance(500) { stage.dice.secs(1, 9) } else { stage.dice.secs(10, 180) };
            stage.stand_still(self.owner, pause);
            stage.executor.give_way().await;
        }
        answer
    }
}

impl SimHttp {
    /// What a planted bug does to a request.
    fn plant(&self, request: &mut Request<Bytes>) {
        let names = ["idempotency-key", "paypal-request-id"];
        let Some(name) = names.into_iter().find(|name| request.headers().contains_key(*name)) else { return };
        let is_refund = request.uri().path().contains("/refund");
        let key = match self.stage.bug {
            Some(Bug::RetryWithNewKey) => format!("{:032x}", self.stage.dice.any()),
            Some(Bug::RefundsShareAKey) if is_refund => {
                let body = String::from_utf8_lossy(request.body()).into_owned();
                let intent = body.split('&').find(|part| part.starts_with("payment_intent=")).unwrap_or_default();
                format!("refund-of-{intent}-{}", request.uri().path())
            }
            _ => return,
        };
        if let Ok(key) = HeaderValue::from_str(&key) {
            request.headers_mut().insert(name, key);
        }
    }
}

/// The payment that a body names, for the story.
fn payment_in(body: &Bytes) -> Option<PaymentId> {
    let text = std::str::from_utf8(body).ok()?;
    let at = text.find("pay_")?;
    text.get(at..at + 30)?.parse().ok()
}

/// Asks somebody who may be gone before he answers.
pub(crate) async fn or_gone<T>(receiver: oneshot::Receiver<T>, within: Duration, stage: &Stage) -> Option<T> {
    match future::select(receiver, stage.executor.sleep(within)).await {
        future::Either::Left((answer, _)) => answer.ok(),
        future::Either::Right(_) => None,
    }
}
