//! `tollgate`, the operator's command: the schema, merchants, their keys and endpoints, providers' switches, all that is known of
//! a payment, whether a statement of the bank agrees, and whether a backup is good.
//! It works on the store itself, with the rights of whoever runs it; the environment is the functions' own. `verify` alone has no
//! store: it is a merchant, over HTTP.
//!
//! Must not know: routes (`verify` aside), SQL, what a payment may do. It never moves money but a synthetic merchant's.

mod arguments;
mod digest;
mod endpoints;
mod exceptions;
mod failure;
mod keys;
mod merchants;
mod migrate;
mod open;
mod output;
mod payment;
mod providers;
mod reconcile;
mod recovery;
mod rotate;
mod table;
mod verify;

use std::process::ExitCode;

use tollgate_assembly::{StoreConfiguration, secrets_key};
use tollgate_runtime::{
    Variables,
    logs::{self, LogFormat, LogOptions},
};

use arguments::{Command, Endpoints, Keys, Merchants, PaymentCommand, Reconcile, Reconciliation};
use open::Operator;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match arguments::read() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let code = arguments.command.failure_code();
    match run(arguments.command, arguments.json).await {
        Ok(code) => code,
        Err(error) => failure::report(&error, code),
    }
}

async fn run(command: Command, json: bool) -> anyhow::Result<ExitCode> {
    let mut vars = Variables::of_process();
    let logs = read_logs(&mut vars);
    if let Command::Verify(what) = &command {
        let key = verify::api_key(&mut vars);
        vars.finish()?;
        logs::install(&logs);
        return verify::run(what, &key?, json).await;
    }
    let store = StoreConfiguration::read(&mut vars);
    let secrets_key = command.writes_secrets().then(|| secrets_key(&mut vars)).transpose();
    // After this, what was read is known to be good.
    vars.finish()?;
    let (store, secrets_key) = (store?, secrets_key?);
    logs::install(&logs);
    if let Command::Migrate = command {
        return migrate::run(&store, json).await.map(|()| ExitCode::SUCCESS);
    }
    if let Command::Recovery(command) = command {
        return recovery::run(&store, command, json).await;
    }
    let operator = Operator::open(&store).await?;
    let done = match command {
        Command::Migrate | Command::Recovery(_) | Command::Verify(_) => Ok(()),
        Command::Merchants(command) => match command {
            Merchants::Create(new) => merchants::create(&operator, new, json).await,
            Merchants::List => merchants::list(&operator, json).await,
            Merchants::Show { merchant } => merchants::show(&operator, merchant, json).await,
            Merchants::Set(changes) => merchants::set(&operator, changes, json).await,
        },
        Command::Keys(command) => match command {
            Keys::Create { merchant } => keys::create(&operator, merchant, json).await,
            Keys::List { merchant } => keys::list(&operator, merchant, json).await,
            Keys::Revoke { merchant, digest } => keys::revoke(&operator, merchant, &digest, json).await,
            Keys::Rotate { merchant, keep_old_for } => rotate::rotate(&operator, merchant, keep_old_for.0, json).await,
        },
        Command::Endpoints(command) => match (command, secrets_key) {
            (Endpoints::Set { merchant, url }, Some(key)) => {
                endpoints::set(&operator, &key, merchant, &url, json).await
            }
            (Endpoints::RotateSecret { merchant, secrets_key_was_changed }, Some(key)) => {
                endpoints::rotate_secret(&operator, &key, merchant, secrets_key_was_changed, json).await
            }
            (command, _) => endpoints::show(&operator, command.merchant(), json).await,
        },
        Command::Provider(command) => providers::run(&operator, command, json).await,
        Command::Payment(PaymentCommand::Show { payment }) => payment::show(&operator, payment, json).await,
        Command::Reconcile(Reconcile::BankStatement { file, record, by }) => {
            let keeper = record.then(|| reconcile::keeper(by)).transpose()?;
            return reconcile::bank_statement(&operator, &file, keeper, json).await;
        }
        Command::Reconciliation(Reconciliation::Exceptions(command)) => exceptions::run(&operator, command, json).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Warnings, as text on stderr, unless `RUST_LOG` asks for more: stdout is for what was asked for.
fn read_logs(vars: &mut Variables) -> LogOptions {
    vars.set_default("RUST_LOG", "warn");
    vars.unset("LOG_FORMAT");
    let options = LogOptions::read(vars).unwrap_or_default();
    LogOptions { format: LogFormat::Text, ..options }
}
