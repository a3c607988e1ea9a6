-- The mirror of the signer's ledger, and the alarms that come of comparing it.

-- +goose Up

-- One row for each ledger that the signer ever began. All leaves below size are
-- there; checkpoint is the last that covers no more than them.
CREATE TABLE mirrored_logs (
    id         INTEGER PRIMARY KEY,
    origin     TEXT NOT NULL UNIQUE,
    key        TEXT NOT NULL,  -- verifier key
    size       INTEGER NOT NULL,
    checkpoint TEXT NOT NULL,  -- signed note, or empty
    cosigned   TEXT NOT NULL,  -- the newest that witnesses signed too, or empty
    fetched    INTEGER NOT NULL
);

CREATE TABLE mirrored_leaves (
    log     INTEGER NOT NULL REFERENCES mirrored_logs (id),
    number  INTEGER NOT NULL,
    keys    BOOLEAN NOT NULL,  -- it states the signer's keys
    request TEXT NOT NULL,     -- whose certificate or ending it is, or empty
    data    BLOB NOT NULL,
    PRIMARY KEY (log, number)
);
CREATE INDEX mirrored_leaves_with_keys ON mirrored_leaves (log, number) WHERE keys;
CREATE INDEX mirrored_leaves_by_request ON mirrored_leaves (log, request, number) WHERE request <> '';

-- The hashes that server/ledger wants stored, by their own numbers.
CREATE TABLE mirrored_hashes (
    log    INTEGER NOT NULL REFERENCES mirrored_logs (id),
    number INTEGER NOT NULL,
    hash   BLOB NOT NULL,
    PRIMARY KEY (log, number)
);

-- How far the monitor has come in what it goes through.
CREATE TABLE monitor_positions (
    name     TEXT PRIMARY KEY,
    position INTEGER NOT NULL
);

CREATE INDEX certificates_by_issue ON certificates (issued, serial);

CREATE TABLE alarms (
    id              TEXT PRIMARY KEY,
    number          INTEGER NOT NULL UNIQUE,
    kind            TEXT NOT NULL,
    cause           TEXT NOT NULL UNIQUE,  -- one cause, one alarm
    title           TEXT NOT NULL,
    request         TEXT NOT NULL,
    session         TEXT NOT NULL,
    detail          TEXT NOT NULL,
    raised          INTEGER NOT NULL,
    acknowledged    INTEGER NOT NULL,  -- 0: open
    acknowledged_by TEXT NOT NULL,  -- policies.Person, or empty
    reason          TEXT NOT NULL
);
CREATE INDEX alarms_open ON alarms (number) WHERE acknowledged = 0;
