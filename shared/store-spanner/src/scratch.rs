//! Databases that are made for a while and dropped again, beside another one in its instance.
//!
//! Must not know: what they are for, what is in them.

use google_cloud_lro::Poller;

use crate::{
    DatabaseName,
    error::{SpannerUnreachable, unreachable},
    migrations::admin,
};

/// Makes an empty database of this name in the instance of `beside`.
pub async fn create(
    beside: &DatabaseName,
    name: &str,
    emulator: Option<&str>,
) -> Result<DatabaseName, SpannerUnreachable> {
    let (instance, _) = parts(beside)?;
    let database = format!("{instance}/databases/{name}");
    let database: DatabaseName = database.parse().map_err(|error| unreachable(&error))?;
    let admin = admin(emulator).await.map_err(|error| unreachable(&error))?;
    let create = admin.create_database().set_parent(instance).set_create_statement(format!("CREATE DATABASE `{name}`"));
    create.poller().until_done().await.map_err(|error| unreachable(&error))?;
    Ok(database)
}

/// Drops a database.
pub async fn drop(database: &DatabaseName, emulator: Option<&str>) -> Result<(), SpannerUnreachable> {
    let admin = admin(emulator).await.map_err(|error| unreachable(&error))?;
    admin.drop_database().set_database(database.as_str()).send().await.map_err(|error| unreachable(&error))
}

fn parts(database: &DatabaseName) -> Result<(&str, &str), SpannerUnreachable> {
    let parts = database.as_str().split_once("/databases/");
    parts.ok_or_else(|| SpannerUnreachable("not the name of a database".to_owned()))
}
