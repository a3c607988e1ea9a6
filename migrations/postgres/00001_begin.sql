-- Times are microseconds since 1970 in UTC; 0 says that there is none.
-- JSON is text. Numbers of requests, sessions and enrolments are leaves of the
-- audit log: they order their table, and name the event that began the row.

-- +goose Up

-- The Merkle log. audit_log has one row, which every writer changes.
CREATE TABLE audit_log (
    id        BIGINT PRIMARY KEY CHECK (id = 1),
    size      BIGINT NOT NULL,
    last_time BIGINT NOT NULL
);
INSERT INTO audit_log (id, size, last_time) VALUES (1, 0, 0);

CREATE TABLE audit_leaves (
    number  BIGINT PRIMARY KEY,
    request TEXT NOT NULL,
    session TEXT NOT NULL,
    data    BYTEA NOT NULL,
    hash    BYTEA NOT NULL
);
CREATE INDEX audit_leaves_by_request ON audit_leaves (request, number);
CREATE INDEX audit_leaves_by_session ON audit_leaves (session, number);

-- The hashes that server/ledger wants stored, by their own numbers.
CREATE TABLE audit_hashes (
    number BIGINT PRIMARY KEY,
    hash   BYTEA NOT NULL
);

CREATE TABLE requests (
    id                TEXT PRIMARY KEY,
    number            BIGINT NOT NULL UNIQUE,
    state             TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'active', 'denied', 'withdrawn', 'expired', 'ended')),
    end_reason        TEXT NOT NULL,
    requester_issuer  TEXT NOT NULL,
    requester_subject TEXT NOT NULL,
    requester_email   TEXT NOT NULL,  -- small letters, to compare
    requester         TEXT NOT NULL,  -- policies.Person
    revision          BIGINT NOT NULL,
    role              TEXT NOT NULL,
    target            TEXT NOT NULL,
    login             TEXT NOT NULL,
    duration_seconds  BIGINT NOT NULL,
    reason            TEXT NOT NULL,
    statement         TEXT NOT NULL,
    digest            TEXT NOT NULL,
    asked             BIGINT NOT NULL,
    expires           BIGINT NOT NULL,
    decision          TEXT NOT NULL,  -- policies.Decision
    begins            BIGINT NOT NULL,
    ends              BIGINT NOT NULL,
    ended_at          BIGINT NOT NULL,
    ended_by          TEXT NOT NULL,  -- policies.Person, or empty
    due               BIGINT NOT NULL  -- when time ends it; 0 in final states
);
CREATE INDEX requests_by_requester ON requests (requester_issuer, requester_subject, number);
CREATE INDEX requests_by_state ON requests (state, number);
CREATE INDEX requests_by_due ON requests (due) WHERE due > 0;

CREATE TABLE approvals (
    request          TEXT NOT NULL REFERENCES requests (id),
    revision         BIGINT NOT NULL,
    approver_issuer  TEXT NOT NULL,
    approver_subject TEXT NOT NULL,
    approver         TEXT NOT NULL,  -- policies.Person
    duration_seconds BIGINT NOT NULL,
    issued           BIGINT NOT NULL,
    passkey_name     TEXT NOT NULL,
    statement        TEXT NOT NULL,
    assertion        TEXT NOT NULL,  -- evidence.Assertion
    PRIMARY KEY (request, revision, approver_issuer, approver_subject)
);

-- Texts that a person may sign, each once: one for every page that is open.
CREATE TABLE challenges (
    purpose   TEXT NOT NULL,
    about     TEXT NOT NULL,
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    digest    TEXT NOT NULL,  -- evidence.Digest of the statement
    statement TEXT NOT NULL,
    expires   BIGINT NOT NULL,
    PRIMARY KEY (purpose, about, issuer, subject, digest)
);
CREATE INDEX challenges_by_expiry ON challenges (expires);

CREATE TABLE certificates (
    serial      TEXT PRIMARY KEY,  -- decimal: it needs all 64 bits
    request     TEXT NOT NULL REFERENCES requests (id),
    principal   TEXT NOT NULL,
    certificate TEXT NOT NULL,
    issued      BIGINT NOT NULL,
    ends        BIGINT NOT NULL,
    bundle      TEXT NOT NULL,  -- evidence.Bundle
    proof       TEXT NOT NULL,  -- evidence.Proof
    withheld    BOOLEAN NOT NULL
);
CREATE INDEX certificates_by_request ON certificates (request, issued);

-- Ends on their way to the signer, written with the end itself.
CREATE TABLE endings (
    request  TEXT PRIMARY KEY REFERENCES requests (id),
    reason   TEXT NOT NULL,
    ended_by TEXT NOT NULL,  -- policies.Person, or empty
    at       BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next     BIGINT NOT NULL,  -- 0 once the signer has it
    settled  BIGINT NOT NULL
);
CREATE INDEX endings_by_next ON endings (next) WHERE next > 0;

CREATE TABLE sessions (
    id                TEXT PRIMARY KEY,
    number            BIGINT NOT NULL UNIQUE,
    request           TEXT NOT NULL REFERENCES requests (id),
    serial            TEXT NOT NULL,
    person_issuer     TEXT NOT NULL,
    person_subject    TEXT NOT NULL,
    person            TEXT NOT NULL,  -- policies.Person
    role              TEXT NOT NULL,
    login             TEXT NOT NULL,
    target            TEXT NOT NULL,
    proxy             TEXT NOT NULL,
    client_address    TEXT NOT NULL,
    client_version    TEXT NOT NULL,
    started           BIGINT NOT NULL,
    lease_until       BIGINT NOT NULL,
    live              BOOLEAN NOT NULL,
    ended             BIGINT NOT NULL,
    end_reason        TEXT NOT NULL,
    kill_reason       TEXT NOT NULL,
    killed_by         TEXT NOT NULL,  -- policies.Person, or empty
    bytes             BIGINT NOT NULL,
    size              BIGINT NOT NULL,
    seals             BIGINT NOT NULL
);
CREATE INDEX sessions_by_place ON sessions (live, number);
CREATE INDEX sessions_by_request ON sessions (request, live, number);
CREATE INDEX sessions_by_person ON sessions (person_issuer, person_subject, live, number);
CREATE INDEX sessions_by_target ON sessions (target, live, number);
CREATE INDEX sessions_by_lease ON sessions (lease_until) WHERE live;

CREATE TABLE seals (
    session  TEXT NOT NULL REFERENCES sessions (id),
    sequence BIGINT NOT NULL,
    byte_offset BIGINT NOT NULL,
    head     BYTEA NOT NULL,
    PRIMARY KEY (session, sequence)
);

CREATE TABLE people (
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    person     TEXT NOT NULL,  -- policies.Person
    handle     BYTEA NOT NULL UNIQUE,
    first_seen BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);

CREATE TABLE sign_ins (
    token        BYTEA PRIMARY KEY,  -- SHA-256 of what the holder has
    kind         TEXT NOT NULL,
    person       TEXT NOT NULL,  -- policies.Person
    login_key    TEXT NOT NULL,
    confirmation TEXT NOT NULL,  -- code of the confirmation that it waits for, or empty
    began        BIGINT NOT NULL,
    ends         BIGINT NOT NULL
);
CREATE INDEX sign_ins_by_end ON sign_ins (ends);

-- ID tokens that have signed in a command line, with the one login key of each.
CREATE TABLE id_tokens (
    digest    BYTEA PRIMARY KEY,
    login_key TEXT NOT NULL,
    ends      BIGINT NOT NULL
);
CREATE INDEX id_tokens_by_end ON id_tokens (ends);

CREATE TABLE passkeys (
    credential    TEXT PRIMARY KEY,
    owner_issuer  TEXT NOT NULL,
    owner_subject TEXT NOT NULL,
    name          TEXT NOT NULL,
    groups        TEXT NOT NULL,  -- list of names
    record        BYTEA NOT NULL,
    created       BIGINT NOT NULL,
    last_used     BIGINT NOT NULL
);
CREATE INDEX passkeys_by_owner ON passkeys (owner_issuer, owner_subject, created);

CREATE TABLE enrolments (
    id             TEXT PRIMARY KEY,
    number         BIGINT NOT NULL UNIQUE,
    state          TEXT NOT NULL CHECK (state IN ('needs-possession', 'needs-authority', 'pinned', 'rejected', 'expired')),
    person_issuer  TEXT NOT NULL,
    person_subject TEXT NOT NULL,
    person         TEXT NOT NULL,  -- policies.Person
    groups         TEXT NOT NULL,  -- list of names
    passkey        TEXT NOT NULL,
    credential     TEXT NOT NULL,
    public_key     TEXT NOT NULL,
    aaguid         TEXT NOT NULL,
    statement      TEXT NOT NULL,
    created        BIGINT NOT NULL,
    expires        BIGINT NOT NULL,
    possession     TEXT NOT NULL  -- evidence.Assertion, or empty
);
CREATE INDEX enrolments_by_state ON enrolments (state, number);
CREATE INDEX enrolments_by_person ON enrolments (person_issuer, person_subject, number);

CREATE TABLE confirmations (
    code      TEXT PRIMARY KEY,
    person    TEXT NOT NULL,  -- policies.Person
    login_key TEXT NOT NULL,
    requested BIGINT NOT NULL,
    expires   BIGINT NOT NULL,
    signed    TEXT NOT NULL  -- evidence.SignedByPasskey, or empty
);

-- What a browser brings back once: WebAuthn ceremonies, OpenID Connect sign-ins.
CREATE TABLE ceremonies (
    kind    TEXT NOT NULL,
    id      TEXT NOT NULL,
    issuer  TEXT NOT NULL,
    subject TEXT NOT NULL,
    data    BYTEA NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX ceremonies_by_expiry ON ceremonies (expires);
