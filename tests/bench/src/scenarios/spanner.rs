//! The function `payments` on Spanner's emulator: what a payment asks of store and provider, how many are made beside the raw
//! client, how soon the function answers, and what it holds in memory.

mod calls;
mod process;
mod speed;

use anyhow::Result;

use super::Settings;
use crate::{emulated::Emulated, raw::spanner_rows::Source, report::Report};

/// As many as the target is set for, whatever the others are measured with.
const CLIENTS: usize = 8;

pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let emulated = Emulated::prepare(&settings.programs).await?;
    // While there is nothing but the sample.
    let mut source = Source::with_sample(&emulated.host, emulated.ours.name()).await?;
    process::starts(&emulated, report).await?;
    calls::run(&emulated, &mut source, report).await?;
    speed::run(settings, &emulated, source, report).await?;
    // Last: what is made for it is in the gateway's database only, and an emulator is slower the more it holds.
    process::memory(&emulated, report).await
}
