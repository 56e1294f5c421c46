-- +goose Up

-- Up to when the sign-ins of a person lead to no link any more, because their links were ended by subject. An empty provider
-- is every provider.
CREATE TABLE revoked_sign_ins (
    subject    TEXT   NOT NULL,
    provider   TEXT   NOT NULL,
    revoked_at BIGINT NOT NULL,
    PRIMARY KEY (subject, provider)
);
CREATE INDEX revoked_sign_ins_by_time ON revoked_sign_ins (revoked_at);

-- +goose Down
DROP TABLE revoked_sign_ins;
