-- Sessions whose person says again and again that they are there.

-- +goose Up

ALTER TABLE sessions ADD COLUMN present INTEGER NOT NULL DEFAULT 0;  -- when they last did, in microseconds since 1970; 0: never

-- +goose Down

ALTER TABLE sessions DROP COLUMN present;
