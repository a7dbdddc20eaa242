-- Every webhook secret that was replaced, for its own day: a merchant who rotates twice in a day may have deployed only
-- the first of them. The columns that held one only stay empty: their table's CHECK keeps them from being dropped.

CREATE TABLE webhook_secrets_before (
    merchant_id TEXT    NOT NULL REFERENCES webhook_endpoints (merchant_id),
    number      INTEGER NOT NULL CHECK (number >= 1), -- 1: the one just before the present one
    sealed      BLOB    NOT NULL,
    signs_until INTEGER NOT NULL,
    PRIMARY KEY (merchant_id, number)
) STRICT, WITHOUT ROWID;

INSERT INTO webhook_secrets_before
    SELECT merchant_id, 1, sealed_previous, previous_until FROM webhook_endpoints WHERE sealed_previous IS NOT NULL;
UPDATE webhook_endpoints SET sealed_previous = NULL, previous_until = NULL;
