-- Payments, all that belongs to them, and who may make them. GoogleSQL; `tollgate migrate` applies it.
--
-- Ids are random and are kept as the text that people and logs know (`pay_…`): random keys spread over all servers.
-- What a job reads in the order of time has a shard in front, so that no server takes all of the present:
-- `shard` is one of 64, made from the payment's id; `list_shard` one of 16.
-- Money is whole minor units. Nested values that nobody searches are JSON as text: `JSON_VALUE(record, '$.state')`.
-- Digests are SHA-256.
--
-- Nothing is ever replaced (that would delete what is interleaved), and history is never pruned: its key guards every commit.

CREATE TABLE IF NOT EXISTS payments (
  payment_id              STRING(40)  NOT NULL,
  shard                   INT64       NOT NULL,
  list_shard              INT64       NOT NULL AS (MOD(shard, 16)) STORED,
  merchant_id             STRING(40)  NOT NULL,
  version                 INT64       NOT NULL,
  status                  STRING(16)  NOT NULL,
  currency                STRING(3)   NOT NULL,
  amount                  INT64       NOT NULL,
  captured                INT64       NOT NULL,
  refunded                INT64       NOT NULL,
  refund_reserved         INT64       NOT NULL,
  provider                STRING(16)  NOT NULL,
  provider_transaction_id STRING(MAX),
  provider_request_id     STRING(36)  NOT NULL,
  capture_method          STRING(16)  NOT NULL,
  merchant_reference      STRING(MAX),
  reference_hash          BYTES(32),           -- SHA-256 of merchant and reference: a range of its own per reference
  details                 STRING(MAX) NOT NULL, -- JSON: description, metadata, return_url
  failure                 STRING(MAX),          -- JSON
  expires_at              TIMESTAMP,
  captured_at             TIMESTAMP,
  settlement_id           STRING(40),
  reversed_at             TIMESTAMP,
  review                  STRING(32),
  review_since            TIMESTAMP,
  open_operation          STRING(MAX),          -- JSON: all of it, so that a decision reads this row only
  remembered_void         STRING(MAX),          -- JSON: likewise
  operations              INT64       NOT NULL,
  events                  INT64       NOT NULL,
  due_at                  TIMESTAMP,            -- when the job for stuck payments looks at it
  truth_at                TIMESTAMP,            -- when it is compared with the provider's truth
  to_settle_at            TIMESTAMP AS (IF(status = 'CAPTURED', captured_at, NULL)) STORED,
  created_at              TIMESTAMP   NOT NULL,
  updated_at              TIMESTAMP   NOT NULL,
  CONSTRAINT payments_version CHECK (version >= 1),
  CONSTRAINT payments_shard CHECK (shard BETWEEN 0 AND 63),
  CONSTRAINT payments_status CHECK (
    status IN ('PENDING', 'AUTHORIZED', 'CAPTURED', 'SETTLED', 'REFUNDED', 'FAILED', 'VOIDED')),
  CONSTRAINT payments_provider CHECK (provider IN ('stripe', 'paypal', 'bank')),
  CONSTRAINT payments_capture_method CHECK (capture_method IN ('manual', 'automatic')),
  CONSTRAINT payments_currency CHECK (CHAR_LENGTH(currency) = 3),
  CONSTRAINT payments_amount CHECK (amount BETWEEN 0 AND 999999999999),
  CONSTRAINT payments_captured CHECK (captured BETWEEN 0 AND amount),
  CONSTRAINT payments_refunds CHECK (refunded >= 0 AND refund_reserved >= 0 AND refunded + refund_reserved <= captured),
  CONSTRAINT payments_review CHECK ((review IS NULL) = (review_since IS NULL)),
  CONSTRAINT payments_counters CHECK (operations >= 0 AND events >= 0),
  CONSTRAINT payments_reference CHECK ((merchant_reference IS NULL) = (reference_hash IS NULL)),
) PRIMARY KEY (payment_id);

CREATE INDEX IF NOT EXISTS payments_by_merchant
  ON payments (merchant_id, list_shard, created_at DESC, payment_id DESC);
CREATE NULL_FILTERED INDEX IF NOT EXISTS payments_by_reference
  ON payments (reference_hash, created_at DESC, payment_id DESC);
CREATE NULL_FILTERED INDEX IF NOT EXISTS payments_due ON payments (shard, due_at, payment_id) STORING (status);
CREATE NULL_FILTERED INDEX IF NOT EXISTS payments_truth ON payments (shard, truth_at, payment_id);
CREATE NULL_FILTERED INDEX IF NOT EXISTS payments_to_settle ON payments (shard, to_settle_at, payment_id);
CREATE NULL_FILTERED INDEX IF NOT EXISTS payments_in_review ON payments (shard, review_since);

-- One row per version: the guard of every commit, the timeline and the audit trail.
CREATE TABLE IF NOT EXISTS history (
  payment_id     STRING(40)  NOT NULL,
  version        INT64       NOT NULL,
  change_id      STRING(40)  NOT NULL, -- tells a commit whose answer was lost from somebody else's
  occurred_at    TIMESTAMP   NOT NULL,
  what           STRING(64)  NOT NULL,
  operation      INT64       NOT NULL,
  detail         STRING(MAX),
  transitions    STRING(MAX) NOT NULL, -- `PENDING>AUTHORIZED AUTHORIZED>CAPTURED`; the first has nothing before it
  cause          STRING(32)  NOT NULL,
  cause_subject  STRING(MAX),
  correlation_id STRING(MAX) NOT NULL,
  committed_at   TIMESTAMP   NOT NULL OPTIONS (allow_commit_timestamp = true),
  CONSTRAINT history_version CHECK (version >= 1),
) PRIMARY KEY (payment_id, version), INTERLEAVE IN PARENT payments ON DELETE NO ACTION;

CREATE TABLE IF NOT EXISTS operations (
  payment_id STRING(40)  NOT NULL,
  number     INT64       NOT NULL,
  record     STRING(MAX) NOT NULL, -- JSON: all of it; the payer's token is gone once it is closed
  CONSTRAINT operations_number CHECK (number >= 1),
) PRIMARY KEY (payment_id, number), INTERLEAVE IN PARENT payments ON DELETE NO ACTION;

CREATE TABLE IF NOT EXISTS refunds (
  payment_id    STRING(40)  NOT NULL,
  refund_id     STRING(40)  NOT NULL,
  shard         INT64       NOT NULL,
  status        STRING(16)  NOT NULL,
  currency      STRING(3)   NOT NULL,
  amount        INT64       NOT NULL,
  reason        STRING(MAX),
  failure       STRING(MAX), -- JSON
  reference     STRING(MAX), -- the provider's id of it
  to_settle_at  TIMESTAMP,
  settlement_id STRING(40),
  created_at    TIMESTAMP   NOT NULL,
  updated_at    TIMESTAMP   NOT NULL,
  CONSTRAINT refunds_shard CHECK (shard BETWEEN 0 AND 63),
  CONSTRAINT refunds_status CHECK (status IN ('PENDING', 'COMPLETED', 'FAILED')),
  CONSTRAINT refunds_currency CHECK (CHAR_LENGTH(currency) = 3),
  CONSTRAINT refunds_amount CHECK (amount BETWEEN 1 AND 999999999999),
) PRIMARY KEY (payment_id, refund_id), INTERLEAVE IN PARENT payments ON DELETE NO ACTION;

CREATE UNIQUE INDEX IF NOT EXISTS refunds_by_id ON refunds (refund_id);
CREATE NULL_FILTERED INDEX IF NOT EXISTS refunds_to_settle ON refunds (shard, to_settle_at, refund_id);

-- Events to merchants, with the body that is sent. A merchant's feed is in the order of commits.
CREATE TABLE IF NOT EXISTS events (
  payment_id   STRING(40)  NOT NULL,
  sequence     INT64       NOT NULL,
  event_id     STRING(40)  NOT NULL,
  merchant_id  STRING(40)  NOT NULL,
  feed_shard   INT64       NOT NULL,
  kind         STRING(64)  NOT NULL,
  body         STRING(MAX) NOT NULL,
  occurred_at  TIMESTAMP   NOT NULL,
  committed_at TIMESTAMP   NOT NULL OPTIONS (allow_commit_timestamp = true),
  CONSTRAINT events_sequence CHECK (sequence >= 1),
  CONSTRAINT events_shard CHECK (feed_shard BETWEEN 0 AND 15),
) PRIMARY KEY (payment_id, sequence), INTERLEAVE IN PARENT payments ON DELETE NO ACTION;

CREATE UNIQUE INDEX IF NOT EXISTS events_by_id ON events (event_id);
CREATE INDEX IF NOT EXISTS events_by_merchant ON events (merchant_id, feed_shard, committed_at, payment_id, sequence);

-- The ledger: debits above zero, credits below, so that every change sums to zero per currency.
CREATE TABLE IF NOT EXISTS postings (
  payment_id STRING(40)  NOT NULL,
  version    INT64       NOT NULL,
  line       INT64       NOT NULL,
  account    STRING(MAX) NOT NULL,
  minor      INT64       NOT NULL,
  currency   STRING(3)   NOT NULL,
  CONSTRAINT postings_key CHECK (version >= 1 AND line >= 1),
  CONSTRAINT postings_minor CHECK (minor != 0),
  CONSTRAINT postings_currency CHECK (CHAR_LENGTH(currency) = 3),
) PRIMARY KEY (payment_id, version, line), INTERLEAVE IN PARENT payments ON DELETE NO ACTION;

-- Calls to providers, for the audit trail: allow-listed fields only.
CREATE TABLE IF NOT EXISTS provider_calls (
  payment_id     STRING(40)  NOT NULL,
  call_id        STRING(40)  NOT NULL,
  place          INT64       NOT NULL, -- among the calls of its commit
  operation      INT64       NOT NULL,
  version        INT64       NOT NULL,
  provider       STRING(16)  NOT NULL,
  call           STRING(32)  NOT NULL,
  outcome        STRING(32)  NOT NULL,
  http_status    INT64,
  reference      STRING(MAX),
  provider_code  STRING(MAX),
  duration       INT64       NOT NULL, -- microseconds
  occurred_at    TIMESTAMP   NOT NULL,
  correlation_id STRING(MAX) NOT NULL,
  committed_at   TIMESTAMP   NOT NULL OPTIONS (allow_commit_timestamp = true),
  CONSTRAINT provider_calls_provider CHECK (provider IN ('stripe', 'paypal', 'bank')),
  CONSTRAINT provider_calls_http_status CHECK (http_status BETWEEN 0 AND 65535),
  CONSTRAINT provider_calls_duration CHECK (duration >= 0),
) PRIMARY KEY (payment_id, call_id), INTERLEAVE IN PARENT payments ON DELETE NO ACTION;

-- One delivery per event: the outbox. The body stands with the event.
CREATE TABLE IF NOT EXISTS deliveries (
  payment_id          STRING(40) NOT NULL,
  sequence            INT64      NOT NULL,
  shard               INT64      NOT NULL,
  merchant_id         STRING(40) NOT NULL,
  event_id            STRING(40) NOT NULL,
  kind                STRING(64) NOT NULL,
  status              STRING(16) NOT NULL,
  attempts            INT64      NOT NULL,
  tries               INT64      NOT NULL,
  next_attempt_at     TIMESTAMP,
  waits_for_endpoint  BOOL       NOT NULL,
  waiting_merchant_id STRING(40) AS (IF(waits_for_endpoint, merchant_id, NULL)) STORED,
  created_at          TIMESTAMP  NOT NULL,
  CONSTRAINT deliveries_sequence CHECK (sequence >= 1),
  CONSTRAINT deliveries_shard CHECK (shard BETWEEN 0 AND 63),
  CONSTRAINT deliveries_status CHECK (status IN ('PENDING', 'DELIVERED', 'RETRYING', 'DEAD_LETTERED')),
  CONSTRAINT deliveries_counters CHECK (attempts >= 0 AND tries >= 0),
  CONSTRAINT deliveries_next_attempt CHECK (
    next_attempt_at IS NULL OR (status IN ('PENDING', 'RETRYING') AND NOT waits_for_endpoint)),
) PRIMARY KEY (payment_id, sequence), INTERLEAVE IN PARENT payments ON DELETE NO ACTION;

CREATE NULL_FILTERED INDEX IF NOT EXISTS deliveries_due ON deliveries (shard, next_attempt_at);
CREATE NULL_FILTERED INDEX IF NOT EXISTS deliveries_waiting ON deliveries (waiting_merchant_id);

-- Every try.
CREATE TABLE IF NOT EXISTS delivery_attempts (
  payment_id  STRING(40)  NOT NULL,
  sequence    INT64       NOT NULL,
  number      INT64       NOT NULL,
  occurred_at TIMESTAMP   NOT NULL,
  http_status INT64,
  error       STRING(MAX),
  duration    INT64       NOT NULL, -- microseconds
  CONSTRAINT delivery_attempts_number CHECK (number >= 1),
  CONSTRAINT delivery_attempts_http_status CHECK (http_status BETWEEN 100 AND 999),
  CONSTRAINT delivery_attempts_duration CHECK (duration >= 0),
) PRIMARY KEY (payment_id, sequence, number), INTERLEAVE IN PARENT deliveries ON DELETE NO ACTION;

-- Idempotency keys. One without `expires_at` guards an open operation and binds for as long as it is open.
CREATE TABLE IF NOT EXISTS idempotency (
  key_hash    BYTES(32)  NOT NULL,
  fingerprint BYTES(32)  NOT NULL,
  payment_id  STRING(40) NOT NULL,
  operation   INT64      NOT NULL,
  created_at  TIMESTAMP  NOT NULL,
  expires_at  TIMESTAMP,
  CONSTRAINT idempotency_operation CHECK (operation >= 1),
) PRIMARY KEY (key_hash), ROW DELETION POLICY (OLDER_THAN(expires_at, INTERVAL 0 DAY));

-- Providers' events that were taken. The key is the digest of provider and event id: those ids begin with the time.
CREATE TABLE IF NOT EXISTS provider_events (
  event_hash     BYTES(32)   NOT NULL,
  provider       STRING(16)  NOT NULL,
  event_id       STRING(MAX) NOT NULL,
  change_id      STRING(40)  NOT NULL,
  event_type     STRING(MAX) NOT NULL,
  payment_id     STRING(40)  NOT NULL,
  version        INT64       NOT NULL,
  effect         BOOL        NOT NULL,
  occurred_at    TIMESTAMP   NOT NULL,
  correlation_id STRING(MAX) NOT NULL,
  committed_at   TIMESTAMP   NOT NULL OPTIONS (allow_commit_timestamp = true),
  CONSTRAINT provider_events_provider CHECK (provider IN ('stripe', 'paypal', 'bank')),
) PRIMARY KEY (event_hash), ROW DELETION POLICY (OLDER_THAN(occurred_at, INTERVAL 30 DAY));

CREATE INDEX IF NOT EXISTS provider_events_by_payment ON provider_events (payment_id);

-- One transaction at a provider belongs to one payment.
CREATE TABLE IF NOT EXISTS provider_refs (
  reference_hash BYTES(32)   NOT NULL,
  provider       STRING(16)  NOT NULL,
  reference      STRING(MAX) NOT NULL,
  payment_id     STRING(40)  NOT NULL,
  CONSTRAINT provider_refs_provider CHECK (provider IN ('stripe', 'paypal', 'bank')),
) PRIMARY KEY (reference_hash);

CREATE TABLE IF NOT EXISTS merchants (
  merchant_id         STRING(40)  NOT NULL,
  name                STRING(MAX) NOT NULL,
  requests_per_minute INT64,
  fee_basis_points    INT64       NOT NULL,
  created_at          TIMESTAMP   NOT NULL,
  CONSTRAINT merchants_requests CHECK (requests_per_minute >= 0),
  CONSTRAINT merchants_fee CHECK (fee_basis_points BETWEEN 0 AND 10000),
) PRIMARY KEY (merchant_id);

-- Only the SHA-256 of a key.
CREATE TABLE IF NOT EXISTS api_keys (
  digest      BYTES(32)  NOT NULL,
  merchant_id STRING(40) NOT NULL,
  created_at  TIMESTAMP  NOT NULL,
  revoked_at  TIMESTAMP,
  CONSTRAINT api_keys_merchant FOREIGN KEY (merchant_id) REFERENCES merchants (merchant_id),
) PRIMARY KEY (digest);

CREATE INDEX IF NOT EXISTS api_keys_by_merchant ON api_keys (merchant_id);

-- Only secrets sealed with a key that the database does not hold.
CREATE TABLE IF NOT EXISTS webhook_endpoints (
  merchant_id     STRING(40)        NOT NULL,
  url             STRING(MAX)       NOT NULL,
  sealed_secret   BYTES(MAX)        NOT NULL,
  sealed_previous ARRAY<BYTES(MAX)> NOT NULL, -- those before it, newest first
  previous_until  ARRAY<TIMESTAMP>  NOT NULL, -- until when each of them signs along
  paused_at       TIMESTAMP,                  -- it answered 410: deliveries wait until it is set again
  revision        INT64             NOT NULL,
  updated_at      TIMESTAMP         NOT NULL,
  CONSTRAINT webhook_endpoints_revision CHECK (revision >= 1),
  CONSTRAINT webhook_endpoints_previous CHECK (ARRAY_LENGTH(sealed_previous) = ARRAY_LENGTH(previous_until)),
  CONSTRAINT webhook_endpoints_merchant FOREIGN KEY (merchant_id) REFERENCES merchants (merchant_id),
) PRIMARY KEY (merchant_id);
