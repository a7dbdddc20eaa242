//! `tollgate merchants`: makes, lists, shows and changes merchants.
//!
//! Must not know: keys, endpoints.

use anyhow::Context;
use serde::Serialize;
use tollgate_domain::MerchantId;
use tollgate_gateway::ports::merchants::Merchant;

use crate::{
    arguments::{MerchantChanges, Merchants, NewMerchant},
    audit::{Who, audited},
    open::Operator,
    output::{answer, note},
    table::{Table, facts},
};

/// How many are asked for at once.
const PAGE: u32 = 500;

#[derive(Serialize)]
struct MerchantBody<'a> {
    id: String,
    object: &'static str,
    name: &'a str,
    /// Null: the default of the functions.
    requests_per_minute: Option<u32>,
    fee_basis_points: u32,
    created_at: String,
}

#[derive(Serialize)]
struct ListBody<'a> {
    data: Vec<MerchantBody<'a>>,
}

impl<'a> From<&'a Merchant> for MerchantBody<'a> {
    fn from(merchant: &'a Merchant) -> Self {
        Self {
            id: merchant.id.to_string(),
            object: "merchant",
            name: &merchant.name,
            requests_per_minute: merchant.requests_per_minute,
            fee_basis_points: merchant.fee_basis_points,
            created_at: merchant.created_at.to_string(),
        }
    }
}

/// Does what was typed.
pub(crate) async fn run(operator: &Operator, command: Merchants, json: bool) -> anyhow::Result<()> {
    match command {
        Merchants::Create(new) => create(operator, new, json).await,
        Merchants::List => list(operator, json).await,
        Merchants::Show { merchant } => show(operator, merchant, json).await,
        Merchants::Set(changes) => set(operator, changes, json).await,
    }
}

/// Makes one.
async fn create(operator: &Operator, new: NewMerchant, json: bool) -> anyhow::Result<()> {
    let mut bytes = [0; 16];
    operator.entropy().fill(&mut bytes);
    let merchant = Merchant {
        id: MerchantId::from_random(bytes),
        name: new.name,
        requests_per_minute: new.requests_per_minute,
        fee_basis_points: new.fee_basis_points,
        created_at: operator.now(),
    };
    let made = async {
        let made = operator.ask(operator.stores.merchants.put_merchant(&merchant)).await;
        made.with_context(|| format!("{} was made or not, `tollgate merchants list` tells", merchant.id))
    };
    audited(operator, &Who::of(new.word)?, "merchants create", differs(&merchant, None), made).await?;
    if merchant.fee_basis_points == 0 {
        note("no fee: he is paid all that is settled, unless you set --fee-basis-points");
    }
    show_one(&merchant, json)
}

/// Lists all, in the order of their ids.
async fn list(operator: &Operator, json: bool) -> anyhow::Result<()> {
    let mut all: Vec<Merchant> = Vec::new();
    loop {
        let after = all.last().map(|merchant| merchant.id);
        let page = operator.ask(operator.stores.merchants.merchants(after, PAGE)).await?;
        let is_last = page.len() < PAGE as usize;
        all.extend(page);
        if is_last {
            break;
        }
    }
    answer(json, &ListBody { data: all.iter().map(MerchantBody::from).collect() }, || {
        let mut table = Table::new(["ID", "NAME", "REQUESTS/MIN", "FEE (BP)", "CREATED"]);
        for merchant in &all {
            table.row(&[
                merchant.id.to_string(),
                merchant.name.clone(),
                limit(merchant),
                merchant.fee_basis_points.to_string(),
                merchant.created_at.to_string(),
            ]);
        }
        if table.is_empty() { "there are no merchants yet".to_owned() } else { table.to_string() }
    })
}

/// Shows one.
async fn show(operator: &Operator, merchant: MerchantId, json: bool) -> anyhow::Result<()> {
    show_one(&operator.merchant(merchant).await?, json)
}

/// Changes one: what is not named stays. Of two operators at once the later one's word stands.
async fn set(operator: &Operator, changes: MerchantChanges, json: bool) -> anyhow::Result<()> {
    let before = operator.merchant(changes.merchant).await?;
    let mut merchant = before.clone();
    merchant.name = changes.name.unwrap_or(merchant.name);
    merchant.fee_basis_points = changes.fee_basis_points.unwrap_or(merchant.fee_basis_points);
    if let Some(limit) = changes.requests_per_minute {
        merchant.requests_per_minute = limit.0;
    }
    let put = operator.ask(operator.stores.merchants.put_merchant(&merchant));
    audited(operator, &Who::of(changes.word)?, "merchants set", differs(&merchant, Some(&before)), put).await?;
    show_one(&merchant, json)
}

/// What a change is of, and from what to what.
fn differs(merchant: &Merchant, before: Option<&Merchant>) -> String {
    let facts = |merchant: &Merchant| {
        let fee = merchant.fee_basis_points.to_string();
        [("name", merchant.name.clone()), ("requests a minute", limit(merchant)), ("fee in basis points", fee)]
    };
    let (now, was) = (facts(merchant), before.map(facts));
    let changed = now.iter().enumerate().filter_map(|(at, (name, value))| match was.as_ref().map(|was| &was[at].1) {
        Some(was) if was == value => None,
        Some(was) => Some(format!("{name} {was} -> {value}")),
        None => Some(format!("{name} {value}")),
    });
    let changed = changed.collect::<Vec<_>>().join(", ");
    if changed.is_empty() { format!("{}: nothing", merchant.id) } else { format!("{}: {changed}", merchant.id) }
}

fn show_one(merchant: &Merchant, json: bool) -> anyhow::Result<()> {
    answer(json, &MerchantBody::from(merchant), || {
        facts([
            ("id", Some(merchant.id.to_string())),
            ("name", Some(merchant.name.clone())),
            ("requests a minute", Some(limit(merchant))),
            ("fee, basis points", Some(merchant.fee_basis_points.to_string())),
            ("created", Some(merchant.created_at.to_string())),
        ])
    })
}

fn limit(merchant: &Merchant) -> String {
    merchant.requests_per_minute.map_or_else(|| "default".to_owned(), |limit| limit.to_string())
}
