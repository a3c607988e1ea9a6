-- Sessions that go on under another grant than they were opened by.

-- +goose Up

ALTER TABLE sessions ADD COLUMN extension TEXT NOT NULL DEFAULT '';  -- the request whose grant it goes on under, or empty
ALTER TABLE sessions ADD COLUMN offer TEXT NOT NULL DEFAULT '';  -- the one that it may go on under next, or empty
CREATE INDEX sessions_by_extension ON sessions (extension, live, number) WHERE extension <> '';

-- +goose Down

DROP INDEX sessions_by_extension;
ALTER TABLE sessions DROP COLUMN offer;
ALTER TABLE sessions DROP COLUMN extension;
