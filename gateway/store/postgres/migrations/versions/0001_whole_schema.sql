-- PostgreSQL's form of gateway/store/schema.sql as it was at version 5: the same tables, columns,
-- indexes and checks. Text is compared byte by byte, as SQLite does. Frozen: a later change is a
-- version of its own. Partitions of the log and of receipts, if they come, are versions after this.

CREATE TABLE setting (
  name  TEXT COLLATE "C" PRIMARY KEY,
  value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE agency (
  name TEXT COLLATE "C" PRIMARY KEY,
  urn  TEXT COLLATE "C" NOT NULL UNIQUE,
  body TEXT COLLATE "C" NOT NULL            -- JSON of gateway.model.party.Agency
);

CREATE TABLE recipient (
  id   TEXT COLLATE "C" PRIMARY KEY,
  body TEXT COLLATE "C" NOT NULL            -- JSON of gateway.model.party.Recipient
);

-- Secrets of the instance's own (what digests and link tokens hang on), wrapped like a data key.
CREATE TABLE own_secret (
  name    TEXT COLLATE "C" PRIMARY KEY,
  wrapped BYTEA NOT NULL
);

-- One accepted request. The same (agency, message id) with the same bytes gets the same answer.
CREATE TABLE receipt (
  agency      TEXT COLLATE "C" NOT NULL,
  message_mac BYTEA NOT NULL,
  body_mac    BYTEA NOT NULL,
  answer      TEXT COLLATE "C" NOT NULL,
  signature   TEXT COLLATE "C" NOT NULL,    -- evidence: id, timestamp and signature as sent
  received_at BIGINT NOT NULL,
  PRIMARY KEY (agency, message_mac)
);

CREATE TABLE person (
  ref         TEXT COLLATE "C" PRIMARY KEY,
  wrapped_key BYTEA NOT NULL,    -- the person's data key under the key-encryption key
  facts       BYTEA,             -- sealed: latest statement per field group
  version     BIGINT NOT NULL, -- rises with every change of facts; decisions are made against one
  born        BYTEA,             -- digest of the known date of birth: another one stated is a doubt
  merged_into TEXT COLLATE "C" REFERENCES person (ref),  -- the record this one was merged into, never a chain
  exercise    BIGINT NOT NULL DEFAULT 0  -- nobody real: known from exercises alone
);
CREATE INDEX person_merged ON person (merged_into) WHERE merged_into IS NOT NULL;

-- A merge leaves these rows as they are, so that it can be undone.
CREATE TABLE person_identifier (
  mac    BYTEA PRIMARY KEY,
  kind   TEXT COLLATE "C" NOT NULL,
  person TEXT COLLATE "C" NOT NULL REFERENCES person (ref)
);
CREATE INDEX person_identifier_person ON person_identifier (person, kind);

-- Names with dates of birth, digested: they suggest to a human that two records are one person,
-- and never join them.
CREATE TABLE person_likeness (
  mac    BYTEA NOT NULL,
  person TEXT COLLATE "C" NOT NULL REFERENCES person (ref),
  PRIMARY KEY (mac, person)
);

-- Every merge and what undid it.
CREATE TABLE person_merge (
  id         TEXT COLLATE "C" PRIMARY KEY,
  survivor   TEXT COLLATE "C" NOT NULL REFERENCES person (ref),
  absorbed   TEXT COLLATE "C" NOT NULL REFERENCES person (ref),
  event      TEXT COLLATE "C",                -- that brought it; NULL: a person at the gateway did
  merged_at  BIGINT NOT NULL,
  undone_at  BIGINT,
  undone_by  TEXT COLLATE "C"                 -- event that undid it
);
CREATE INDEX person_merge_survivor ON person_merge (survivor);
CREATE INDEX person_merge_absorbed ON person_merge (absorbed);

-- What only a human may decide: whether two records are one person, or whether someone is told.
CREATE TABLE task (
  id         TEXT COLLATE "C" PRIMARY KEY,
  kind       TEXT COLLATE "C" NOT NULL,       -- "disclosure", or what is doubtful about an identity
  person     TEXT COLLATE "C" NOT NULL REFERENCES person (ref),
  event      TEXT COLLATE "C",
  recipient  TEXT COLLATE "C",                -- whom a decision of disclosure is about
  rule       TEXT COLLATE "C",                -- the rule that proposes it
  body       TEXT COLLATE "C" NOT NULL,       -- JSON: names of members, references; never a value
  opened_at  BIGINT NOT NULL,
  state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'approved', 'declined', 'lapsed')),
  decided_at BIGINT,
  decided_by TEXT COLLATE "C",
  reason     BYTEA,                -- sealed under the person's key
  carried_out BIGINT NOT NULL DEFAULT 0,  -- an approved disclosure was made
  UNIQUE (kind, person, event, recipient, rule)
);
CREATE INDEX task_open ON task (opened_at) WHERE state = 'open';
CREATE INDEX task_person ON task (person);

-- Why somebody read a person's record, in their words; the log names them by `mac`.
CREATE TABLE justification (
  person TEXT COLLATE "C" NOT NULL REFERENCES person (ref),
  mac    TEXT COLLATE "C" NOT NULL,           -- keyed digest, hex
  sealed BYTEA NOT NULL,           -- under the person's key
  PRIMARY KEY (person, mac)
);

-- When to look again at what is owed about a person, and how far each duty has been chased.
CREATE TABLE duty (
  person  TEXT COLLATE "C" NOT NULL REFERENCES person (ref),
  clock   TEXT COLLATE "C" NOT NULL,
  status  TEXT COLLATE "C" NOT NULL,          -- due, met, late, late_by_circumstance
  due     BIGINT NOT NULL,       -- days since 1970-01-01
  chased  TEXT COLLATE "C" NOT NULL DEFAULT '',  -- '', 'warned' or 'missed'
  next_at BIGINT,                -- when the chaser looks again; NULL: nothing more to do
  PRIMARY KEY (person, clock)
);
CREATE INDEX duty_next ON duty (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX duty_due ON duty (due, status) WHERE clock <> '*';

CREATE TABLE event (
  ref         TEXT COLLATE "C" PRIMARY KEY,
  agency      TEXT COLLATE "C" NOT NULL,
  source_mac  BYTEA NOT NULL UNIQUE,  -- of (source, id): the CloudEvents identity
  content_mac BYTEA NOT NULL,
  person      TEXT COLLATE "C" NOT NULL REFERENCES person (ref),
  kind        TEXT COLLATE "C" NOT NULL,
  corrects    TEXT COLLATE "C",                  -- the event this one revises
  state       TEXT COLLATE "C" NOT NULL CHECK (state IN
    ('accepted', 'held', 'decided', 'retracted', 'cancelled', 'quarantined')),
  decide_at   BIGINT NOT NULL DEFAULT 0,  -- held: when the hold ends
  failures    BIGINT NOT NULL DEFAULT 0,
  slot        INTEGER NOT NULL,      -- the worker that owns it
  received_at BIGINT NOT NULL,
  sealed      BYTEA NOT NULL,         -- the canonical event
  raw         BYTEA                   -- sealed: the signed bytes, where they differ
);
CREATE INDEX event_undecided ON event (received_at) WHERE state = 'accepted';
CREATE INDEX event_held ON event (decide_at) WHERE state = 'held';
CREATE INDEX event_person ON event (person, received_at);
CREATE INDEX event_corrects ON event (corrects) WHERE corrects IS NOT NULL;

-- One alert, whatever the endpoints it leaves over: what was told, and what its reader did.
CREATE TABLE alert (
  id           TEXT COLLATE "C" PRIMARY KEY,
  event        TEXT COLLATE "C" NOT NULL REFERENCES event (ref),
  person       TEXT COLLATE "C" NOT NULL,
  recipient    TEXT COLLATE "C" NOT NULL,
  message      TEXT COLLATE "C" NOT NULL,        -- NOTIFY, UPDATE, CORRECTION, RECALL, CHASE or TEST
  supersedes   TEXT COLLATE "C",                 -- the alert a correction or recall is about
  escalates    TEXT COLLATE "C",                 -- the alert whose silence or failure made this one
  urgent       BIGINT NOT NULL,
  exercise     BIGINT NOT NULL,
  decided_at   BIGINT NOT NULL,
  answer_by    BIGINT,              -- when silence is acted on next; NULL: nobody has to answer
  answer_within BIGINT,             -- what each rung of the chain has, in milliseconds
  rung         BIGINT NOT NULL DEFAULT 0,  -- how often silence or failure has been acted on
  collected_at BIGINT,
  answer       TEXT COLLATE "C" CHECK (answer IN ('acknowledged', 'accepted', 'rejected', 'actioned')),
  answered_at  BIGINT,
  recalled     BIGINT NOT NULL DEFAULT 0,
  slot         INTEGER NOT NULL,
  held         BYTEA                  -- the alert sealed at rest; NULL once its person is erased
);
CREATE INDEX alert_silent ON alert (answer_by) WHERE answer_by IS NOT NULL;
CREATE INDEX alert_event ON alert (event);
CREATE INDEX alert_recipient ON alert (recipient, decided_at);
CREATE INDEX alert_escalates ON alert (escalates) WHERE escalates IS NOT NULL;
CREATE INDEX alert_reference ON alert (right(id, 12));
CREATE INDEX alert_supersedes ON alert (supersedes) WHERE supersedes IS NOT NULL;

CREATE TABLE outbox (
  alert          TEXT COLLATE "C" NOT NULL,
  endpoint       TEXT COLLATE "C" NOT NULL,
  event          TEXT COLLATE "C" NOT NULL REFERENCES event (ref),
  person         TEXT COLLATE "C" NOT NULL,
  recipient      TEXT COLLATE "C" NOT NULL,
  channel        TEXT COLLATE "C" NOT NULL,
  form           TEXT COLLATE "C" NOT NULL,
  message        TEXT COLLATE "C" NOT NULL,
  supersedes     TEXT COLLATE "C",
  leaf_index     BIGINT NOT NULL,   -- of the disclosure's entry
  urgent         BIGINT NOT NULL,
  exercise       BIGINT NOT NULL,
  step           BIGINT NOT NULL,   -- 1: at once; later ones wait
  digest         BIGINT NOT NULL,   -- leaves as one of several in one notice
  state          TEXT COLLATE "C" NOT NULL CHECK (state IN
    ('waiting', 'pending', 'accepted', 'rejected', 'dead', 'withheld')),
  attempts       BIGINT NOT NULL DEFAULT 0,
  next_at        BIGINT NOT NULL,
  unknown        BIGINT NOT NULL DEFAULT 0,
  reason         TEXT COLLATE "C" NOT NULL DEFAULT '',
  decided_at     BIGINT NOT NULL,
  settled_at     BIGINT,            -- when it was accepted, rejected or given up
  retried_at     BIGINT,            -- a human set it going again: given up so long after that
  receipt        TEXT COLLATE "C" NOT NULL DEFAULT '',  -- what the carrier said later: delivered, failed, ...
  receipt_at     BIGINT,
  link_issue     BIGINT NOT NULL DEFAULT 0,  -- of the pick-up link: the ones before are void
  link_used_at   BIGINT,
  link_failures  BIGINT NOT NULL DEFAULT 0,  -- second factors that were wrong
  key_id         TEXT COLLATE "C",               -- of the key it is sealed to
  slot           INTEGER NOT NULL,
  -- Last: what comes after a long value is slow to read.
  sealed         BYTEA NOT NULL,      -- ciphertext, or content-free text
  proof          TEXT COLLATE "C" NOT NULL,      -- tlog-proof against the commit's own checkpoint
  PRIMARY KEY (alert, endpoint)
);
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
  id          TEXT COLLATE "C" PRIMARY KEY,
  recipient   TEXT COLLATE "C" NOT NULL,
  kind        TEXT COLLATE "C" NOT NULL CHECK (kind IN ('passkey', 'totp')),
  credential  BYTEA,                 -- passkey: its id
  sealed      BYTEA NOT NULL,        -- TOTP secret or public key, sealed under the own root secret
  last        BIGINT NOT NULL,     -- TOTP: newest step used; passkey: signature counter
  enrolled_at BIGINT NOT NULL,
  enrolled_by TEXT COLLATE "C" NOT NULL,        -- role or staff id
  revoked_at  BIGINT
);
CREATE INDEX second_factor_recipient ON second_factor (recipient);
CREATE UNIQUE INDEX second_factor_credential ON second_factor (credential)
  WHERE credential IS NOT NULL;

-- How often second factors of a recipient were wrong lately: what slows down whoever guesses.
CREATE TABLE wrong_factor (
  recipient TEXT COLLATE "C" PRIMARY KEY,
  count     BIGINT NOT NULL,
  last_at   BIGINT NOT NULL
);

-- What an operator has been told of, so that one trouble is not said a thousand times.
CREATE TABLE incident (
  name      TEXT COLLATE "C" PRIMARY KEY,       -- code and subject; no personal data
  opened_at BIGINT NOT NULL,
  last_at   BIGINT NOT NULL,       -- it was last seen
  seen      BIGINT NOT NULL,       -- how often
  said      BIGINT NOT NULL,       -- how often the operator was told
  said_at   BIGINT,
  closed_at BIGINT
);

-- Rulebooks that were ever in force, so that an old disclosure can be read by its own rules.
CREATE TABLE rulebook (
  digest   TEXT COLLATE "C" PRIMARY KEY,
  texts    TEXT COLLATE "C" NOT NULL,          -- JSON: name of the file, its text
  noted_at BIGINT NOT NULL
);

-- Who may sign in to the console; by role or staff id, never by name.
CREATE TABLE staff (
  id       TEXT COLLATE "C" PRIMARY KEY,
  body     TEXT COLLATE "C" NOT NULL,          -- JSON of gateway.model.staff.Staff
  subject  TEXT COLLATE "C" UNIQUE,            -- OpenID Connect: issuer, a space, sub
  added_at BIGINT NOT NULL,
  added_by TEXT COLLATE "C" NOT NULL
);
CREATE TABLE staff_passkey (
  credential  BYTEA PRIMARY KEY,
  staff       TEXT COLLATE "C" NOT NULL REFERENCES staff (id),
  public_key  BYTEA NOT NULL,       -- sealed under the own root secret
  counter     BIGINT NOT NULL,
  enrolled_at BIGINT NOT NULL,
  revoked_at  BIGINT
);
CREATE INDEX staff_passkey_staff ON staff_passkey (staff);
CREATE TABLE session (
  mac      BYTEA PRIMARY KEY,       -- of the cookie; the cookie itself is nowhere
  staff    TEXT COLLATE "C" NOT NULL REFERENCES staff (id),
  began_at BIGINT NOT NULL,
  seen_at  BIGINT NOT NULL,
  means    TEXT COLLATE "C" NOT NULL           -- "passkey" or "oidc"
);

-- Proofs of who somebody is that let them in: each is good once, at every worker.
CREATE TABLE used_once (
  mac   BYTEA PRIMARY KEY,
  until BIGINT NOT NULL           -- then it is no proof any more, and the row goes
);

-- What one person proposes and another approves: an erasure, a gap in the log, a rulebook.
CREATE TABLE approval (
  id          TEXT COLLATE "C" PRIMARY KEY,
  kind        TEXT COLLATE "C" NOT NULL CHECK (kind IN ('erasure', 'gap', 'rulebook')),
  subject     TEXT COLLATE "C" NOT NULL,       -- a person's reference, a size, a digest
  reason      TEXT COLLATE "C" NOT NULL,       -- a code
  proposed_by TEXT COLLATE "C" NOT NULL,
  proposed_at BIGINT NOT NULL,
  state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'approved', 'declined', 'lapsed')),
  decided_by  TEXT COLLATE "C",
  decided_at  BIGINT,
  CHECK (decided_by IS NULL OR decided_by <> proposed_by OR state <> 'approved')
);
CREATE UNIQUE INDEX approval_open ON approval (kind, subject) WHERE state = 'open';

-- The disclosure log.
CREATE TABLE log_entry (
  idx  BIGINT PRIMARY KEY,
  leaf BYTEA NOT NULL,
  body BYTEA NOT NULL
);
CREATE TABLE log_tile (
  level  BIGINT NOT NULL,
  idx    BIGINT NOT NULL,
  hashes BYTEA NOT NULL,
  PRIMARY KEY (level, idx)
);
CREATE TABLE log_checkpoint (
  size BIGINT PRIMARY KEY,
  note TEXT COLLATE "C" NOT NULL
);
-- One row, locked with every write: the only head there is.
CREATE TABLE log_head (
  id   BIGINT PRIMARY KEY CHECK (id = 1),
  size BIGINT NOT NULL,
  root BYTEA NOT NULL
);
-- The newest checkpoints that enough witnesses signed.
CREATE TABLE log_witnessed (
  size         BIGINT PRIMARY KEY,
  note         TEXT COLLATE "C" NOT NULL,      -- with their signatures
  witnessed_at BIGINT NOT NULL
);
-- Where entries are found by what they mention. It says nothing the log does not: made from the
-- entries alone, after they are committed, and made again from them at any time.
CREATE TABLE log_term (
  id    BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  what  TEXT COLLATE "C" NOT NULL,             -- "op", "person", "recipient", "rule", "day", ...
  value TEXT COLLATE "C" NOT NULL,
  UNIQUE (what, value)
);
CREATE TABLE log_posting (
  term BIGINT NOT NULL,
  idx  BIGINT NOT NULL,
  PRIMARY KEY (term, idx)
);

-- Who works on which shard, until when (milliseconds). The token rises with every take-over: a unit
-- of work that brings an older one is refused.
CREATE TABLE lease (
  shard  INTEGER PRIMARY KEY,
  holder TEXT COLLATE "C" NOT NULL,
  token  BIGINT NOT NULL,
  until  BIGINT NOT NULL
);

-- The newest transaction of each writer: by it one whose connection was lost at COMMIT is settled,
-- and a server that has lost what it reported is found. One row for each process; old ones go.
CREATE TABLE writer (
  id         TEXT COLLATE "C" PRIMARY KEY,
  batch      BIGINT NOT NULL,
  written_at BIGINT NOT NULL
) WITH (fillfactor = 20);

-- Ciphertext does not get any smaller.
ALTER TABLE event ALTER COLUMN sealed SET STORAGE EXTERNAL;
ALTER TABLE event ALTER COLUMN raw SET STORAGE EXTERNAL;
ALTER TABLE outbox ALTER COLUMN sealed SET STORAGE EXTERNAL;
ALTER TABLE alert ALTER COLUMN held SET STORAGE EXTERNAL;
ALTER TABLE log_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;
