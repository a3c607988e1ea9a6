-- What a quorum of administrators signs, suspensions, and who is known by which
-- e-mail address.

-- +goose Up

CREATE TABLE changes (
    id         TEXT PRIMARY KEY,
    number     BIGINT NOT NULL UNIQUE,
    kind       TEXT NOT NULL CHECK (kind IN ('roster', 'policy')),
    state      TEXT NOT NULL CHECK (state IN ('pending', 'in-force', 'rejected', 'expired', 'superseded')),
    statement  TEXT NOT NULL,
    reason     TEXT NOT NULL,
    proposer   TEXT NOT NULL,  -- policies.Person
    created    BIGINT NOT NULL,
    expires    BIGINT NOT NULL,
    before     TEXT NOT NULL,  -- files by name, or empty
    after      TEXT NOT NULL,  -- files by name, or empty
    ended      BIGINT NOT NULL,
    ended_by   TEXT NOT NULL,  -- policies.Person, or empty
    end_reason TEXT NOT NULL
);
CREATE INDEX changes_by_state ON changes (state, number);

-- Administrators' signatures under changes and enrolments.
CREATE TABLE signatures (
    about          TEXT NOT NULL,  -- id of a change or an enrolment
    signer_issuer  TEXT NOT NULL,
    signer_subject TEXT NOT NULL,
    signer         TEXT NOT NULL,  -- policies.Person
    assertion      TEXT NOT NULL,  -- evidence.Assertion
    signed         BIGINT NOT NULL,
    passkey_name   TEXT NOT NULL,
    PRIMARY KEY (about, signer_issuer, signer_subject)
);

-- The newest suspension of each identity, and its way to the signer.
CREATE TABLE suspensions (
    issuer       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    person       TEXT NOT NULL,  -- policies.Person
    suspended_by TEXT NOT NULL,  -- policies.Person
    reason       TEXT NOT NULL,
    at           BIGINT NOT NULL,
    attempts     BIGINT NOT NULL,
    next         BIGINT NOT NULL,  -- 0 once the signer has it
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX suspensions_by_next ON suspensions (next) WHERE next > 0;

ALTER TABLE people ADD COLUMN email TEXT NOT NULL DEFAULT '';  -- small letters, to compare
CREATE INDEX people_by_email ON people (email);
CREATE INDEX people_by_subject ON people (subject);

-- What a registration's authenticator said of itself, where policy asks for it.
ALTER TABLE enrolments ADD COLUMN attestation TEXT NOT NULL DEFAULT '';  -- evidence.Attestation, or empty

-- Who ended a request, as they signed it.
ALTER TABLE endings ADD COLUMN evidence TEXT NOT NULL DEFAULT '';  -- evidence.SignedByKey, or empty
