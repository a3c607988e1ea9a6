-- Which of Fleet's hosts a device is, and what Fleet last said of it.

-- +goose Up

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
