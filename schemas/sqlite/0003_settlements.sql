-- Settlements: one per date in Tokyo, made in chunks. A chunk is one transaction: the payments' new versions, its lines,
-- its totals, and the row that says how far the settlement then is.
--
-- Lines and totals are only ever inserted. There is no running total anywhere: every chunk has its own per merchant, so
-- that no row is written twice and what a merchant gets is a short sum.

CREATE TABLE settlements (
    id               TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 5 AND 40),
    date             TEXT    NOT NULL UNIQUE CHECK (date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    cutoff           INTEGER NOT NULL, -- 02:00 in Tokyo on that date
    previous_id      TEXT    UNIQUE,   -- one follows on each
    status           TEXT    NOT NULL CHECK (status IN ('RUNNING', 'COMPLETED', 'FAILED')),
    started_at       INTEGER NOT NULL,
    ended_at         INTEGER CHECK ((ended_at IS NULL) = (status = 'RUNNING')),
    resumed          INTEGER NOT NULL CHECK (resumed >= 0),
    payments         INTEGER NOT NULL CHECK (payments >= 0),
    refunds          INTEGER NOT NULL CHECK (refunds >= 0),
    refunds_returned INTEGER NOT NULL CHECK (refunds_returned >= 0),
    carried_over     INTEGER NOT NULL CHECK (carried_over >= 0),
    set_aside        INTEGER NOT NULL CHECK (set_aside >= 0),
    dropped          INTEGER NOT NULL CHECK (dropped >= 0),
    totals           TEXT    NOT NULL, -- JSON, per currency; empty until it has ended
    failure          TEXT    CHECK ((failure IS NULL) = (status <> 'FAILED')),
    revision         INTEGER NOT NULL CHECK (revision >= 1)
) STRICT;

CREATE INDEX settlements_running ON settlements (date) WHERE status = 'RUNNING';

-- The checkpoints. The key is the guard: of two runs at once, one commits a chunk of this number.
CREATE TABLE settlement_chunks (
    settlement_id    TEXT    NOT NULL,
    number           INTEGER NOT NULL CHECK (number >= 1),
    change_id        TEXT    NOT NULL, -- tells a commit whose answer was lost from another run's
    part             TEXT    NOT NULL CHECK (part IN ('carried_over', 'payments', 'refunds', 'closed')),
    after_key        TEXT,             -- the merchant, payment or refund that it got to; NULL: the part begins
    after_at         INTEGER,          -- since when that one waited
    after_currency   TEXT,
    payments         INTEGER NOT NULL CHECK (payments >= 0),
    refunds          INTEGER NOT NULL CHECK (refunds >= 0),
    refunds_returned INTEGER NOT NULL CHECK (refunds_returned >= 0),
    carried_over     INTEGER NOT NULL CHECK (carried_over >= 0),
    set_aside        INTEGER NOT NULL CHECK (set_aside >= 0),
    dropped          INTEGER NOT NULL CHECK (dropped >= 0),
    at               INTEGER NOT NULL,
    PRIMARY KEY (settlement_id, number)
) STRICT, WITHOUT ROWID;

-- By merchant first: what a merchant gets is one short range.
CREATE TABLE settlement_totals (
    settlement_id    TEXT    NOT NULL,
    merchant_id      TEXT    NOT NULL,
    currency         TEXT    NOT NULL CHECK (length(currency) = 3),
    chunk            INTEGER NOT NULL CHECK (chunk >= 1),
    payments         INTEGER NOT NULL CHECK (payments >= 0),
    gross            INTEGER NOT NULL CHECK (gross >= 0),
    fees             INTEGER NOT NULL CHECK (fees >= 0),
    refunds          INTEGER NOT NULL CHECK (refunds >= 0),
    refunds_returned INTEGER NOT NULL CHECK (refunds_returned >= 0),
    carried_over     INTEGER NOT NULL CHECK (carried_over <= 0),
    net              INTEGER NOT NULL,
    PRIMARY KEY (settlement_id, merchant_id, currency, chunk)
) STRICT, WITHOUT ROWID;

CREATE INDEX settlement_totals_by_chunk ON settlement_totals (settlement_id, chunk);

CREATE TABLE settlement_lines (
    settlement_id TEXT    NOT NULL,
    merchant_id   TEXT    NOT NULL,
    chunk         INTEGER NOT NULL CHECK (chunk >= 1),
    number        INTEGER NOT NULL CHECK (number >= 1),
    kind          TEXT    NOT NULL CHECK (kind IN ('payment', 'refund', 'refund_returned', 'carried_over')),
    payment_id    TEXT    CHECK ((payment_id IS NULL) = (kind = 'carried_over')),
    version       INTEGER CHECK ((version IS NULL) = (payment_id IS NULL)),
    refund_id     TEXT    CHECK ((refund_id IS NULL) = (kind IN ('payment', 'carried_over'))),
    currency      TEXT    NOT NULL CHECK (length(currency) = 3),
    gross         INTEGER NOT NULL,
    fee           INTEGER NOT NULL CHECK (fee >= 0),
    net           INTEGER NOT NULL CHECK (net = gross - fee),
    at            INTEGER NOT NULL,
    PRIMARY KEY (settlement_id, merchant_id, chunk, number)
) STRICT, WITHOUT ROWID;

-- What could not be settled, and why: `SELECT * FROM settlement_set_aside WHERE settlement_id = 'stl_…'`.
CREATE TABLE settlement_set_aside (
    settlement_id TEXT    NOT NULL,
    payment_id    TEXT    NOT NULL,
    merchant_id   TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    chunk         INTEGER NOT NULL CHECK (chunk >= 1),
    at            INTEGER NOT NULL,
    PRIMARY KEY (settlement_id, payment_id)
) STRICT, WITHOUT ROWID;
