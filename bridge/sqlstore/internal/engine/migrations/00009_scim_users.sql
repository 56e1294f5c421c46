-- +goose Up

-- What the directories of providers told us by SCIM: how many users each has, and of each user the names that the
-- directory uses for them. The row of a directory is locked by every change of its users.
CREATE TABLE scim_directories (
    provider TEXT   NOT NULL PRIMARY KEY,
    users    BIGINT NOT NULL
);
CREATE TABLE scim_users (
    provider      TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    user_name     TEXT    NOT NULL,
    user_name_key TEXT    NOT NULL, -- user_name without case
    external_id   TEXT    NOT NULL, -- empty: none
    active        BOOLEAN NOT NULL,
    created_at    BIGINT  NOT NULL,
    modified_at   BIGINT  NOT NULL,
    PRIMARY KEY (provider, id)
);
CREATE UNIQUE INDEX scim_users_by_name ON scim_users (provider, user_name_key);
CREATE INDEX scim_users_by_external_id ON scim_users (provider, external_id, created_at, id) WHERE external_id <> '';
CREATE INDEX scim_users_by_creation ON scim_users (provider, created_at, id);

-- +goose Down
DROP TABLE scim_users;
DROP TABLE scim_directories;
