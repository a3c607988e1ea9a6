-- What devices last said of themselves, which of them were blocked, and which
-- sessions depend on it.

-- +goose Up

CREATE TABLE device_postures (
    device    TEXT PRIMARY KEY,
    statement TEXT NOT NULL,
    signature TEXT NOT NULL,
    received  BIGINT NOT NULL
);

-- Blocks, and their way to the signer.
CREATE TABLE device_blocks (
    device     TEXT PRIMARY KEY,
    blocked_by TEXT NOT NULL,  -- policies.Person
    reason     TEXT NOT NULL,
    at         BIGINT NOT NULL,
    attempts   BIGINT NOT NULL,
    next       BIGINT NOT NULL  -- 0 once the signer has it
);
CREATE INDEX device_blocks_by_next ON device_blocks (next) WHERE next > 0;

ALTER TABLE sessions ADD COLUMN device TEXT NOT NULL DEFAULT '';  -- that activated its certificate, or empty
ALTER TABLE sessions ADD COLUMN device_due BIGINT NOT NULL DEFAULT 0;  -- it ends then unless the device complies; 0: whatever the device says
CREATE INDEX sessions_by_device ON sessions (device) WHERE live;
CREATE INDEX sessions_by_device_due ON sessions (device_due) WHERE live AND device_due > 0 AND kill_reason = '';
