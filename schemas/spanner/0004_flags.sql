-- What operators switch at run time: which providers take new payments, and how these are shared out. Every change is kept.

CREATE TABLE IF NOT EXISTS flags (
  name       STRING(128)  NOT NULL,
  value      STRING(256)  NOT NULL,
  revision   INT64        NOT NULL,
  changed_at TIMESTAMP    NOT NULL,
  changed_by STRING(100)  NOT NULL,
  why        STRING(1024) NOT NULL,
  CONSTRAINT flags_revision CHECK (revision >= 1),
  CONSTRAINT flags_word CHECK (changed_by != '' AND why != ''),
) PRIMARY KEY (name);

CREATE TABLE IF NOT EXISTS flag_changes (
  name       STRING(128)  NOT NULL,
  revision   INT64        NOT NULL,
  value      STRING(256)  NOT NULL,
  changed_at TIMESTAMP    NOT NULL,
  changed_by STRING(100)  NOT NULL,
  why        STRING(1024) NOT NULL,
) PRIMARY KEY (name, revision DESC), INTERLEAVE IN PARENT flags ON DELETE NO ACTION;
