//! Flags as text: `provider/stripe` is `off`, `weights/*/JPY` is `paypal=20,stripe=80`.

use tollgate_domain::{
    ProviderName,
    routing::{FlagName, FlagValue, Scope},
};

use crate::Named;

/// What stands for everybody, and for every currency.
const ANY: &str = "*";
const OFF: &str = "off";
const UNSET: &str = "unset";

/// A flag's name as it is kept.
pub fn flag_name_to_text(name: FlagName) -> String {
    match name {
        FlagName::Provider(provider) => format!("provider/{}", provider.name()),
        FlagName::Weights(Scope { merchant, currency }) => {
            let merchant = merchant.map_or(ANY.to_owned(), |merchant| merchant.to_string());
            let currency = currency.map_or(ANY.to_owned(), |currency| currency.code().to_owned());
            format!("weights/{merchant}/{currency}")
        }
    }
}

/// The flag of this name.
pub fn flag_name_from_text(text: &str) -> Option<FlagName> {
    let (kind, of) = text.split_once('/')?;
    match kind {
        "provider" => ProviderName::named(of).map(FlagName::Provider),
        "weights" => {
            let (merchant, currency) = of.split_once('/')?;
            let merchant = (merchant != ANY).then(|| merchant.parse()).transpose().ok()?;
            let currency = (currency != ANY).then(|| currency.parse()).transpose().ok()?;
            Some(FlagName::Weights(Scope { merchant, currency }))
        }
        _ => None,
    }
}

/// A flag's value as it is kept.
pub fn flag_value_to_text(value: &FlagValue) -> String {
    match value {
        FlagValue::Unset => UNSET.to_owned(),
        FlagValue::Off => OFF.to_owned(),
        FlagValue::Unreadable(text) => text.clone(),
        FlagValue::Weights(weights) => {
            let each: Vec<_> =
                weights.iter().map(|(provider, weight)| format!("{}={weight}", provider.name())).collect();
            each.join(",")
        }
    }
}

/// The value that is kept as this. One that cannot be read stops no other: it is without effect, and can be set anew.
pub fn flag_value_from_text(text: &str) -> FlagValue {
    read_value(text).unwrap_or_else(|| FlagValue::Unreadable(text.to_owned()))
}

fn read_value(text: &str) -> Option<FlagValue> {
    match text {
        UNSET => Some(FlagValue::Unset),
        OFF => Some(FlagValue::Off),
        "" => Some(FlagValue::Weights([].into())),
        weights => {
            let each = weights.split(',').map(|each| {
                let (provider, weight) = each.split_once('=')?;
                Some((ProviderName::named(provider)?, weight.parse().ok()?))
            });
            each.collect::<Option<_>>().map(FlagValue::Weights)
        }
    }
}

#[cfg(test)]
mod tests {
    use tollgate_domain::MerchantId;

    use super::*;

    #[test]
    fn names_and_values_read_as_what_was_written() {
        let merchant = Some(MerchantId::from_random([7; 16]));
        let yen = Some("JPY".parse().unwrap());
        let scopes = [(None, None), (merchant, None), (None, yen), (merchant, yen)];
        let weights = scopes.map(|(merchant, currency)| FlagName::Weights(Scope { merchant, currency }));
        for name in weights.into_iter().chain(ProviderName::ALL.map(FlagName::Provider)) {
            assert_eq!(flag_name_from_text(&flag_name_to_text(name)), Some(name));
        }
        let all: Vec<_> = ProviderName::ALL.into_iter().zip([0, 1, u32::MAX]).collect();
        let weights = [vec![], vec![(ProviderName::Bank, 5)], all];
        let weights = weights.map(|weights| FlagValue::Weights(weights.into_iter().collect()));
        for value in weights.into_iter().chain([FlagValue::Unset, FlagValue::Off]) {
            assert_eq!(flag_value_from_text(&flag_value_to_text(&value)), value);
        }
        assert_eq!(flag_name_to_text(FlagName::Weights(Scope { merchant: None, currency: yen })), "weights/*/JPY");
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["", "stripe", "provider/visa", "weights/*", "weights/x/JPY", "weights/*/XXXX", "other/*/*"] {
            assert_eq!(flag_name_from_text(text), None, "{text}");
        }
        for text in ["on", "stripe", "stripe=", "stripe=-1", "stripe=1,", "visa=1", "stripe=4294967296"] {
            assert_eq!(flag_value_from_text(text), FlagValue::Unreadable(text.to_owned()));
        }
    }
}
