//! Which provider a new payment goes to: flags that operators change at run time, and the choice that follows from them.
//! A choice says why it was made, and by whose word; that stands in the payment's timeline.
//!
//! Nothing here is about payments that exist: those stay with their provider, whatever is switched off.

use std::{collections::BTreeMap, fmt};

use crate::{Currency, MerchantId, ProviderName, Timestamp};

/// What is switched or weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlagName {
    /// Whether a provider takes new payments.
    Provider(ProviderName),
    /// How new payments are shared out among providers.
    Weights(Scope),
}

/// Which payments some weights are for. `None`: all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// This merchant's only.
    pub merchant: Option<MerchantId>,
    /// Those in this currency only.
    pub currency: Option<Currency>,
}

/// How a flag stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagValue {
    /// As if it had never been set.
    Unset,
    /// The provider takes no new payments.
    Off,
    /// So many of the sum of all go to each provider; to those not named only what no other takes.
    Weights(BTreeMap<ProviderName, u32>),
    /// What a newer program has written, say: as if it were not set, and shown as it stands.
    Unreadable(String),
}

/// A flag as it is, or as a change made it: who did, when and why belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Which.
    pub name: FlagName,
    /// How it stands.
    pub value: FlagValue,
    /// 1, 2, 3 …: one more with every change, so that of two at once one happens.
    pub revision: u64,
    /// When.
    pub changed_at: Timestamp,
    /// Who.
    pub changed_by: String,
    /// Why.
    pub why: String,
}

impl Flag {
    fn by_whom_and_why(&self) -> String {
        format!("by {} ({})", self.changed_by, self.why)
    }
}

/// A provider that may take a payment, and why it is in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Which.
    pub provider: ProviderName,
    /// Why, for the timeline.
    pub why: String,
}

/// In what order providers are tried for one payment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// The first is the choice; the others come after it where it cannot take the payment.
    pub choices: Vec<Choice>,
    /// Those that were left out, and by whose word, for the timeline.
    pub left_out: Vec<String>,
}

/// The flags, for choosing by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routing {
    off: BTreeMap<ProviderName, Flag>,
    weights: BTreeMap<Scope, Flag>,
}

impl Routing {
    /// By these flags; one of each name.
    pub fn of(flags: impl IntoIterator<Item = Flag>) -> Self {
        let mut routing = Self::default();
        for flag in flags {
            match (flag.name, &flag.value) {
                (FlagName::Provider(provider), FlagValue::Off) => drop(routing.off.insert(provider, flag)),
                (FlagName::Weights(scope), FlagValue::Weights(_)) => drop(routing.weights.insert(scope, flag)),
                _ => {}
            }
        }
        routing
    }

    /// Who turned `provider` off and why, if it is off.
    pub fn turned_off(&self, provider: ProviderName) -> Option<&Flag> {
        self.off.get(&provider)
    }

    /// The order in which `providers` (those that the payment may go to) are tried. `draw` decides where weights do: the
    /// same number gives the same choice, so that a request that is sent again goes where it went first.
    pub fn route(&self, merchant: MerchantId, currency: Currency, providers: &[ProviderName], draw: u64) -> Route {
        let mut route = Route::default();
        let mut on = Vec::new();
        for provider in providers {
            match self.off.get(provider) {
                Some(flag) => route.left_out.push(format!("{provider} is turned off {}", flag.by_whom_and_why())),
                None => on.push(*provider),
            }
        }
        if let [only] = on[..] {
            let why = if providers.len() > 1 { "the only one left" } else { "the only one given" };
            route.choices.push(Choice { provider: only, why: why.to_owned() });
            return route;
        }
        if let Some((first, why)) = self.weighed(merchant, currency, &on, draw) {
            on.retain(|provider| *provider != first);
            route.choices.push(Choice { provider: first, why });
        }
        for provider in on {
            let why = if route.choices.is_empty() { "first in our order" } else { "next in our order" };
            route.choices.push(Choice { provider, why: why.to_owned() });
        }
        route
    }

    /// The weighed choice, by the closest rule that weighs one of `on`.
    fn weighed(
        &self,
        merchant: MerchantId,
        currency: Currency,
        on: &[ProviderName],
        draw: u64,
    ) -> Option<(ProviderName, String)> {
        let (merchant, currency) = (Some(merchant), Some(currency));
        let closest_first = [
            Scope { merchant, currency },
            Scope { merchant, currency: None },
            Scope { merchant: None, currency },
            Scope::default(),
        ];
        closest_first.into_iter().find_map(|scope| {
            let flag = self.weights.get(&scope)?;
            let FlagValue::Weights(weights) = &flag.value else { return None };
            let of = |provider: &ProviderName| u64::from(weights.get(provider).copied().unwrap_or_default());
            let sum: u64 = on.iter().map(of).sum();
            let mut place = draw.checked_rem(sum)?;
            let chosen = on.iter().find(|provider| {
                let is_in = place < of(provider);
                place = place.saturating_sub(of(provider));
                is_in
            })?;
            let why = format!("by weight, {} of {sum}, set for {scope} {}", of(chosen), flag.by_whom_and_why());
            Some((*chosen, why))
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.merchant, self.currency) {
            (None, None) => f.write_str("all payments"),
            (Some(merchant), None) => write!(f, "{merchant}"),
            (None, Some(currency)) => f.write_str(currency.code()),
            (Some(merchant), Some(currency)) => write!(f, "{merchant} in {}", currency.code()),
        }
    }
}

impl fmt::Display for FlagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(provider) => write!(f, "{provider}"),
            Self::Weights(scope) => write!(f, "weights for {scope}"),
        }
    }
}

impl fmt::Display for FlagValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => f.write_str("not set"),
            Self::Off => f.write_str("off"),
            Self::Unreadable(text) => write!(f, "unreadable: {text:?}"),
            Self::Weights(weights) => {
                for (n, (provider, weight)) in weights.iter().enumerate() {
                    write!(f, "{}{provider}={weight}", if n == 0 { "" } else { " " })?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProviderName::{Bank, Paypal, Stripe};

    const ALL: [ProviderName; 3] = ProviderName::ALL;

    fn merchant(number: u8) -> MerchantId {
        MerchantId::from_random([number; 16])
    }

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    fn flag(name: FlagName, value: FlagValue) -> Flag {
        let (changed_by, why) = ("ann".to_owned(), "trial".to_owned());
        Flag { name, value, revision: 1, changed_at: Timestamp::UNIX_EPOCH, changed_by, why }
    }

    fn off(provider: ProviderName) -> Flag {
        flag(FlagName::Provider(provider), FlagValue::Off)
    }

    fn weights(scope: Scope, of: &[(ProviderName, u32)]) -> Flag {
        flag(FlagName::Weights(scope), FlagValue::Weights(of.iter().copied().collect()))
    }

    fn order(routing: &Routing, of: &[ProviderName], draw: u64) -> Vec<ProviderName> {
        let route = routing.route(merchant(1), currency("JPY"), of, draw);
        route.choices.iter().map(|choice| choice.provider).collect()
    }

    #[test]
    fn without_flags_the_order_is_ours() {
        assert_eq!(order(&Routing::default(), &ALL, 7), ALL);
        assert_eq!(order(&Routing::default(), &[], 7), []);
    }

    #[test]
    fn what_is_turned_off_takes_no_new_payment_and_says_by_whose_word() {
        let routing = Routing::of([off(Stripe)]);
        let route = routing.route(merchant(1), currency("JPY"), &[Stripe, Paypal], 0);
        assert_eq!(route.choices, [Choice { provider: Paypal, why: "the only one left".to_owned() }]);
        assert_eq!(route.left_out, ["stripe is turned off by ann (trial)"]);
        assert_eq!(order(&routing, &[Stripe], 0), []);
        let on_again = flag(FlagName::Provider(Stripe), FlagValue::Unset);
        assert_eq!(order(&Routing::of([on_again]), &[Stripe], 0), [Stripe]);
    }

    #[test]
    fn weights_share_payments_out_exactly_and_the_rest_stay_behind_the_choice() {
        let routing = Routing::of([weights(Scope::default(), &[(Stripe, 3), (Paypal, 1)])]);
        let firsts: Vec<_> = (0..8).map(|draw| order(&routing, &ALL, draw)[0]).collect();
        assert_eq!(firsts, [Stripe, Stripe, Stripe, Paypal, Stripe, Stripe, Stripe, Paypal]);
        assert_eq!(
            order(&routing, &ALL, 3),
            [Paypal, Stripe, Bank],
            "the bank has no share, and may be failed over to"
        );
        let why = &routing.route(merchant(1), currency("JPY"), &ALL, 3).choices[0].why;
        assert_eq!(why, "by weight, 1 of 4, set for all payments by ann (trial)");
    }

    #[test]
    fn the_closest_weights_count_and_only_where_they_weigh_somebody_who_can_take_it() {
        let (whose, yen) = (Some(merchant(1)), Some(currency("JPY")));
        let routing = Routing::of([
            weights(Scope::default(), &[(Stripe, 1)]),
            weights(Scope { merchant: None, currency: yen }, &[(Paypal, 1)]),
            weights(Scope { merchant: whose, currency: None }, &[(Bank, 1)]),
        ]);
        let first = |number, code, of: &[ProviderName]| {
            routing.route(merchant(number), currency(code), of, 5).choices[0].provider
        };
        assert_eq!(first(1, "JPY", &ALL), Bank);
        assert_eq!(first(2, "JPY", &ALL), Paypal);
        assert_eq!(first(2, "EUR", &ALL), Stripe);
        assert_eq!(first(1, "JPY", &[Stripe, Paypal]), Paypal, "the merchant's rule weighs neither");
    }

    #[test]
    fn what_is_off_takes_no_share() {
        let routing = Routing::of([off(Paypal), weights(Scope::default(), &[(Stripe, 1), (Paypal, 99)])]);
        for draw in 0..100 {
            assert_eq!(order(&routing, &[Stripe, Paypal], draw), [Stripe]);
        }
    }

    #[test]
    fn no_weight_overflows() {
        let most = [(Stripe, u32::MAX), (Paypal, u32::MAX), (Bank, u32::MAX)];
        let routing = Routing::of([weights(Scope::default(), &most)]);
        assert_eq!(order(&routing, &ALL, u64::MAX).len(), 3);
        let nothing = Routing::of([weights(Scope::default(), &[(Stripe, 0)])]);
        assert_eq!(order(&nothing, &ALL, 1), ALL, "weights of nothing weigh nobody");
    }
}
