-- What operators do by their command: who, what, to what and why. Written before it is done; what came of it is written once.
CREATE TABLE operator_acts (
    id       TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 5 AND 40),
    at       INTEGER NOT NULL,
    acted_by TEXT    NOT NULL CHECK (acted_by <> ''),
    why      TEXT    CHECK (why <> ''),
    command  TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    outcome  TEXT -- NULL: it was begun, and whether it was done is not known
) STRICT, WITHOUT ROWID;

CREATE INDEX operator_acts_by_time ON operator_acts (at DESC, id DESC);

-- Deliveries, as operators look for them.
CREATE INDEX events_by_time ON events (at, payment_id, sequence);
