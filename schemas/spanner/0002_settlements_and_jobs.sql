-- Settlements: one per date in Tokyo, made in chunks. A chunk is one commit: the payments' new versions, its lines, its
-- totals, and the row that says how far the settlement then is. Then how far jobs came, and what the one that checks the
-- books found.
--
-- Lines and totals are only ever inserted. There is no running total anywhere: every chunk has its own per merchant, so
-- that no row is written twice and what a merchant gets is a short sum.

CREATE TABLE IF NOT EXISTS settlements (
  settlement_id    STRING(40)  NOT NULL,
  date             DATE        NOT NULL,
  cutoff           TIMESTAMP   NOT NULL, -- 02:00 in Tokyo on that date
  previous_id      STRING(40),
  status           STRING(16)  NOT NULL,
  started_at       TIMESTAMP   NOT NULL,
  ended_at         TIMESTAMP,
  resumed          INT64       NOT NULL,
  payments         INT64       NOT NULL,
  refunds          INT64       NOT NULL,
  refunds_returned INT64       NOT NULL,
  carried_over     INT64       NOT NULL,
  set_aside        INT64       NOT NULL,
  dropped          INT64       NOT NULL,
  totals           STRING(MAX) NOT NULL, -- JSON, per currency; empty until it has ended
  failure          STRING(MAX),
  revision         INT64       NOT NULL,
  CONSTRAINT settlements_status CHECK (status IN ('RUNNING', 'COMPLETED', 'FAILED')),
  CONSTRAINT settlements_ended CHECK ((ended_at IS NULL) = (status = 'RUNNING')),
  CONSTRAINT settlements_failure CHECK ((failure IS NULL) = (status != 'FAILED')),
  CONSTRAINT settlements_counts CHECK (resumed >= 0 AND payments >= 0 AND refunds >= 0 AND refunds_returned >= 0
    AND carried_over >= 0 AND set_aside >= 0 AND dropped >= 0),
  CONSTRAINT settlements_revision CHECK (revision >= 1),
) PRIMARY KEY (settlement_id);

CREATE UNIQUE INDEX IF NOT EXISTS settlements_by_date ON settlements (date DESC);
-- One follows on each.
CREATE UNIQUE NULL_FILTERED INDEX IF NOT EXISTS settlements_by_previous ON settlements (previous_id);
CREATE INDEX IF NOT EXISTS settlements_by_status ON settlements (status, date);

-- The checkpoints, the last one first. The key is the guard: of two runs at once, one commits a chunk of this number.
CREATE TABLE IF NOT EXISTS settlement_chunks (
  settlement_id    STRING(40) NOT NULL,
  number           INT64      NOT NULL,
  change_id        STRING(40) NOT NULL, -- tells a commit whose answer was lost from another run's
  part             STRING(16) NOT NULL,
  after_key        STRING(40),          -- the merchant, payment or refund that it got to; NULL: the part begins
  after_at         TIMESTAMP,           -- since when that one waited
  after_currency   STRING(3),
  payments         INT64      NOT NULL,
  refunds          INT64      NOT NULL,
  refunds_returned INT64      NOT NULL,
  carried_over     INT64      NOT NULL,
  set_aside        INT64      NOT NULL,
  dropped          INT64      NOT NULL,
  occurred_at      TIMESTAMP  NOT NULL,
  CONSTRAINT settlement_chunks_number CHECK (number >= 1),
  CONSTRAINT settlement_chunks_part CHECK (part IN ('carried_over', 'payments', 'refunds', 'closed')),
  CONSTRAINT settlement_chunks_counts CHECK (payments >= 0 AND refunds >= 0 AND refunds_returned >= 0
    AND carried_over >= 0 AND set_aside >= 0 AND dropped >= 0),
) PRIMARY KEY (settlement_id, number DESC), INTERLEAVE IN PARENT settlements ON DELETE NO ACTION;

-- By merchant first: what a merchant gets is one short range.
CREATE TABLE IF NOT EXISTS settlement_totals (
  settlement_id    STRING(40) NOT NULL,
  merchant_id      STRING(40) NOT NULL,
  currency         STRING(3)  NOT NULL,
  chunk            INT64      NOT NULL,
  payments         INT64      NOT NULL,
  gross            INT64      NOT NULL,
  fees             INT64      NOT NULL,
  refunds          INT64      NOT NULL,
  refunds_returned INT64      NOT NULL,
  carried_over     INT64      NOT NULL,
  net              INT64      NOT NULL,
  CONSTRAINT settlement_totals_chunk CHECK (chunk >= 1),
  CONSTRAINT settlement_totals_amounts CHECK (payments >= 0 AND gross >= 0 AND fees >= 0 AND refunds >= 0
    AND refunds_returned >= 0 AND carried_over <= 0),
) PRIMARY KEY (settlement_id, merchant_id, currency, chunk), INTERLEAVE IN PARENT settlements ON DELETE NO ACTION;

CREATE INDEX IF NOT EXISTS settlement_totals_by_chunk ON settlement_totals (settlement_id, chunk);

CREATE TABLE IF NOT EXISTS settlement_lines (
  settlement_id STRING(40) NOT NULL,
  merchant_id   STRING(40) NOT NULL,
  chunk         INT64      NOT NULL,
  number        INT64      NOT NULL,
  kind          STRING(16) NOT NULL,
  payment_id    STRING(40),
  version       INT64,
  refund_id     STRING(40),
  currency      STRING(3)  NOT NULL,
  gross         INT64      NOT NULL,
  fee           INT64      NOT NULL,
  net           INT64      NOT NULL,
  occurred_at   TIMESTAMP  NOT NULL,
  CONSTRAINT settlement_lines_key CHECK (chunk >= 1 AND number >= 1),
  CONSTRAINT settlement_lines_kind CHECK (kind IN ('payment', 'refund', 'refund_returned', 'carried_over')),
  CONSTRAINT settlement_lines_payment CHECK ((payment_id IS NULL) = (kind = 'carried_over')),
  CONSTRAINT settlement_lines_version CHECK ((version IS NULL) = (payment_id IS NULL)),
  CONSTRAINT settlement_lines_refund CHECK ((refund_id IS NULL) = (kind IN ('payment', 'carried_over'))),
  CONSTRAINT settlement_lines_net CHECK (fee >= 0 AND net = gross - fee),
) PRIMARY KEY (settlement_id, merchant_id, chunk, number), INTERLEAVE IN PARENT settlements ON DELETE NO ACTION;

-- What could not be settled, and why.
CREATE TABLE IF NOT EXISTS settlement_set_aside (
  settlement_id STRING(40) NOT NULL,
  payment_id    STRING(40) NOT NULL,
  merchant_id   STRING(40) NOT NULL,
  reason        STRING(64) NOT NULL,
  chunk         INT64      NOT NULL,
  occurred_at   TIMESTAMP  NOT NULL,
  CONSTRAINT settlement_set_aside_chunk CHECK (chunk >= 1),
) PRIMARY KEY (settlement_id, payment_id), INTERLEAVE IN PARENT settlements ON DELETE NO ACTION;

CREATE TABLE IF NOT EXISTS jobs (
  name            STRING(64)  NOT NULL,
  cursor          STRING(MAX), -- where the next run goes on; NULL: at the beginning
  last_success_at TIMESTAMP,
) PRIMARY KEY (name);

-- Invariants that do not hold. A row stays until its payment is looked at again and found in order.
CREATE TABLE IF NOT EXISTS invariant_violations (
  payment_id STRING(40) NOT NULL,
  invariant  STRING(32) NOT NULL,
) PRIMARY KEY (payment_id, invariant);

CREATE INDEX IF NOT EXISTS invariant_violations_by_invariant ON invariant_violations (invariant);
