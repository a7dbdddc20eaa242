-- How far jobs came, and what the one that checks the books found.

CREATE TABLE jobs (
    name            TEXT    NOT NULL PRIMARY KEY,
    cursor          TEXT,    -- where the next run goes on; NULL: at the beginning
    last_success_at INTEGER
) STRICT, WITHOUT ROWID;

-- Invariants that do not hold. A row stays until its payment is looked at again and found in order.
CREATE TABLE invariant_violations (
    payment_id TEXT NOT NULL,
    invariant  TEXT NOT NULL,
    PRIMARY KEY (payment_id, invariant)
) STRICT, WITHOUT ROWID;

CREATE INDEX invariant_violations_by_invariant ON invariant_violations (invariant);
