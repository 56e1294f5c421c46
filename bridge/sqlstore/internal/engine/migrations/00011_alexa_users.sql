-- +goose Up

-- When the Alexa user of a link first used it, as far as is known.
ALTER TABLE links ADD COLUMN tied_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX links_by_alexa_user ON links (alexa_user) WHERE alexa_user <> '';

-- Links are read in this order, a page at a time.
CREATE INDEX links_by_creation ON links (created_at, id);

-- Alexa users who disabled a skill, for events and uses from before that come later: when they did, why and by whom links
-- of theirs are ended, and when that was recorded.
CREATE TABLE disabled_alexa_users (
    alexa_user  TEXT   NOT NULL PRIMARY KEY,
    disabled_at BIGINT NOT NULL,
    reason      TEXT   NOT NULL,
    actor       TEXT   NOT NULL,
    recorded_at BIGINT NOT NULL
);
CREATE INDEX disabled_alexa_users_by_time ON disabled_alexa_users (recorded_at, alexa_user);

-- +goose Down
DROP TABLE disabled_alexa_users;
DROP INDEX links_by_creation;
DROP INDEX links_by_alexa_user;
ALTER TABLE links DROP COLUMN tied_at;
