//! `tollgate deliveries` and `tollgate dead-letters`: webhooks to merchants, listed by time and sent again. A delivery that is sent
//! again keeps its webhook-id, and is made due: the functions' job `deliveries` takes it up.
//!
//! Must not know: how a webhook is sent.

mod again;
mod body;
mod search;

use tollgate_domain::{Delivery, DeliveryStatus};

use crate::{
    arguments::{DeadLetters, DeliveriesCommand, When, Which},
    open::Operator,
    output::{answer, note},
    progress::Progress,
    table::Table,
};

use search::Search;

/// What is listed where nothing is said of the time.
const LAST_DAY: When = When::Ago(std::time::Duration::from_hours(24));
const LAST_MONTH: When = When::Ago(std::time::Duration::from_hours(30 * 24));

/// Does what was typed of deliveries.
pub(crate) async fn run(operator: &Operator, command: DeliveriesCommand, json: bool) -> anyhow::Result<()> {
    match command {
        DeliveriesCommand::List { status, which, limit } => {
            let statuses = status.into_iter().map(|status| status.0).collect();
            list(operator, Search::of(which, statuses, LAST_DAY, operator.now())?, limit.limit, json).await
        }
        DeliveriesCommand::Redeliver { status, again } => {
            let mut statuses: Vec<_> = status.into_iter().map(|status| status.0).collect();
            if statuses.is_empty() {
                statuses = DeliveryStatus::ALL.into_iter().filter(|it| *it != DeliveryStatus::Delivered).collect();
            }
            again::run(operator, "deliveries redeliver", statuses, again, json).await
        }
    }
}

/// Does what was typed of those that were given up.
pub(crate) async fn dead_letters(operator: &Operator, command: DeadLetters, json: bool) -> anyhow::Result<()> {
    let statuses = vec![DeliveryStatus::DeadLettered];
    match command {
        DeadLetters::List { which, limit } => {
            list(operator, Search::of(which, statuses, LAST_MONTH, operator.now())?, limit.limit, json).await
        }
        DeadLetters::Redeliver { again } => again::run(operator, "dead-letters redeliver", statuses, again, json).await,
    }
}

async fn list(operator: &Operator, search: Search, limit: u32, json: bool) -> anyhow::Result<()> {
    let search = search.of_a_known_merchant(operator).await?;
    let progress = Progress::counting(json, "deliveries looked at");
    let mut looking = search.begin(operator);
    let mut all: Vec<Delivery> = Vec::new();
    // One more than is shown tells whether there are more.
    while all.len() <= limit as usize
        && let Some(page) = looking.next(&progress).await?
    {
        all.extend(page);
    }
    drop(progress);
    let more = all.len() > limit as usize;
    all.truncate(limit as usize);
    if more {
        note(&format!("there are more than {limit}: see --limit"));
    }
    answer(json, &body::ListBody::of(&search, &all, more), || words(&all))
}

fn words(all: &[Delivery]) -> String {
    let mut table = Table::new(["MADE", "STATUS", "TYPE", "EVENT", "PAYMENT", "MERCHANT", "TRIES", "NEXT TRY"]);
    for delivery in all {
        let next = match delivery.next_attempt_at {
            _ if delivery.waits_for_endpoint => "when the endpoint is set".to_owned(),
            Some(at) => at.to_string(),
            None => "-".to_owned(),
        };
        table.row(&[
            delivery.created_at.to_string(),
            delivery.status.as_str().to_owned(),
            delivery.kind.as_str().to_owned(),
            delivery.event.to_string(),
            delivery.payment.to_string(),
            delivery.merchant.to_string(),
            delivery.attempts.to_string(),
            next,
        ]);
    }
    if table.is_empty() { "there are no such deliveries".to_owned() } else { table.to_string() }
}

/// Which deliveries, in words.
fn which_words(which: &Which) -> String {
    let mut words = Vec::new();
    words.extend(which.merchant.map(|merchant| format!("of {merchant}")));
    words.extend(which.endpoint.as_ref().map(|url| format!("to {url}")));
    words.join(" ")
}
