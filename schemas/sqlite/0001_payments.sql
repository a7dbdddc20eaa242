-- Payments, all that belongs to them, and who may make them.
--
-- Ids are kept as the text that people and logs know (`pay_…`): 14 bytes more than raw ones, and
-- `SELECT * FROM history WHERE payment_id = 'pay_…'` just works. Digests have no text form and stay blobs.
-- Times are microseconds since 1970, UTC: `datetime(created_at / 1000000, 'unixepoch')`.
-- Money is whole minor units. Nested values nobody searches (an operation, a failure) are JSON.
--
-- Nothing here is ever replaced (`REPLACE` deletes first) and history is never pruned: its key guards every commit.
-- Children carry no foreign key to their payment: one writer makes them in the same transaction, and every key would
-- cost a look-up in each of ten inserts.
-- A choice among three or more is written with `OR`: for a longer `IN` list SQLite fills a temporary table, with a page
-- cache of its own, in every statement that checks it.

CREATE TABLE payments (
    id                      TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 5 AND 40),
    merchant_id             TEXT    NOT NULL,
    version                 INTEGER NOT NULL CHECK (version >= 1),
    status                  TEXT    NOT NULL CHECK (
        status = 'PENDING' OR status = 'AUTHORIZED' OR status = 'CAPTURED' OR status = 'SETTLED' OR
        status = 'REFUNDED' OR status = 'FAILED' OR status = 'VOIDED'),
    currency                TEXT    NOT NULL CHECK (length(currency) = 3),
    amount                  INTEGER NOT NULL CHECK (amount BETWEEN 0 AND 999999999999),
    captured                INTEGER NOT NULL CHECK (captured BETWEEN 0 AND amount),
    refunded                INTEGER NOT NULL CHECK (refunded >= 0),
    refund_reserved         INTEGER NOT NULL CHECK (refund_reserved >= 0),
    provider                TEXT    NOT NULL CHECK (provider = 'stripe' OR provider = 'paypal' OR provider = 'bank'),
    provider_transaction_id TEXT,
    provider_request_id     TEXT    NOT NULL CHECK (length(provider_request_id) = 36),
    capture_method          TEXT    NOT NULL CHECK (capture_method IN ('manual', 'automatic')),
    merchant_reference      TEXT,
    details                 TEXT    NOT NULL, -- JSON: description, metadata, return_url
    failure                 TEXT,             -- JSON
    expires_at              INTEGER,
    open_operation          TEXT,             -- JSON: all of it, so that a decision reads this row only
    remembered_void         TEXT,             -- JSON: likewise
    operations              INTEGER NOT NULL CHECK (operations >= 0),
    events                  INTEGER NOT NULL CHECK (events >= 0),
    created_at              INTEGER NOT NULL,
    updated_at              INTEGER NOT NULL,
    CHECK (refunded + refund_reserved <= captured)
) STRICT;

CREATE INDEX payments_by_merchant ON payments (merchant_id, created_at DESC, id DESC);
CREATE INDEX payments_by_reference ON payments (merchant_id, merchant_reference, created_at DESC, id DESC)
    WHERE merchant_reference IS NOT NULL;

-- One row per version: the guard of every commit, the timeline and the audit trail.
CREATE TABLE history (
    payment_id     TEXT    NOT NULL,
    version        INTEGER NOT NULL CHECK (version >= 1),
    change_id      TEXT    NOT NULL, -- tells a commit whose answer was lost from somebody else's
    at             INTEGER NOT NULL,
    what           TEXT    NOT NULL,
    operation      INTEGER NOT NULL,
    detail         TEXT,
    transitions    TEXT    NOT NULL, -- `PENDING>AUTHORIZED AUTHORIZED>CAPTURED`; the first has nothing before it
    cause          TEXT    NOT NULL,
    cause_subject  TEXT,
    correlation_id TEXT    NOT NULL,
    PRIMARY KEY (payment_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE operations (
    payment_id TEXT    NOT NULL,
    number     INTEGER NOT NULL CHECK (number >= 1),
    record     TEXT    NOT NULL, -- JSON: all of it (`record ->> 'state'`); the payer's token is gone once it is closed
    PRIMARY KEY (payment_id, number)
) STRICT;

CREATE TABLE refunds (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 5 AND 40),
    payment_id TEXT    NOT NULL,
    status     TEXT    NOT NULL CHECK (status = 'PENDING' OR status = 'COMPLETED' OR status = 'FAILED'),
    currency   TEXT    NOT NULL CHECK (length(currency) = 3),
    amount     INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 999999999999),
    reason     TEXT,
    failure    TEXT,             -- JSON
    reference  TEXT,             -- the provider's id of it
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX refunds_by_payment ON refunds (payment_id);

-- Events to merchants, with the body that is sent.
CREATE TABLE events (
    payment_id  TEXT    NOT NULL,
    sequence    INTEGER NOT NULL CHECK (sequence >= 1),
    id          TEXT    NOT NULL UNIQUE CHECK (length(id) BETWEEN 5 AND 40),
    merchant_id TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    body        TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (payment_id, sequence)
) STRICT;

-- The ledger: debits above zero, credits below, so that every change sums to zero per currency.
CREATE TABLE postings (
    payment_id TEXT    NOT NULL,
    version    INTEGER NOT NULL CHECK (version >= 1),
    line       INTEGER NOT NULL CHECK (line >= 1),
    account    TEXT    NOT NULL,
    minor      INTEGER NOT NULL CHECK (minor <> 0),
    currency   TEXT    NOT NULL CHECK (length(currency) = 3),
    PRIMARY KEY (payment_id, version, line)
) STRICT, WITHOUT ROWID;

-- Calls to providers, for the audit trail. The rowid keeps the order of commits.
CREATE TABLE provider_calls (
    payment_id     TEXT    NOT NULL,
    id             TEXT    NOT NULL,
    operation      INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    provider       TEXT    NOT NULL CHECK (provider = 'stripe' OR provider = 'paypal' OR provider = 'bank'),
    call           TEXT    NOT NULL,
    outcome        TEXT    NOT NULL,
    http_status    INTEGER CHECK (http_status BETWEEN 0 AND 65535),
    reference      TEXT,
    provider_code  TEXT,
    duration       INTEGER NOT NULL CHECK (duration >= 0), -- microseconds
    at             INTEGER NOT NULL,
    correlation_id TEXT    NOT NULL,
    PRIMARY KEY (payment_id, id)
) STRICT;

-- Providers' events that were taken. The rowid keeps the order of commits.
CREATE TABLE provider_events (
    provider       TEXT    NOT NULL CHECK (provider = 'stripe' OR provider = 'paypal' OR provider = 'bank'),
    event_id       TEXT    NOT NULL,
    change_id      TEXT    NOT NULL,
    event_type     TEXT    NOT NULL,
    payment_id     TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    effect         INTEGER NOT NULL CHECK (effect IN (0, 1)),
    at             INTEGER NOT NULL,
    correlation_id TEXT    NOT NULL,
    PRIMARY KEY (provider, event_id)
) STRICT;

CREATE INDEX provider_events_by_payment ON provider_events (payment_id);
CREATE INDEX provider_events_by_time ON provider_events (at);

-- One transaction at a provider belongs to one payment.
CREATE TABLE provider_refs (
    provider   TEXT NOT NULL CHECK (provider = 'stripe' OR provider = 'paypal' OR provider = 'bank'),
    reference  TEXT NOT NULL,
    payment_id TEXT NOT NULL,
    PRIMARY KEY (provider, reference)
) STRICT, WITHOUT ROWID;

-- Idempotency keys. One without `expires_at` guards an open operation and binds for as long as it is open.
CREATE TABLE idempotency (
    key         BLOB    NOT NULL PRIMARY KEY CHECK (length(key) = 32),
    fingerprint BLOB    NOT NULL CHECK (length(fingerprint) = 32),
    payment_id  TEXT    NOT NULL,
    operation   INTEGER NOT NULL CHECK (operation >= 1),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_expiry ON idempotency (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE merchants (
    id                  TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 5 AND 40),
    name                TEXT    NOT NULL,
    requests_per_minute INTEGER CHECK (requests_per_minute >= 0),
    created_at          INTEGER NOT NULL
) STRICT;

-- Only the SHA-256 of a key.
CREATE TABLE api_keys (
    digest      BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    merchant_id TEXT    NOT NULL REFERENCES merchants (id),
    created_at  INTEGER NOT NULL,
    revoked_at  INTEGER
) STRICT, WITHOUT ROWID;

-- Only secrets sealed with a key that this file does not hold.
CREATE TABLE webhook_endpoints (
    merchant_id     TEXT    NOT NULL PRIMARY KEY REFERENCES merchants (id),
    url             TEXT    NOT NULL,
    sealed_secret   BLOB    NOT NULL,
    sealed_previous BLOB,
    previous_until  INTEGER,
    updated_at      INTEGER NOT NULL,
    CHECK ((sealed_previous IS NULL) = (previous_until IS NULL))
) STRICT;
