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

-- Which of Fleet's hosts a device is, and what Fleet last said of it.
CREATE TABLE fleet_bindings (
    device   TEXT PRIMARY KEY,
    host     BIGINT NOT NULL UNIQUE,  -- Fleet's own number
    uuid     TEXT NOT NULL,
    serial   TEXT NOT NULL,
    bound_by TEXT NOT NULL,  -- policies.Person
    bound    BIGINT NOT NULL,
    word     TEXT NOT NULL,  -- policies.FleetHost, or empty once Fleet does not know it
    said     BIGINT NOT NULL,
    asked    BIGINT NOT NULL,
    trouble  TEXT NOT NULL
);

ALTER TABLE sessions ADD COLUMN device TEXT NOT NULL DEFAULT '';  -- that activated its certificate, or empty
ALTER TABLE sessions ADD COLUMN device_due BIGINT NOT NULL DEFAULT 0;  -- it ends then unless the device complies; 0: whatever the device says
CREATE INDEX sessions_by_device ON sessions (device) WHERE live;
CREATE INDEX sessions_by_device_due ON sessions (device_due) WHERE live AND device_due > 0 AND kill_reason = '';
