-- What operators do by their command: who, what, to what and why. Written before it is done; what came of it is written once.
CREATE TABLE IF NOT EXISTS operator_acts (
  act_id   STRING(40)   NOT NULL,
  acted_at TIMESTAMP    NOT NULL,
  acted_by STRING(100)  NOT NULL,
  why      STRING(1024),
  command  STRING(64)   NOT NULL,
  subject  STRING(MAX)  NOT NULL,
  outcome  STRING(MAX), -- NULL: it was begun, and whether it was done is not known
  CONSTRAINT operator_acts_word CHECK (acted_by != '' AND why != ''),
) PRIMARY KEY (act_id);

CREATE INDEX IF NOT EXISTS operator_acts_by_time ON operator_acts (acted_at DESC, act_id DESC);

-- Deliveries, as operators look for them.
CREATE INDEX IF NOT EXISTS deliveries_by_time
  ON deliveries (shard, created_at, payment_id, sequence) STORING (merchant_id, status);
