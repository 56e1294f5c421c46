-- +goose Up

-- Who ended a link, and the claim that the e-mail address among its claims was taken from. Empty: not known, of older links.
ALTER TABLE links ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE links ADD COLUMN email_claim TEXT NOT NULL DEFAULT '';

-- What a server logs of each end.
ALTER TABLE events ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN actor TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE events DROP COLUMN actor;
ALTER TABLE events DROP COLUMN reason;
ALTER TABLE events DROP COLUMN client_id;
ALTER TABLE links DROP COLUMN email_claim;
ALTER TABLE links DROP COLUMN actor;
