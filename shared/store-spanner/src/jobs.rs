//! The table `jobs`: how far each came.

use tollgate_gateway::ports::audit::JobState;

use crate::{
    cells::{Row, maybe, text, time},
    error::Result,
    rows::{Asked, Counted, Source, Write, key},
};

static JOBS: Source = Source { table: "jobs", index: None, columns: &["cursor", "last_success_at"] };

/// The row of a job.
pub(crate) fn one(name: &str) -> Asked {
    JOBS.read(key([text(name)]))
}

/// Keeps how far it came.
pub(crate) fn put(name: &str, state: &JobState) -> Counted {
    Write::upsert("jobs")
        .set("name", text(name))
        .set("cursor", maybe(state.cursor.as_ref().map(text)))
        .set("last_success_at", maybe(state.last_success_at.map(time)))
        .build()
}

/// How far it came, as its row says.
pub(crate) fn read(row: &Row) -> Result<JobState> {
    Ok(JobState { cursor: row.maybe_string("cursor")?, last_success_at: row.maybe_time("last_success_at")? })
}
