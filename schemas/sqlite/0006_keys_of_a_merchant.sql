-- A merchant's keys, oldest first, for the operator who lists and revokes them.

CREATE INDEX api_keys_of_merchant ON api_keys (merchant_id, created_at);
