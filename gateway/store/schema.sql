-- The truth. One schema; the PostgreSQL dialect differs only in types and upserts.
-- No column holds plaintext personal data: bodies are sealed under per-person data keys,
-- identifiers and sender-chosen ids are keyed digests (HMAC-SHA256).
-- Times are integer milliseconds since 1970 UTC.

CREATE TABLE setting (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agency (
  name TEXT PRIMARY KEY,
  urn  TEXT NOT NULL UNIQUE,
  body TEXT NOT NULL            -- JSON of gateway.model.party.Agency
) STRICT, WITHOUT ROWID;

CREATE TABLE recipient (
  id   TEXT PRIMARY KEY,
  body TEXT NOT NULL            -- JSON of gateway.model.party.Recipient
) STRICT, WITHOUT ROWID;

-- One accepted request. The same (agency, message id) with the same bytes gets the same answer.
CREATE TABLE receipt (
  agency      TEXT NOT NULL,
  message_mac BLOB NOT NULL,
  body_mac    BLOB NOT NULL,
  answer      TEXT NOT NULL,
  signature   TEXT NOT NULL,    -- evidence: id, timestamp and signature as sent
  received_at INTEGER NOT NULL,
  PRIMARY KEY (agency, message_mac)
) STRICT, WITHOUT ROWID;

CREATE TABLE person (
  ref         TEXT PRIMARY KEY,
  wrapped_key BLOB NOT NULL,    -- the person's data key under the key-encryption key
  facts       BLOB,             -- sealed: latest statement per field group
  version     INTEGER NOT NULL  -- rises with every change of facts; decisions are made against one
) STRICT, WITHOUT ROWID;

CREATE TABLE person_identifier (
  mac    BLOB PRIMARY KEY,
  kind   TEXT NOT NULL,
  person TEXT NOT NULL REFERENCES person (ref)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  ref         TEXT PRIMARY KEY,
  agency      TEXT NOT NULL,
  source_mac  BLOB NOT NULL UNIQUE,  -- of (source, id): the CloudEvents identity
  content_mac BLOB NOT NULL,
  person      TEXT NOT NULL REFERENCES person (ref),
  kind        TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('accepted', 'decided', 'quarantined')),
  failures    INTEGER NOT NULL DEFAULT 0,
  slot        INTEGER NOT NULL,      -- the worker that owns it
  received_at INTEGER NOT NULL,
  sealed      BLOB NOT NULL,         -- the canonical event
  raw         BLOB                   -- sealed: the signed bytes, where they differ
) STRICT, WITHOUT ROWID;
CREATE INDEX event_undecided ON event (received_at) WHERE state = 'accepted';

CREATE TABLE outbox (
  alert          TEXT NOT NULL,
  endpoint       TEXT NOT NULL,
  event          TEXT NOT NULL REFERENCES event (ref),
  person         TEXT NOT NULL,
  recipient      TEXT NOT NULL,
  channel        TEXT NOT NULL,
  form           TEXT NOT NULL,
  sealed         BLOB NOT NULL,      -- ciphertext, or content-free text
  held           BLOB,               -- for a notice or pointer: the view, sealed at rest
  leaf_index     INTEGER NOT NULL,   -- of the disclosure's entry
  proof          TEXT NOT NULL,      -- tlog-proof against the commit's own checkpoint
  urgent         INTEGER NOT NULL,
  state          TEXT NOT NULL
    CHECK (state IN ('pending', 'accepted', 'rejected', 'dead', 'withheld')),
  attempts       INTEGER NOT NULL DEFAULT 0,
  next_at        INTEGER NOT NULL,
  unknown        INTEGER NOT NULL DEFAULT 0,
  reason         TEXT NOT NULL DEFAULT '',
  decided_at     INTEGER NOT NULL,
  acknowledge_by INTEGER,
  slot           INTEGER NOT NULL,
  PRIMARY KEY (alert, endpoint)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 'pending';
CREATE INDEX outbox_owed ON outbox (endpoint, person, decided_at) WHERE state = 'pending';
CREATE INDEX outbox_event ON outbox (event);

-- The disclosure log.
CREATE TABLE log_entry (
  idx  INTEGER PRIMARY KEY,
  leaf BLOB NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE TABLE log_tile (
  level  INTEGER NOT NULL,
  idx    INTEGER NOT NULL,
  hashes BLOB NOT NULL,
  PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE log_checkpoint (
  size INTEGER PRIMARY KEY,
  note TEXT NOT NULL
) STRICT;
-- One row, locked with every write: the only head there is.
CREATE TABLE log_head (
  id   INTEGER PRIMARY KEY CHECK (id = 1),
  size INTEGER NOT NULL,
  root BLOB NOT NULL
) STRICT;
