-- Providers' own records of what moved, held against our books: which were seen, what does not agree, and what was done about it.

-- The first record that showed a movement of ours (`pay_…` was captured, `ref_…` was given back, `ret_…` came
-- back). Insert-only: its key is the guard against counting one movement twice.
CREATE TABLE provider_records (
    provider  TEXT    NOT NULL CHECK (provider = 'stripe' OR provider = 'paypal' OR provider = 'bank'),
    subject   TEXT    NOT NULL CHECK (length(subject) BETWEEN 5 AND 40),
    record_id TEXT    NOT NULL,
    amount    INTEGER,
    currency  TEXT    CHECK (length(currency) = 3),
    at        INTEGER NOT NULL, -- as the provider says
    PRIMARY KEY (provider, subject)
) STRICT, WITHOUT ROWID;

-- One row per provider, record and kind, which the id is made of.
CREATE TABLE reconciliation_exceptions (
    id             TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 5 AND 40),
    provider       TEXT    NOT NULL CHECK (provider = 'stripe' OR provider = 'paypal' OR provider = 'bank'),
    kind           TEXT    NOT NULL,
    record_id      TEXT    NOT NULL,
    movement       TEXT    NOT NULL,
    payment_id     TEXT,
    refund_id      TEXT,
    transaction_id TEXT,
    amount         INTEGER,           -- theirs
    currency       TEXT,
    state          TEXT    NOT NULL,
    at             INTEGER NOT NULL,
    our_amount     INTEGER,
    our_currency   TEXT,
    our_state      TEXT    NOT NULL,
    first_seen     INTEGER NOT NULL,
    last_seen      INTEGER NOT NULL,
    owner          TEXT,
    resolution     TEXT,
    resolved_at    INTEGER,
    resolved_by    TEXT,
    resolved_why   TEXT,
    revision       INTEGER NOT NULL CHECK (revision >= 1),
    CHECK ((resolution IS NULL) = (resolved_at IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX reconciliation_exceptions_by_time ON reconciliation_exceptions (first_seen, id);
CREATE INDEX reconciliation_exceptions_open ON reconciliation_exceptions (first_seen, id, kind) WHERE resolved_at IS NULL;

-- Who did what to one, when and why. Insert-only.
CREATE TABLE reconciliation_exception_changes (
    exception_id TEXT    NOT NULL,
    revision     INTEGER NOT NULL CHECK (revision >= 1),
    what         TEXT    NOT NULL,
    changed_at   INTEGER NOT NULL,
    changed_by   TEXT    NOT NULL CHECK (changed_by <> ''),
    why          TEXT    NOT NULL,
    PRIMARY KEY (exception_id, revision)
) STRICT, WITHOUT ROWID;

-- What we say moved in a period: the other direction of the comparison.
CREATE INDEX payments_by_capture ON payments (provider, captured_at, id) WHERE captured_at IS NOT NULL;
CREATE INDEX refunds_by_time ON refunds (created_at, id);
