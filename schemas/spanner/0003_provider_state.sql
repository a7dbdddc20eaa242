-- What a provider's adapter keeps with a payment, in its own words: the authorization below an order, say.

ALTER TABLE payments ADD COLUMN IF NOT EXISTS provider_state STRING(MAX);
