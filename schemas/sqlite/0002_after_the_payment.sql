-- What happens after a payment: deliveries to merchants, refunds and captures that wait for a settlement, and when a
-- job has to look at a payment next. The indexes hold what is due and nothing else, so that no job ever scans.

ALTER TABLE merchants ADD COLUMN fee_basis_points INTEGER NOT NULL DEFAULT 0 CHECK (fee_basis_points BETWEEN 0 AND 10000);

ALTER TABLE webhook_endpoints ADD COLUMN revision INTEGER NOT NULL DEFAULT 1 CHECK (revision >= 1);
ALTER TABLE webhook_endpoints ADD COLUMN paused_at INTEGER; -- it answered 410: deliveries wait until it is set again

ALTER TABLE payments ADD COLUMN captured_at INTEGER;
ALTER TABLE payments ADD COLUMN settlement_id TEXT;
ALTER TABLE payments ADD COLUMN reversed_at INTEGER;
ALTER TABLE payments ADD COLUMN review TEXT CHECK (review IN ('unresolved', 'provider_differs'));
ALTER TABLE payments ADD COLUMN review_since INTEGER CHECK ((review IS NULL) = (review_since IS NULL));
ALTER TABLE payments ADD COLUMN due_at INTEGER;   -- when the job for stuck payments looks at it
ALTER TABLE payments ADD COLUMN truth_at INTEGER; -- when it is compared with the provider's truth

-- What was there before is looked at once by each job; that sets the rest right.
UPDATE payments SET truth_at = updated_at,
    due_at = CASE WHEN open_operation IS NOT NULL OR status = 'AUTHORIZED' THEN updated_at END,
    captured_at = CASE WHEN status = 'CAPTURED' THEN updated_at END;

CREATE INDEX payments_due ON payments (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX payments_truth ON payments (truth_at, id) WHERE truth_at IS NOT NULL;
CREATE INDEX payments_to_settle ON payments (captured_at, id) WHERE status = 'CAPTURED';
CREATE INDEX payments_in_review ON payments (review_since) WHERE review_since IS NOT NULL;

ALTER TABLE refunds ADD COLUMN to_settle_at INTEGER;
ALTER TABLE refunds ADD COLUMN settlement_id TEXT;
CREATE INDEX refunds_to_settle ON refunds (to_settle_at, id) WHERE to_settle_at IS NOT NULL;

-- A merchant's events in the order of their commits: the rowid, which ends every index.
CREATE INDEX events_by_merchant ON events (merchant_id);

-- One delivery per event: the outbox. What it says and whom it tells stands with the event.
CREATE TABLE deliveries (
    payment_id         TEXT    NOT NULL,
    sequence           INTEGER NOT NULL CHECK (sequence >= 1),
    merchant_id        TEXT    NOT NULL,
    status             TEXT    NOT NULL CHECK (
        status = 'PENDING' OR status = 'DELIVERED' OR status = 'RETRYING' OR status = 'DEAD_LETTERED'),
    attempts           INTEGER NOT NULL CHECK (attempts >= 0),
    tries              INTEGER NOT NULL CHECK (tries >= 0),
    next_attempt_at    INTEGER,
    waits_for_endpoint INTEGER NOT NULL CHECK (waits_for_endpoint IN (0, 1)),
    PRIMARY KEY (payment_id, sequence),
    CHECK (next_attempt_at IS NULL OR (status IN ('PENDING', 'RETRYING') AND waits_for_endpoint = 0))
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_due ON deliveries (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX deliveries_waiting ON deliveries (merchant_id) WHERE waits_for_endpoint = 1;

INSERT INTO deliveries SELECT payment_id, sequence, merchant_id, 'PENDING', 0, 0, at, 0 FROM events;

-- Every try: the number is the guard of its commit (rule 18).
CREATE TABLE delivery_attempts (
    payment_id  TEXT    NOT NULL,
    sequence    INTEGER NOT NULL,
    number      INTEGER NOT NULL CHECK (number >= 1),
    at          INTEGER NOT NULL,
    http_status INTEGER CHECK (http_status BETWEEN 100 AND 999),
    error       TEXT,
    duration    INTEGER NOT NULL CHECK (duration >= 0), -- microseconds
    PRIMARY KEY (payment_id, sequence, number)
) STRICT, WITHOUT ROWID;
