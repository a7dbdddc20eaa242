//! The merchants' routes behind their door, over any store of merchants: for tests that need no server.

use std::{num::NonZeroU32, sync::Arc};

use axum::Router;
use tollgate_counters::EmbeddedCounters;
use tollgate_gateway::{
    Authenticator, Gateway, RateLimits, StoreGuard,
    ports::{Merchants, Time},
};
use tollgate_payments::{MerchantsDoor, Payments};
use tollgate_runtime::{Edge, System, TrustedProxies, layered};

/// The routes, for whom nobody limits.
pub(crate) fn merchants_front(gateway: Gateway, merchants: Arc<dyn Merchants>, time: &Arc<dyn Time>) -> Router {
    let guard = Arc::new(StoreGuard::new(Arc::clone(time)));
    let authenticator = Arc::new(Authenticator::new(merchants, guard, Arc::clone(time)));
    let counters = || Arc::new(EmbeddedCounters::new(Arc::clone(time)));
    let limits = RateLimits::new(counters(), counters(), NonZeroU32::MAX);
    let door = MerchantsDoor::new(authenticator, Arc::new(limits), TrustedProxies::default());
    let system = System { time: Arc::clone(time), ..System::real() };
    let edge = Edge::new("payments", &system).with_door(Some(Arc::new(door)));
    layered(tollgate_payments::router(Payments { gateway }), edge)
}
