-- +goose Up

-- When the provider last said that the account of a link lives. 0: it is never asked.
ALTER TABLE links ADD COLUMN checked_at BIGINT NOT NULL DEFAULT 0;

-- The refresh tokens that providers issued for live links, each sealed with the id of its link, and the rechecks by them.
CREATE TABLE upstream_tokens (
    link_id      TEXT   NOT NULL PRIMARY KEY REFERENCES links (id),
    provider     TEXT   NOT NULL,
    sealed       TEXT   NOT NULL,
    due_at       BIGINT NOT NULL,
    lease        TEXT   NOT NULL, -- of the recheck that runs
    leased_until BIGINT NOT NULL,
    unanswered   BIGINT NOT NULL,
    stable       BIGINT NOT NULL,
    failures     BIGINT NOT NULL,
    dead_at      BIGINT NOT NULL
);
CREATE INDEX upstream_tokens_by_due ON upstream_tokens (provider, due_at);

-- +goose Down
DROP TABLE upstream_tokens;
ALTER TABLE links DROP COLUMN checked_at;
