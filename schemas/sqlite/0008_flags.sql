-- What operators switch at run time: which providers take new payments, and how these are shared out. Every change is kept.

CREATE TABLE flags (
    name       TEXT    NOT NULL PRIMARY KEY,
    value      TEXT    NOT NULL,
    revision   INTEGER NOT NULL CHECK (revision >= 1),
    changed_at INTEGER NOT NULL,
    changed_by TEXT    NOT NULL CHECK (changed_by <> ''),
    why        TEXT    NOT NULL CHECK (why <> '')
) STRICT, WITHOUT ROWID;

CREATE TABLE flag_changes (
    name       TEXT    NOT NULL,
    revision   INTEGER NOT NULL CHECK (revision >= 1),
    value      TEXT    NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT    NOT NULL,
    why        TEXT    NOT NULL,
    PRIMARY KEY (name, revision)
) STRICT, WITHOUT ROWID;
