-- Which of Fleet's hosts a device is, and what Fleet last said of it.

-- +goose Up

CREATE TABLE fleet_bindings (
    device   TEXT PRIMARY KEY,
    host     INTEGER NOT NULL UNIQUE,  -- Fleet's own number
    uuid     TEXT NOT NULL,
    serial   TEXT NOT NULL,
    bound_by TEXT NOT NULL,  -- policies.Person
    bound    INTEGER NOT NULL,
    word     TEXT NOT NULL,  -- policies.FleetHost, or empty once Fleet does not know it
    said     INTEGER NOT NULL,
    asked    INTEGER NOT NULL,
    trouble  TEXT NOT NULL
);
