//! `tollgate provider`: which providers take new payments, and how these are shared out. Every change is kept with who and why.
//!
//! Must not know: how a payment is routed.

use std::collections::BTreeMap;

use serde::Serialize;
use tollgate_domain::{
    ProviderName,
    routing::{Flag, FlagName, FlagValue, Scope},
};
use tollgate_gateway::change_flag;

use crate::{
    arguments::{ProviderCommand, Share, Word},
    audit::{Who, audited_as},
    failure::mistaken,
    open::Operator,
    output::{answer, note},
    table::Table,
};

/// How long a function may go on by what it knew.
const FOLLOWED_WITHIN: &str = "functions follow within 5 seconds";

#[derive(Serialize)]
struct FlagBody {
    object: &'static str,
    /// `stripe`, or `weights for …`.
    flag: String,
    /// `on` and `off`; null for weights.
    state: Option<&'static str>,
    /// What each gets; null where none are set.
    weights: Option<BTreeMap<&'static str, u32>>,
    revision: u64,
    changed_at: Option<String>,
    changed_by: Option<String>,
    why: Option<String>,
    /// How it stands, for people.
    #[serde(skip)]
    stands: String,
}

#[derive(Serialize)]
struct ListBody<'a> {
    data: &'a [FlagBody],
}

impl FlagBody {
    fn of(name: FlagName, flag: Option<&Flag>) -> Self {
        let value = flag.map_or(&FlagValue::Unset, |flag| &flag.value);
        Self {
            object: "flag",
            flag: name.to_string(),
            state: state(name, value),
            weights: match value {
                FlagValue::Weights(weights) => {
                    Some(weights.iter().map(|(provider, weight)| (provider.as_str(), *weight)).collect())
                }
                FlagValue::Unset | FlagValue::Off | FlagValue::Unreadable(_) => None,
            },
            revision: flag.map_or(0, |flag| flag.revision),
            changed_at: flag.map(|flag| flag.changed_at.to_string()),
            changed_by: flag.map(|flag| flag.changed_by.clone()),
            why: flag.map(|flag| flag.why.clone()),
            stands: stands(name, value),
        }
    }
}

/// How a flag stands, for people.
fn stands(name: FlagName, value: &FlagValue) -> String {
    state(name, value).map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether a provider is on; weights are neither.
fn state(name: FlagName, value: &FlagValue) -> Option<&'static str> {
    match name {
        FlagName::Provider(_) => Some(match value {
            FlagValue::Off => "off",
            FlagValue::Unreadable(_) => "unreadable",
            FlagValue::Unset | FlagValue::Weights(_) => "on",
        }),
        FlagName::Weights(_) => None,
    }
}

/// Does what was typed.
pub(crate) async fn run(operator: &Operator, command: ProviderCommand, json: bool) -> anyhow::Result<()> {
    match command {
        ProviderCommand::List => list(operator, json).await,
        ProviderCommand::Off { provider, word } => {
            set(operator, FlagName::Provider(provider), FlagValue::Off, word, json).await
        }
        ProviderCommand::On { provider, word } => {
            set(operator, FlagName::Provider(provider), FlagValue::Unset, word, json).await
        }
        ProviderCommand::Weights { shares, scope, word } => {
            let scope = scope.scope();
            if let Some(merchant) = scope.merchant {
                operator.merchant(merchant).await?;
            }
            set(operator, FlagName::Weights(scope), weights(&shares)?, word, json).await
        }
        ProviderCommand::Changes { provider, scope, limit } => {
            let names = match provider {
                Some(_) if scope.is_given() => {
                    return Err(mistaken("a provider is switched for everybody: leave the scope out"));
                }
                Some(provider) => vec![FlagName::Provider(provider)],
                None if scope.is_given() => vec![FlagName::Weights(scope.scope())],
                None => operator.ask(operator.stores.flags.flags()).await?.iter().map(|flag| flag.name).collect(),
            };
            changes(operator, &names, limit, json).await
        }
    }
}

/// Every provider's switch, and all weights that are set.
async fn list(operator: &Operator, json: bool) -> anyhow::Result<()> {
    let mut flags = operator.ask(operator.stores.flags.flags()).await?;
    flags.sort_by_key(|flag| flag.name);
    let switches = ProviderName::ALL.map(FlagName::Provider);
    let found = |name: FlagName| flags.iter().find(|flag| flag.name == name);
    let is_weights = |flag: &&Flag| matches!(flag.name, FlagName::Weights(_)) && flag.value != FlagValue::Unset;
    let weights = flags.iter().filter(is_weights);
    let all = switches.into_iter().map(|name| FlagBody::of(name, found(name)));
    show(&all.chain(weights.map(|flag| FlagBody::of(flag.name, Some(flag)))).collect::<Vec<_>>(), json)
}

/// The last changes of these flags, the last one first.
async fn changes(operator: &Operator, names: &[FlagName], limit: u32, json: bool) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for name in names {
        all.extend(operator.ask(operator.stores.flags.flag_changes(*name, limit)).await?);
    }
    all.sort_by_key(|flag| (std::cmp::Reverse(flag.changed_at), flag.name));
    all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    show(&all.iter().map(|flag| FlagBody::of(flag.name, Some(flag))).collect::<Vec<_>>(), json)
}

fn show(flags: &[FlagBody], json: bool) -> anyhow::Result<()> {
    answer(json, &ListBody { data: flags }, || {
        let mut table = Table::new(["FLAG", "STANDS", "SINCE", "BY", "WHY"]);
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        for flag in flags {
            let (since, by, why) = (word(&flag.changed_at), word(&flag.changed_by), word(&flag.why));
            table.row(&[flag.flag.clone(), flag.stands.clone(), since, by, why]);
        }
        if table.is_empty() { "there are no changes yet".to_owned() } else { table.to_string() }
    })
}

/// What is set already stays as it is, and nobody's word is kept for nothing.
async fn set(operator: &Operator, name: FlagName, value: FlagValue, word: Word, json: bool) -> anyhow::Result<()> {
    let (why, who) = (word.why.clone(), Who::of(word)?);
    let flags = operator.stores.flags.as_ref();
    let present = operator.ask(flags.flag_changes(name, 1)).await?.pop();
    if present.as_ref().map_or(&FlagValue::Unset, |flag| &flag.value) == &value {
        let body = FlagBody::of(name, present.as_ref());
        return answer(json, &body, || format!("{name} was {} before; nothing was changed", body.stands));
    }
    let command = match name {
        FlagName::Provider(_) => "provider off|on",
        FlagName::Weights(_) => "provider weights",
    };
    let change = change_flag(flags, name, &value, (&who.by, &why), operator.now());
    let subject = format!("{name}: {}", stands(name, &value));
    let came_to =
        |(before, flag): &(FlagValue, Flag)| Some(format!("{} -> {}", stands(name, before), stands(name, &flag.value)));
    let (before, flag) = audited_as(operator, &who, command, subject, operator.ask(change), came_to).await?;
    let (before, body) = (stands(name, &before), FlagBody::of(name, Some(&flag)));
    answer(json, &body, || format!("{name}: {before} -> {}; {FOLLOWED_WITHIN}", body.stands))?;
    if let FlagName::Weights(scope) = name {
        for flag in operator.ask(flags.flags()).await?.iter().filter(|flag| flag.value != FlagValue::Unset) {
            if matches!(flag.name, FlagName::Weights(other) if is_closer(other, scope)) {
                note(&format!("{} is closer, and stays: {}", flag.name, stands(flag.name, &flag.value)));
            }
        }
    }
    Ok(())
}

/// Whether weights of `other` count before those of `scope`, for some of its payments.
fn is_closer(other: Scope, scope: Scope) -> bool {
    fn meet<T: PartialEq + Copy>(one: Option<T>, another: Option<T>) -> bool {
        one.is_none() || another.is_none() || one == another
    }
    let closeness = |scope: Scope| (scope.merchant.is_some(), scope.currency.is_some());
    meet(other.merchant, scope.merchant) && meet(other.currency, scope.currency) && closeness(other) > closeness(scope)
}

fn weights(shares: &[Share]) -> anyhow::Result<FlagValue> {
    if shares.contains(&Share::Default) {
        return match shares.len() {
            1 => Ok(FlagValue::Unset),
            _ => Err(mistaken("`default` stands alone: it takes all of the weights away")),
        };
    }
    let mut weights = BTreeMap::new();
    for share in shares {
        let Share::Of(provider, weight) = *share else { continue };
        if weights.insert(provider, weight).is_some() {
            return Err(mistaken(format!("{provider} is named twice")));
        }
    }
    if weights.values().all(|weight| *weight == 0) {
        return Err(mistaken("one of the weights at least must be above 0"));
    }
    Ok(FlagValue::Weights(weights))
}
