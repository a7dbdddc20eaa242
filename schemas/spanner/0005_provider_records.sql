-- Providers' own records of what moved, held against our books: which were seen, what does not agree, and what was done about it.

-- The first record that showed a movement of ours (`pay_…` was captured, `ref_…` was given back, `ret_…` came
-- back). Insert-only: its key is the guard against counting one movement twice. Subjects are random.
CREATE TABLE IF NOT EXISTS provider_records (
  provider    STRING(16)  NOT NULL,
  subject     STRING(40)  NOT NULL,
  record_id   STRING(MAX) NOT NULL,
  amount      INT64,
  currency    STRING(3),
  occurred_at TIMESTAMP   NOT NULL, -- as the provider says
  CONSTRAINT provider_records_provider CHECK (provider IN ('stripe', 'paypal', 'bank')),
) PRIMARY KEY (provider, subject);

-- One row per provider, record and kind, which the id is made of.
CREATE TABLE IF NOT EXISTS reconciliation_exceptions (
  exception_id   STRING(40)  NOT NULL,
  provider       STRING(16)  NOT NULL,
  kind           STRING(32)  NOT NULL,
  record_id      STRING(MAX) NOT NULL,
  movement       STRING(16)  NOT NULL,
  payment_id     STRING(40),
  refund_id      STRING(40),
  transaction_id STRING(MAX),
  amount         INT64, -- theirs
  currency       STRING(3),
  state          STRING(16)  NOT NULL,
  occurred_at    TIMESTAMP   NOT NULL,
  our_amount     INT64,
  our_currency   STRING(3),
  our_state      STRING(MAX) NOT NULL,
  first_seen     TIMESTAMP   NOT NULL,
  last_seen      TIMESTAMP   NOT NULL,
  owner          STRING(MAX),
  resolution     STRING(16),
  resolved_at    TIMESTAMP,
  resolved_by    STRING(MAX),
  resolved_why   STRING(MAX),
  open_since     TIMESTAMP AS (IF(resolved_at IS NULL, first_seen, NULL)) STORED,
  revision       INT64       NOT NULL,
  CONSTRAINT reconciliation_exceptions_provider CHECK (provider IN ('stripe', 'paypal', 'bank')),
  CONSTRAINT reconciliation_exceptions_revision CHECK (revision >= 1),
  CONSTRAINT reconciliation_exceptions_resolved CHECK ((resolution IS NULL) = (resolved_at IS NULL)),
) PRIMARY KEY (exception_id);

CREATE INDEX IF NOT EXISTS reconciliation_exceptions_by_time ON reconciliation_exceptions (first_seen, exception_id);
CREATE NULL_FILTERED INDEX IF NOT EXISTS reconciliation_exceptions_open
  ON reconciliation_exceptions (open_since, exception_id) STORING (kind);

-- Who did what to one, when and why. Insert-only.
CREATE TABLE IF NOT EXISTS reconciliation_exception_changes (
  exception_id STRING(40)  NOT NULL,
  revision     INT64       NOT NULL,
  what         STRING(16)  NOT NULL,
  changed_at   TIMESTAMP   NOT NULL,
  changed_by   STRING(MAX) NOT NULL,
  why          STRING(MAX) NOT NULL,
  CONSTRAINT reconciliation_exception_changes_revision CHECK (revision >= 1),
) PRIMARY KEY (exception_id, revision DESC);

-- What we say moved in a period: the other direction of the comparison.
CREATE NULL_FILTERED INDEX IF NOT EXISTS payments_by_capture ON payments (shard, provider, captured_at, payment_id);
CREATE INDEX IF NOT EXISTS refunds_by_time ON refunds (shard, created_at, refund_id);
