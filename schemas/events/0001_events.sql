-- Providers' events that came while the store was away: they wait here until they are applied. A file of its own beside the
-- store's, so that it takes them when that does not.

CREATE TABLE events (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- the order of arrival; never used again, or a late deletion would remove another
    provider    TEXT    NOT NULL,
    event_id    TEXT    NOT NULL,
    data        TEXT    NOT NULL, -- one line of JSON with its checksum; no body of the provider's
    traceparent TEXT,             -- the trace that it came in, as the W3C writes it
    UNIQUE (provider, event_id)   -- one that comes again is kept once, in the words in which it came last
) STRICT;

-- One row, so that nobody has to count.
CREATE TABLE totals (
    only   INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    events INTEGER NOT NULL,
    bytes  INTEGER NOT NULL
) STRICT;

INSERT INTO totals VALUES (1, 0, 0);

CREATE TRIGGER events_came AFTER INSERT ON events BEGIN
    UPDATE totals SET events = events + 1, bytes = bytes + octet_length(new.data);
END;

CREATE TRIGGER events_changed AFTER UPDATE OF data ON events BEGIN
    UPDATE totals SET bytes = bytes + octet_length(new.data) - octet_length(old.data);
END;

CREATE TRIGGER events_went AFTER DELETE ON events BEGIN
    UPDATE totals SET events = events - 1, bytes = bytes - octet_length(old.data);
END;
