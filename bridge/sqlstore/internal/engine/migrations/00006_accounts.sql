-- +goose Up

-- By which names a provider speaks of the person of a link later. Empty: not known.
ALTER TABLE links ADD COLUMN upstream_sub TEXT NOT NULL DEFAULT '';
ALTER TABLE links ADD COLUMN upstream_sid TEXT NOT NULL DEFAULT '';
ALTER TABLE links ADD COLUMN directory_id TEXT NOT NULL DEFAULT '';
ALTER TABLE links ADD COLUMN account_email TEXT NOT NULL DEFAULT '';
CREATE INDEX links_by_upstream_sub ON links (upstream_sub) WHERE upstream_sub <> '';
CREATE INDEX links_by_upstream_sid ON links (upstream_sid) WHERE upstream_sid <> '';
CREATE INDEX links_by_directory_id ON links (directory_id) WHERE directory_id <> '';
CREATE INDEX links_by_account_email ON links (account_email) WHERE account_email <> '';

-- The JWTs that asked for a revocation, each by a hash of what identifies it, until they have expired.
CREATE TABLE used_tokens (
    hash       TEXT   NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX used_tokens_by_expiry ON used_tokens (expires_at);

-- +goose Down
DROP TABLE used_tokens;
DROP INDEX links_by_account_email;
DROP INDEX links_by_directory_id;
DROP INDEX links_by_upstream_sid;
DROP INDEX links_by_upstream_sub;
ALTER TABLE links DROP COLUMN account_email;
ALTER TABLE links DROP COLUMN directory_id;
ALTER TABLE links DROP COLUMN upstream_sid;
ALTER TABLE links DROP COLUMN upstream_sub;
