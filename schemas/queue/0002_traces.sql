-- The trace that a message's publisher was in (the W3C's `traceparent`): its delivery goes on in it. Not checked here, for
-- an insertion that is ignored would be a message lost.

ALTER TABLE messages ADD COLUMN traceparent TEXT;
