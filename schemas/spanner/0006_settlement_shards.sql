-- A settlement may be split into shards, each with chunks of its own: shard S has those numbered from (S + 1) * 16777216 + 1 on. Whoever
-- settled a shard compares its chunks with the books, and keeps here what they come to, so that nobody has to read all of them at the end.

ALTER TABLE settlements ADD COLUMN IF NOT EXISTS shards INT64 NOT NULL DEFAULT (0);

CREATE TABLE IF NOT EXISTS settlement_shards (
  settlement_id    STRING(40)  NOT NULL,
  shard            INT64       NOT NULL,
  verified         INT64       NOT NULL, -- the last chunk that was compared
  payments         INT64       NOT NULL,
  refunds          INT64       NOT NULL,
  refunds_returned INT64       NOT NULL,
  carried_over     INT64       NOT NULL,
  set_aside        INT64       NOT NULL,
  dropped          INT64       NOT NULL,
  totals           STRING(MAX) NOT NULL, -- JSON, per currency
  wrong            STRING(MAX),          -- the first disagreement that was found
  CONSTRAINT settlement_shards_counts CHECK (shard >= 0 AND verified >= 0 AND payments >= 0 AND refunds >= 0
    AND refunds_returned >= 0 AND carried_over >= 0 AND set_aside >= 0 AND dropped >= 0),
) PRIMARY KEY (settlement_id, shard), INTERLEAVE IN PARENT settlements ON DELETE NO ACTION;
