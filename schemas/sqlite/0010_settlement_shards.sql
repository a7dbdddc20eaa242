-- A settlement may be split into shards, each with chunks of its own: shard S has those numbered from (S + 1) * 16777216 + 1 on. Whoever
-- settled a shard compares its chunks with the books, and keeps here what they come to, so that nobody has to read all of them at the end.

ALTER TABLE settlements ADD COLUMN shards INTEGER NOT NULL DEFAULT 0 CHECK (shards >= 0);

CREATE TABLE settlement_shards (
    settlement_id    TEXT    NOT NULL,
    shard            INTEGER NOT NULL CHECK (shard >= 0),
    verified         INTEGER NOT NULL CHECK (verified >= 0), -- the last chunk that was compared
    payments         INTEGER NOT NULL CHECK (payments >= 0),
    refunds          INTEGER NOT NULL CHECK (refunds >= 0),
    refunds_returned INTEGER NOT NULL CHECK (refunds_returned >= 0),
    carried_over     INTEGER NOT NULL CHECK (carried_over >= 0),
    set_aside        INTEGER NOT NULL CHECK (set_aside >= 0),
    dropped          INTEGER NOT NULL CHECK (dropped >= 0),
    totals           TEXT    NOT NULL, -- JSON, per currency
    wrong            TEXT,             -- the first disagreement that was found
    PRIMARY KEY (settlement_id, shard)
) STRICT, WITHOUT ROWID;
