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

-- Secrets of the instance's own (what digests and link tokens hang on), wrapped like a data key.
CREATE TABLE own_secret (
  name    TEXT PRIMARY KEY,
  wrapped BLOB NOT NULL
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
  version     INTEGER NOT NULL, -- rises with every change of facts; decisions are made against one
  born        BLOB,             -- digest of the known date of birth: another one stated is a doubt
  merged_into TEXT REFERENCES person (ref),  -- the record this one was merged into, never a chain
  exercise    INTEGER NOT NULL DEFAULT 0  -- nobody real: known from exercises alone
) STRICT, WITHOUT ROWID;
CREATE INDEX person_merged ON person (merged_into) WHERE merged_into IS NOT NULL;

-- A merge leaves these rows as they are, so that it can be undone.
CREATE TABLE person_identifier (
  mac    BLOB PRIMARY KEY,
  kind   TEXT NOT NULL,
  person TEXT NOT NULL REFERENCES person (ref)
) STRICT, WITHOUT ROWID;
CREATE INDEX person_identifier_person ON person_identifier (person, kind);

-- Names with dates of birth, digested: they suggest to a human that two records are one person,
-- and never join them.
CREATE TABLE person_likeness (
  mac    BLOB NOT NULL,
  person TEXT NOT NULL REFERENCES person (ref),
  PRIMARY KEY (mac, person)
) STRICT, WITHOUT ROWID;

-- Every merge and what undid it.
CREATE TABLE person_merge (
  id         TEXT PRIMARY KEY,
  survivor   TEXT NOT NULL REFERENCES person (ref),
  absorbed   TEXT NOT NULL REFERENCES person (ref),
  event      TEXT,                -- that brought it; NULL: a person at the gateway did
  merged_at  INTEGER NOT NULL,
  undone_at  INTEGER,
  undone_by  TEXT                 -- event that undid it
) STRICT, WITHOUT ROWID;
CREATE INDEX person_merge_survivor ON person_merge (survivor);
CREATE INDEX person_merge_absorbed ON person_merge (absorbed);

-- What only a human may decide: whether two records are one person, or whether someone is told.
CREATE TABLE task (
  id         TEXT PRIMARY KEY,
  kind       TEXT NOT NULL,       -- "disclosure", or what is doubtful about an identity
  person     TEXT NOT NULL REFERENCES person (ref),
  event      TEXT,
  recipient  TEXT,                -- whom a decision of disclosure is about
  rule       TEXT,                -- the rule that proposes it
  body       TEXT NOT NULL,       -- JSON: names of members, references; never a value
  opened_at  INTEGER NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('open', 'approved', 'declined', 'lapsed')),
  decided_at INTEGER,
  decided_by TEXT,
  reason     BLOB,                -- sealed under the person's key
  carried_out INTEGER NOT NULL DEFAULT 0,  -- an approved disclosure was made
  UNIQUE (kind, person, event, recipient, rule)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_open ON task (opened_at) WHERE state = 'open';
CREATE INDEX task_person ON task (person);

-- Why somebody read a person's record, in their words; the log names them by `mac`.
CREATE TABLE justification (
  person TEXT NOT NULL REFERENCES person (ref),
  mac    TEXT NOT NULL,           -- keyed digest, hex
  sealed BLOB NOT NULL,           -- under the person's key
  PRIMARY KEY (person, mac)
) STRICT, WITHOUT ROWID;

-- When to look again at what is owed about a person, and how far each duty has been chased.
CREATE TABLE duty (
  person  TEXT NOT NULL REFERENCES person (ref),
  clock   TEXT NOT NULL,
  status  TEXT NOT NULL,          -- due, met, late, late_by_circumstance
  due     INTEGER NOT NULL,       -- days since 1970-01-01
  chased  TEXT NOT NULL DEFAULT '',  -- '', 'warned' or 'missed'
  next_at INTEGER,                -- when the chaser looks again; NULL: nothing more to do
  PRIMARY KEY (person, clock)
) STRICT, WITHOUT ROWID;
CREATE INDEX duty_next ON duty (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX duty_due ON duty (due, status) WHERE clock <> '*';

CREATE TABLE event (
  ref         TEXT PRIMARY KEY,
  agency      TEXT NOT NULL,
  source_mac  BLOB NOT NULL UNIQUE,  -- of (source, id): the CloudEvents identity
  content_mac BLOB NOT NULL,
  person      TEXT NOT NULL REFERENCES person (ref),
  kind        TEXT NOT NULL,
  corrects    TEXT,                  -- the event this one revises
  state       TEXT NOT NULL CHECK (state IN
    ('accepted', 'held', 'decided', 'retracted', 'cancelled', 'quarantined')),
  decide_at   INTEGER NOT NULL DEFAULT 0,  -- held: when the hold ends
  failures    INTEGER NOT NULL DEFAULT 0,
  slot        INTEGER NOT NULL,      -- the worker that owns it
  received_at INTEGER NOT NULL,
  sealed      BLOB NOT NULL,         -- the canonical event
  raw         BLOB                   -- sealed: the signed bytes, where they differ
) STRICT, WITHOUT ROWID;
CREATE INDEX event_undecided ON event (received_at) WHERE state = 'accepted';
CREATE INDEX event_held ON event (decide_at) WHERE state = 'held';
CREATE INDEX event_person ON event (person, received_at);
CREATE INDEX event_corrects ON event (corrects) WHERE corrects IS NOT NULL;

-- One alert, whatever the endpoints it leaves over: what was told, and what its reader did.
CREATE TABLE alert (
  id           TEXT PRIMARY KEY,
  event        TEXT NOT NULL REFERENCES event (ref),
  person       TEXT NOT NULL,
  recipient    TEXT NOT NULL,
  message      TEXT NOT NULL,        -- NOTIFY, UPDATE, CORRECTION, RECALL, CHASE or TEST
  supersedes   TEXT,                 -- the alert a correction or recall is about
  escalates    TEXT,                 -- the alert whose silence or failure made this one
  urgent       INTEGER NOT NULL,
  exercise     INTEGER NOT NULL,
  decided_at   INTEGER NOT NULL,
  answer_by    INTEGER,              -- when silence is acted on next; NULL: nobody has to answer
  answer_within INTEGER,             -- what each rung of the chain has, in milliseconds
  rung         INTEGER NOT NULL DEFAULT 0,  -- how often silence or failure has been acted on
  collected_at INTEGER,
  answer       TEXT CHECK (answer IN ('acknowledged', 'accepted', 'rejected', 'actioned')),
  answered_at  INTEGER,
  recalled     INTEGER NOT NULL DEFAULT 0,
  slot         INTEGER NOT NULL,
  held         BLOB                  -- the alert sealed at rest; NULL once its person is erased
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_silent ON alert (answer_by) WHERE answer_by IS NOT NULL;
CREATE INDEX alert_event ON alert (event);
CREATE INDEX alert_recipient ON alert (recipient, decided_at);
CREATE INDEX alert_escalates ON alert (escalates) WHERE escalates IS NOT NULL;
CREATE INDEX alert_reference ON alert (substr(id, -12));
CREATE INDEX alert_supersedes ON alert (supersedes) WHERE supersedes IS NOT NULL;

CREATE TABLE outbox (
  alert          TEXT NOT NULL,
  endpoint       TEXT NOT NULL,
  event          TEXT NOT NULL REFERENCES event (ref),
  person         TEXT NOT NULL,
  recipient      TEXT NOT NULL,
  channel        TEXT NOT NULL,
  form           TEXT NOT NULL,
  message        TEXT NOT NULL,
  supersedes     TEXT,
  leaf_index     INTEGER NOT NULL,   -- of the disclosure's entry
  urgent         INTEGER NOT NULL,
  exercise       INTEGER NOT NULL,
  step           INTEGER NOT NULL,   -- 1: at once; later ones wait
  digest         INTEGER NOT NULL,   -- leaves as one of several in one notice
  state          TEXT NOT NULL CHECK (state IN
    ('waiting', 'pending', 'accepted', 'rejected', 'dead', 'withheld')),
  attempts       INTEGER NOT NULL DEFAULT 0,
  next_at        INTEGER NOT NULL,
  unknown        INTEGER NOT NULL DEFAULT 0,
  reason         TEXT NOT NULL DEFAULT '',
  decided_at     INTEGER NOT NULL,
  settled_at     INTEGER,            -- when it was accepted, rejected or given up
  retried_at     INTEGER,            -- a human set it going again: given up so long after that
  receipt        TEXT NOT NULL DEFAULT '',  -- what the carrier said later: delivered, failed, ...
  receipt_at     INTEGER,
  link_issue     INTEGER NOT NULL DEFAULT 0,  -- of the pick-up link: the ones before are void
  link_used_at   INTEGER,
  link_failures  INTEGER NOT NULL DEFAULT 0,  -- second factors that were wrong
  key_id         TEXT,               -- of the key it is sealed to
  slot           INTEGER NOT NULL,
  -- Last: what comes after a long value is slow to read.
  sealed         BLOB NOT NULL,      -- ciphertext, or content-free text
  proof          TEXT NOT NULL,      -- tlog-proof against the commit's own checkpoint
  PRIMARY KEY (alert, endpoint)
) STRICT, WITHOUT ROWID;
-- What is asked of these every second is answered from them alone, whatever the backlog.
CREATE INDEX outbox_lane
  ON outbox (endpoint, urgent, decided_at, alert, next_at, attempts, digest, person, slot)
  WHERE state = 'pending';
CREATE INDEX outbox_owed
  ON outbox (endpoint, person, decided_at, next_at, attempts, digest, slot)
  WHERE state = 'pending';
CREATE INDEX outbox_waiting ON outbox (alert) WHERE state = 'waiting';
CREATE INDEX outbox_event ON outbox (event);
CREATE INDEX outbox_person ON outbox (person, decided_at);
CREATE INDEX outbox_dead ON outbox (settled_at) WHERE state IN ('rejected', 'dead');
CREATE INDEX outbox_failed ON outbox (receipt_at)
  WHERE state = 'accepted' AND receipt = 'failed';

-- What proves at a pick-up page that the reader is the recipient: a passkey or a TOTP secret.
CREATE TABLE second_factor (
  id          TEXT PRIMARY KEY,
  recipient   TEXT NOT NULL,
  kind        TEXT NOT NULL CHECK (kind IN ('passkey', 'totp')),
  credential  BLOB,                 -- passkey: its id
  sealed      BLOB NOT NULL,        -- TOTP secret or public key, sealed under the own root secret
  last        INTEGER NOT NULL,     -- TOTP: newest step used; passkey: signature counter
  enrolled_at INTEGER NOT NULL,
  enrolled_by TEXT NOT NULL,        -- role or staff id
  revoked_at  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX second_factor_recipient ON second_factor (recipient);
CREATE UNIQUE INDEX second_factor_credential ON second_factor (credential)
  WHERE credential IS NOT NULL;

-- How often second factors of a recipient were wrong lately: what slows down whoever guesses.
CREATE TABLE wrong_factor (
  recipient TEXT PRIMARY KEY,
  count     INTEGER NOT NULL,
  last_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What an operator has been told of, so that one trouble is not said a thousand times.
CREATE TABLE incident (
  name      TEXT PRIMARY KEY,       -- code and subject; no personal data
  opened_at INTEGER NOT NULL,
  last_at   INTEGER NOT NULL,       -- it was last seen
  seen      INTEGER NOT NULL,       -- how often
  said      INTEGER NOT NULL,       -- how often the operator was told
  said_at   INTEGER,
  closed_at INTEGER
) STRICT, WITHOUT ROWID;

-- Rulebooks that were ever in force, so that an old disclosure can be read by its own rules.
CREATE TABLE rulebook (
  digest   TEXT PRIMARY KEY,
  texts    TEXT NOT NULL,          -- JSON: name of the file, its text
  noted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who may sign in to the console; by role or staff id, never by name.
CREATE TABLE staff (
  id       TEXT PRIMARY KEY,
  body     TEXT NOT NULL,          -- JSON of gateway.model.staff.Staff
  subject  TEXT UNIQUE,            -- OpenID Connect: issuer, a space, sub
  added_at INTEGER NOT NULL,
  added_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE staff_passkey (
  credential  BLOB PRIMARY KEY,
  staff       TEXT NOT NULL REFERENCES staff (id),
  public_key  BLOB NOT NULL,       -- sealed under the own root secret
  counter     INTEGER NOT NULL,
  enrolled_at INTEGER NOT NULL,
  revoked_at  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX staff_passkey_staff ON staff_passkey (staff);
CREATE TABLE session (
  mac      BLOB PRIMARY KEY,       -- of the cookie; the cookie itself is nowhere
  staff    TEXT NOT NULL REFERENCES staff (id),
  began_at INTEGER NOT NULL,
  seen_at  INTEGER NOT NULL,
  means    TEXT NOT NULL           -- "passkey" or "oidc"
) STRICT, WITHOUT ROWID;

-- Proofs of who somebody is that let them in: each is good once, at every worker.
CREATE TABLE used_once (
  mac   BLOB PRIMARY KEY,
  until INTEGER NOT NULL           -- then it is no proof any more, and the row goes
) STRICT, WITHOUT ROWID;

-- What one person proposes and another approves: an erasure, a gap in the log, a rulebook.
CREATE TABLE approval (
  id          TEXT PRIMARY KEY,
  kind        TEXT NOT NULL CHECK (kind IN ('erasure', 'gap', 'rulebook')),
  subject     TEXT NOT NULL,       -- a person's reference, a size, a digest
  reason      TEXT NOT NULL,       -- a code
  proposed_by TEXT NOT NULL,
  proposed_at INTEGER NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('open', 'approved', 'declined', 'lapsed')),
  decided_by  TEXT,
  decided_at  INTEGER,
  CHECK (decided_by IS NULL OR decided_by <> proposed_by OR state <> 'approved')
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX approval_open ON approval (kind, subject) WHERE state = 'open';

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
-- The newest checkpoints that enough witnesses signed.
CREATE TABLE log_witnessed (
  size         INTEGER PRIMARY KEY,
  note         TEXT NOT NULL,      -- with their signatures
  witnessed_at INTEGER NOT NULL
) STRICT;
-- Where entries are found by what they mention. It says nothing the log does not: made from the
-- entries alone, after they are committed, and made again from them at any time.
CREATE TABLE log_term (
  id    INTEGER PRIMARY KEY,
  what  TEXT NOT NULL,             -- "op", "person", "recipient", "rule", "day", ...
  value TEXT NOT NULL,
  UNIQUE (what, value)
) STRICT;
CREATE TABLE log_posting (
  term INTEGER NOT NULL,
  idx  INTEGER NOT NULL,
  PRIMARY KEY (term, idx)
) STRICT, WITHOUT ROWID;

-- Who works on which shard, until when (milliseconds). The token rises with every take-over: a unit
-- of work that brings an older one is refused.
CREATE TABLE lease (
  shard  INTEGER PRIMARY KEY,
  holder TEXT NOT NULL,
  token  INTEGER NOT NULL,
  until  INTEGER NOT NULL
) STRICT;
