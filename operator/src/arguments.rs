//! What can be typed: the commands, with their arguments checked as far as no store is needed.
//!
//! Must not know: what a command does. What looks like a key or a secret is never repeated, however wrong it is here.

mod changes;
mod deliveries;
#[cfg(test)]
mod documented;
mod exceptions;
mod merchants;
mod payment;
mod provider;
mod recovery;
mod settlement;
mod verify;
mod word;

use std::{path::PathBuf, process::ExitCode, str::FromStr, time::Duration};

use clap::{CommandFactory, Parser, Subcommand, value_parser};
use clap_complete::Shell;
use tollgate_api::card_data;

use crate::output;

pub(crate) use changes::Changes;
pub(crate) use deliveries::{Again, DeadLetters, DeliveriesCommand, When, Which};
pub(crate) use exceptions::{ExceptionsCommand, Reconciliation};
pub(crate) use merchants::{Endpoints, Keys, MerchantChanges, Merchants, NewMerchant};
pub(crate) use payment::{ListPayments, PaymentCommand, Resolve};
pub(crate) use provider::{ProviderCommand, Share};
pub(crate) use recovery::{Drill, Recovery};
pub(crate) use settlement::{SettlementCommand, WhichSettlement};
pub(crate) use verify::{Expected, Verify};
pub(crate) use word::{By, Word, user};

/// The longest that old keys are kept: who needs more does not rotate.
const KEEP_AT_MOST: Duration = Duration::from_hours(90 * 24);
/// How what must not be shown begins: our keys and secrets, and Stripe's.
const SECRET_PREFIXES: [&str; 6] = ["tgk_", "whsec_", "sk_live_", "sk_test_", "rk_live_", "rk_test_"];

/// Tollgate's operator: the schema, merchants, keys, endpoints, providers, payments, deliveries, settlements, the books, backups.
///
/// Reads the functions' own environment: `STORE_URL` (sqlite:PATH or spanner:projects/P/instances/I/databases/D),
/// `SPANNER_EMULATOR_HOST`, and `SECRETS_KEY` where a webhook secret is made. Exit code 2: the command or the environment is
/// wrong. 1: it could not be done; of what compares (`reconcile`, `settlement verify`, `invariants`, `recovery drill`), that
/// something does not agree, and 3 that it could not be done.
#[derive(Parser)]
#[command(name = "tollgate", version)]
pub(crate) struct Arguments {
    /// Answer in JSON, for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Bring the database to this program's schema; nothing to do is success.
    Migrate,
    /// Merchants.
    #[command(subcommand)]
    Merchants(Merchants),
    /// Merchants' API keys.
    #[command(subcommand)]
    Keys(Keys),
    /// Where merchants' webhooks go.
    #[command(subcommand)]
    Endpoints(Endpoints),
    /// Which providers take new payments, and how these are shared out.
    #[command(subcommand)]
    Provider(ProviderCommand),
    /// Payments, to be looked at, and closed where they wait for a person.
    #[command(subcommand)]
    Payment(PaymentCommand),
    /// Webhooks to merchants.
    #[command(subcommand)]
    Deliveries(DeliveriesCommand),
    /// Webhooks to merchants that were given up after their seventh try.
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// The nightly settlement.
    #[command(subcommand)]
    Settlement(SettlementCommand),
    /// Check that the books add up, payment by payment, as the job `invariants` does. Reads only.
    ///
    /// Exit code 0: they do. 1: something is violated. 3: it could not be done.
    Invariants {
        /// How many violations are listed at most; all are counted.
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// What operators did with this command, the last first: who, what, to what, why, and what came of it.
    Changes(Changes),
    /// What a shell completes this command by, on stdout.
    Completions {
        /// bash, zsh, fish, elvish or powershell.
        shell: Shell,
    },
    /// What others say of our money, held against what we say.
    #[command(subcommand)]
    Reconcile(Reconcile),
    /// What does not agree, and who looks after it.
    #[command(subcommand)]
    Reconciliation(Reconciliation),
    /// Backups, and the drill that restores one.
    #[command(subcommand)]
    Recovery(Recovery),
    /// Make a payment as a merchant does, and see its webhook delivered: what a deployment is verified with.
    ///
    /// It needs no store: only `VERIFY_API_KEY`, the key of a synthetic merchant. Exit code 0: every step was as it should be. 1: one was
    /// not.
    Verify(Verify),
}

impl Command {
    /// The code where it could not be done. What compares keeps 1 for what does not agree.
    pub(crate) fn failure_code(&self) -> u8 {
        let keeps_1 = matches!(
            self,
            Self::Reconcile(_)
                | Self::Recovery(Recovery::Drill(_))
                | Self::Invariants { .. }
                | Self::Settlement(SettlementCommand::Verify(_))
        );
        if keeps_1 { 3 } else { 1 }
    }

    /// Whether secrets are sealed by it: then it needs the key.
    pub(crate) fn writes_secrets(&self) -> bool {
        matches!(self, Self::Endpoints(Endpoints::Set { .. } | Endpoints::RotateSecret { .. }))
    }
}

#[derive(Subcommand)]
pub(crate) enum Reconcile {
    /// Hold the bank's statement (ISO 20022 camt.053) against our payments, refunds and reversals.
    ///
    /// One line for each exception. Exit code 0: all that is ours agrees. 1: there are exceptions. 3: it could not be read, or
    /// not be compared.
    ///
    /// It only reads, unless --record is given.
    BankStatement {
        /// The statement; `-` is standard input.
        file: PathBuf,
        /// Keep the exceptions, to be assigned and resolved: `tollgate reconciliation exceptions`.
        #[arg(long)]
        record: bool,
        /// Who; not given: the user who runs this.
        #[arg(long, value_name = "NAME", value_parser = word::by, requires = "record")]
        by: Option<String>,
    },
}

/// A time from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeepFor(pub(crate) Duration);

impl FromStr for KeepFor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let read = || {
            let unit = text.chars().last()?;
            let seconds = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                'd' => 24 * 3600,
                _ => return None,
            };
            let digits = text.strip_suffix(unit)?;
            let number: u64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
            number.checked_mul(seconds).map(Duration::from_secs).filter(|time| *time <= KEEP_AT_MOST)
        };
        read().map(Self).ok_or("must be a number and s, m, h or d, as in 24h; 90d at most")
    }
}

/// What `shell` completes the command by.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "tollgate", &mut text);
    text
}

/// The command line, or the code to end with: help is success, a mistake is 2.
pub(crate) fn read() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| {
        let text = redacted(&error.render().to_string());
        if error.use_stderr() {
            output::note(text.trim_end());
            return ExitCode::from(2);
        }
        output::say(&text).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
    })
}

/// Without what looks like a key or a secret: who typed one in the wrong place does not find it in a log as well.
fn redacted(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(start) = SECRET_PREFIXES.iter().filter_map(|prefix| rest.find(prefix)).min() {
        shown.push_str(&rest[..start]);
        shown.push_str("[redacted]");
        let is_secret = |letter: char| letter.is_alphanumeric() || "_-+/=".contains(letter);
        rest = rest[start..].trim_start_matches(is_secret);
    }
    shown.push_str(rest);
    if card_data::is_in(&shown) { shown.replace(|letter: char| letter.is_numeric(), "*") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn times_are_a_number_and_a_unit() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("30m", 1800), ("24h", 86_400), ("90d", 7_776_000)] {
            assert_eq!(text.parse(), Ok(KeepFor(Duration::from_secs(seconds))), "{text}");
        }
        for wrong in ["", "h", "24", "24 h", "-1h", "+1h", "1.5h", "91d", "24ｈ", "1w", "99999999999999999999d"] {
            assert!(wrong.parse::<KeepFor>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_looks_like_a_secret_is_not_repeated() {
        let said = redacted("error: 'tgk_0a1b' and 'whsec_aGk+/=' unexpected; usage: keys");
        assert_eq!(said, "error: '[redacted]' and '[redacted]' unexpected; usage: keys");
        assert_eq!(redacted("nothing here"), "nothing here");
        assert!(!redacted("error: 'card 4242 4242 4242 4242 of ann' is wrong").contains("4242"));
        assert!(!redacted("error: 'sk_live_51H8xYz' is wrong").contains("51H8"));
    }
}
