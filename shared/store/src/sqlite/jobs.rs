//! The table `jobs`: how far each job came.

use rusqlite::{Connection, OptionalExtension, Result, params};
use tollgate_gateway::ports::audit::JobState;

use super::columns::Micros;

/// How far the job of this name came.
pub(super) fn find(connection: &Connection, name: &str) -> Result<JobState> {
    let found = connection
        .prepare_cached("SELECT cursor, last_success_at FROM jobs WHERE name = ?1")?
        .query_row([name], |row| {
            Ok(JobState { cursor: row.get(0)?, last_success_at: row.get::<_, Option<Micros>>(1)?.map(|at| at.0) })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Writes it over what it was.
pub(super) fn put(connection: &Connection, name: &str, state: &JobState) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO jobs (name, cursor, last_success_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor, last_success_at = excluded.last_success_at",
        )?
        .execute(params![name, state.cursor, state.last_success_at.map(Micros)])?;
    Ok(())
}
