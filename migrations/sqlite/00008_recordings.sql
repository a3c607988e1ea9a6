-- What became of a session's recording after its end: whether it is in the object store,
-- held by somebody, or removed because its time was over.

-- +goose Up

ALTER TABLE sessions ADD COLUMN stored INTEGER NOT NULL DEFAULT 0;  -- when the whole recording was found in the object store
ALTER TABLE sessions ADD COLUMN digest BLOB NOT NULL DEFAULT x'';  -- its SHA-256, where it is stored
ALTER TABLE sessions ADD COLUMN hold TEXT NOT NULL DEFAULT '';  -- access.Hold, or empty
ALTER TABLE sessions ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;  -- when its time was over
ALTER TABLE sessions ADD COLUMN gone BOOLEAN NOT NULL DEFAULT FALSE;  -- the bytes of a removed one are deleted
ALTER TABLE sessions ADD COLUMN keep_due INTEGER NOT NULL DEFAULT 0;  -- when the next attempt to store or delete it is due
CREATE INDEX sessions_unstored ON sessions (keep_due) WHERE NOT live AND stored = 0 AND removed = 0 AND size > 0 AND bytes >= size;
CREATE INDEX sessions_outlived ON sessions (ended) WHERE NOT live AND removed = 0 AND hold = '';
CREATE INDEX sessions_undeleted ON sessions (keep_due) WHERE removed > 0 AND NOT gone;
