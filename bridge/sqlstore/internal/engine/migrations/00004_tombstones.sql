-- +goose Up

-- What is left of a link that was erased, so that no import adds it again.
CREATE TABLE tombstones (
    link_id  TEXT   NOT NULL PRIMARY KEY,
    ended_at BIGINT NOT NULL
);

-- The links to be erased, the first to end first. Live links are not in it.
CREATE INDEX links_by_end ON links (revoked_at, id) WHERE revoked_at > 0;

-- Who signed in, as a hash of issuer and subject. Empty: nobody, as for the ticket of a test sign-in.
ALTER TABLE pending_consents ADD COLUMN person TEXT NOT NULL DEFAULT '';
CREATE INDEX pending_consents_by_person ON pending_consents (person, expires_at);

-- +goose Down
DROP INDEX pending_consents_by_person;
ALTER TABLE pending_consents DROP COLUMN person;
DROP INDEX links_by_end;
DROP TABLE tombstones;
