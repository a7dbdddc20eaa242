-- The embedded queue: what waits, and who holds what. A file of its own beside the store's.
--
-- Ids are the raw 16 bytes (`hex(merchant)`): a message lives for milliseconds, and is written three times in them.
-- Times are microseconds since 1970, UTC, of the business clock.

CREATE TABLE messages (
    id         INTEGER NOT NULL PRIMARY KEY, -- the order of arrival; never used again (see `totals`)
    merchant   BLOB    NOT NULL CHECK (length(merchant) = 16),
    payment    BLOB    NOT NULL CHECK (length(payment) = 16),
    sequence   INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    kind       INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2),      -- 0 deliver, 1 given up by us, 2 a deliver that the queue gave up
    state      INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2),     -- 0 ready, 1 waits for `due`, 2 held until `due`
    due        INTEGER NOT NULL,
    holder     INTEGER CHECK ((holder IS NOT NULL) = (state = 2)),
    deliveries INTEGER NOT NULL CHECK (deliveries >= 0),           -- in its topic, so far
    again      INTEGER NOT NULL CHECK (again IN (0, 1))            -- was published again while it was held
) STRICT;

-- The same message is kept once.
CREATE UNIQUE INDEX messages_once ON messages (payment, sequence, attempt, kind, merchant);
-- Each merchant's line, oldest first (the id follows by itself); only what may be handed out.
CREATE INDEX messages_ready ON messages (merchant) WHERE state = 0;
-- What becomes ready by time.
CREATE INDEX messages_timed ON messages (due) WHERE state <> 0;

-- One row, written once a transaction.
CREATE TABLE totals (
    only           INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    next_id        INTEGER NOT NULL, -- ids are never used again, or a late acknowledgement would remove another message
    next_holder    INTEGER NOT NULL,
    payment_events INTEGER NOT NULL, -- how many messages are in the topic, held ones too
    dead_letter    INTEGER NOT NULL
) STRICT;

INSERT INTO totals VALUES (1, 1, 1, 0, 0);
