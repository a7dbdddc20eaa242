//! `expand[]`: ids in an answer replaced by the objects they name.

use bytes::Bytes;
use serde_json::Value;

use super::{Stripe, endpoint::Endpoint, errors::ApiError};

/// Stripe expands up to this depth.
const DEEPEST: usize = 4;
/// What an id may be expanded from.
const EXPANDABLE: [&str; 6] =
    ["latest_charge", "charge", "payment_intent", "customer", "balance_transaction", "source"];

impl Stripe {
    /// Refuses what cannot be expanded, before the endpoint works.
    #[allow(clippy::unused_self, reason = "reads as a step of the call")]
    pub(super) fn check_expandable(&self, endpoint: Endpoint, paths: &[&str]) -> Result<(), ApiError> {
        let lists = matches!(
            endpoint,
            Endpoint::ListIntents | Endpoint::ListRefunds | Endpoint::ListEvents | Endpoint::ListBalanceTransactions
        );
        for path in paths {
            let inner = if lists { path.strip_prefix("data.") } else { Some(*path) };
            let fits = inner.is_some_and(|inner| {
                inner.split('.').count() <= DEEPEST && inner.split('.').all(|part| EXPANDABLE.contains(&part))
            });
            if !fits {
                let message = format!("This property cannot be expanded ({path}).");
                return Err(ApiError::invalid(message).param("expand"));
            }
        }
        Ok(())
    }

    /// Expands `path`, such as `latest_charge` or `data.charge`, within `value`.
    pub(super) fn expand(&self, value: &mut Value, path: &str) {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let Some(member) = value.get_mut(name) else { return };
        if let Some(object) = member.as_str().and_then(|id| self.object(id)) {
            *member = object;
        }
        let Some(rest) = rest else { return };
        match member {
            Value::Array(items) => items.iter_mut().for_each(|item| self.expand(item, rest)),
            member => self.expand(member, rest),
        }
    }

    /// Any object, by its id.
    fn object(&self, id: &str) -> Option<Value> {
        match id.split_once('_')?.0 {
            "pi" => self.state.intents.get(id).map(super::intent::Intent::to_json),
            "ch" => self.state.charges.get(id).map(super::charge::Charge::to_json),
            "txn" => self.state.balance_transactions.get(id).map(super::balance::BalanceTransaction::to_json),
            "re" => self.state.refunds.get(id).map(super::refund::Refund::to_json),
            _ => None,
        }
    }

    /// `body` with the id of another object in place of its own.
    pub(super) fn swap_id(&self, body: &[u8]) -> Bytes {
        let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return Bytes::copy_from_slice(body) };
        let Some(id) = value.get("id").and_then(Value::as_str) else { return Bytes::copy_from_slice(body) };
        let prefix = id.split_inclusive('_').next().unwrap_or_default();
        let others = self.state.intents.newest_first(0..=i64::MAX, None).map(|intent| intent.id.as_str());
        let other = others.filter(|other| *other != id && other.starts_with(prefix)).map(ToOwned::to_owned).next();
        value["id"] = other.unwrap_or_else(|| self.new_id(prefix)).into();
        value.to_string().into()
    }
}
