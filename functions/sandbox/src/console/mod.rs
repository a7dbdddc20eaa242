//! The console at `/console`: payments, deliveries, traffic, settlements, exceptions and the sandbox's switches, as pages for people.
//! Rendered here; one small script draws what moves, and every page works without it. What it does for a merchant, it does by
//! the merchants' API, with the merchant's key.
//!
//! Must not know: rules about money. Deployed functions have no console.

mod deliveries;
mod exceptions;
mod forms;
mod guard;
mod notes;
mod page;
mod payment;
mod payments;
mod picture;
mod settlements;
mod story;
mod switches;
mod traffic;

use std::{ops::Deref, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{HeaderName, header},
    middleware,
    response::Redirect,
    routing::{get, post},
};
use tollgate_api::{Problem, ProblemCode};
use tollgate_assembly::Parts;
use tollgate_domain::{MerchantId, Payment, PaymentId};
use tollgate_gateway::{Error, Gateway, Stores, ports::StoreError};
use tollgate_runtime::{System, system::within};

use crate::{client::Client, control::Control, identity::Identity, inbox::Inbox};

use forms::Shop;
pub(crate) use guard::{no_strangers, only_here};
use notes::Notes;

/// An action waits no longer for what it led to.
const SETTLES_WITHIN: Duration = Duration::from_secs(1);

const SCRIPT: &str = include_str!("console.js");
const STYLE: &str = concat!(include_str!("../looks.css"), include_str!("console.css"));
const ICON: &str = include_str!("icon.svg");

/// What the pages need. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Console(Arc<Inner>);

/// See [`Console`].
pub(crate) struct Inner {
    gateway: Gateway,
    stores: Stores,
    control: Control,
    inbox: Inbox,
    system: System,
    shops: Vec<Shop>,
    notes: Notes,
}

impl Deref for Console {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Console {
    /// The console of a sandbox that serves at its identity's address.
    pub(crate) fn new(
        parts: &Parts,
        system: &System,
        identity: &Identity,
        control: Control,
        inbox: Inbox,
    ) -> anyhow::Result<Self> {
        let anybody = Client::connect(&identity.url, "")?;
        let merchants = identity.merchants()?;
        let shops = merchants.iter().map(|(id, name, key)| Shop {
            id: *id,
            name: (*name).into(),
            client: anybody.with_key(key),
        });
        Ok(Self(Arc::new(Inner {
            gateway: parts.gateway.clone(),
            stores: parts.stores.clone(),
            control,
            inbox,
            system: system.clone(),
            shops: shops.collect(),
            notes: Notes::default(),
        })))
    }

    /// The payment of this id, and whose it is.
    async fn find(&self, id: &str) -> Result<(&Shop, Payment), Problem> {
        let missing = || Problem::new(ProblemCode::NotFound, "There is no such payment.");
        let id: PaymentId = id.parse().map_err(|_| missing())?;
        for shop in &self.shops {
            match self.gateway.get_payment(shop.id, id).await {
                Err(Error::NotFound) => {}
                found => return Ok((shop, found?)),
            }
        }
        Err(missing())
    }

    fn shop(&self, id: Option<&str>) -> Option<&Shop> {
        let id: MerchantId = id?.parse().ok()?;
        self.shops.iter().find(|shop| shop.id == id)
    }

    /// Waits a moment for what an action led to (webhooks to the merchant), so that the page that it leads back to shows it.
    async fn settle(&self) {
        let settled = within(self.system.time.as_ref(), SETTLES_WITHIN, self.control.clock.settle_down());
        if settled.await.is_none() {
            tracing::debug!("something is still under way; the page will say so");
        }
    }

    /// A key that was never used: a form that is sent twice does its work once.
    fn new_key(&self) -> String {
        let mut bytes = [0; 16];
        self.system.entropy.fill(&mut bytes);
        format!("console-{}", hex::encode(bytes))
    }
}

/// What a store answered to a read that no use-case has.
fn read<T>(answer: Result<T, StoreError>) -> Result<T, Problem> {
    answer.map_err(|error| Error::from(error).into())
}

pub(crate) fn router(console: Console) -> Router {
    let guard = middleware::from_fn_with_state(console.clone(), guard::around);
    Router::new()
        .route("/console", get(payments::list))
        .route("/console/payments", post(payments::take))
        .route("/console/payments/{id}", get(payment::show))
        .route("/console/payments/{id}/state", get(payment::state))
        .route("/console/payments/{id}/{action}", post(payment::act))
        .route("/console/deliveries", get(deliveries::list))
        .route("/console/traffic", get(traffic::show))
        .route("/console/traffic/now", get(traffic::now))
        .route("/console/settlements", get(settlements::list))
        .route("/console/settlements/{id}/{merchant}", get(settlements::lines))
        .route("/console/exceptions", get(exceptions::list))
        .route("/console/switches", get(switches::show))
        .route("/console/switches/{switch}", post(switches::turn))
        .route("/console/console.js", get(async || file("text/javascript; charset=utf-8", SCRIPT)))
        .route("/console/console.css", get(async || file("text/css; charset=utf-8", STYLE)))
        .route("/console/icon.svg", get(async || file("image/svg+xml", ICON)))
        .route("/console/{*rest}", get(async || Err::<(), _>(nowhere())))
        .method_not_allowed_fallback(async || no_page())
        .layer(guard)
        .route("/", get(async || Redirect::to("/console")))
        .with_state(console)
}

fn nowhere() -> Problem {
    Problem::new(ProblemCode::NotFound, "There is no such page.")
}

/// Where only forms lead, typed into a browser.
fn no_page() -> Problem {
    Problem::new(ProblemCode::MethodNotAllowed, "This address is no page: it takes what a form on a page sends.")
}

fn file(media_type: &'static str, text: &'static str) -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, media_type)], text)
}
