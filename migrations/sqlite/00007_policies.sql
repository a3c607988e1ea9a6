-- What a request says besides, what became of it at the signer, whom people were told
-- of it, and delegations that were ended.

-- +goose Up

ALTER TABLE requests ADD COLUMN ticket TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN start INTEGER NOT NULL DEFAULT 0;  -- the time that was set for its beginning
ALTER TABLE requests ADD COLUMN break_glass BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE requests ADD COLUMN used INTEGER NOT NULL DEFAULT 0;  -- when its first certificate was issued, by the signer's clock
ALTER TABLE requests ADD COLUMN confirmation TEXT NOT NULL DEFAULT '';  -- access.AskConfirmation, or empty
ALTER TABLE requests ADD COLUMN asserted TEXT NOT NULL DEFAULT '';  -- list of policies.Assertion, or empty
ALTER TABLE requests ADD COLUMN review TEXT NOT NULL DEFAULT '';  -- access.Review, or empty
ALTER TABLE requests ADD COLUMN open_review BOOLEAN NOT NULL DEFAULT FALSE;  -- an emergency that was used and nobody reviewed
ALTER TABLE requests ADD COLUMN tell INTEGER NOT NULL DEFAULT 0;  -- when somebody is to be told of it next; 0: never
CREATE INDEX requests_by_email ON requests (requester_email, number);
CREATE INDEX requests_by_role ON requests (role, used) WHERE used > 0;
CREATE INDEX requests_by_open_review ON requests (role, used) WHERE open_review;
CREATE INDEX requests_by_tell ON requests (tell) WHERE tell > 0;

ALTER TABLE approvals ADD COLUMN behalf TEXT NOT NULL DEFAULT '';  -- on whose: policies.Person, or empty

-- Who agreed to what was used, by themselves or through a delegate.
CREATE TABLE agreements (
    issuer  TEXT NOT NULL,
    subject TEXT NOT NULL,
    request TEXT NOT NULL REFERENCES requests (id),
    at      INTEGER NOT NULL,  -- when it was first used
    PRIMARY KEY (issuer, subject, request)
);
CREATE INDEX agreements_by_time ON agreements (issuer, subject, at);

-- Whom people were told of a request, each time once over all brokers.
CREATE TABLE tellings (
    request TEXT NOT NULL REFERENCES requests (id),
    kind    TEXT NOT NULL,  -- reminder, escalation, break-glass, review
    stage   TEXT NOT NULL,
    due     INTEGER NOT NULL,  -- when it was to be told
    at      INTEGER NOT NULL,
    people  TEXT NOT NULL,  -- list of policies.Person
    text    TEXT NOT NULL,
    PRIMARY KEY (request, kind, stage, due)
);

-- Delegations that were ended, and their way to the signer.
CREATE TABLE delegation_ends (
    delegation TEXT PRIMARY KEY,  -- evidence.Digest of its statement
    ended_by   TEXT NOT NULL,  -- policies.Person
    reason     TEXT NOT NULL,
    at         INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    next       INTEGER NOT NULL  -- 0 once the signer has it
);
CREATE INDEX delegation_ends_by_next ON delegation_ends (next) WHERE next > 0;
CREATE INDEX delegation_ends_by_time ON delegation_ends (at);

-- A session whose device was judged by another policy than the signer's is judged anew.
ALTER TABLE sessions ADD COLUMN device_policy TEXT NOT NULL DEFAULT '';  -- policies digest
CREATE INDEX sessions_by_device_policy ON sessions (number, device_policy) WHERE live AND kill_reason = '';
