-- One text for SQLite and PostgreSQL: only TEXT and BIGINT columns, hashes as hexadecimal digits, times as seconds since
-- 1970 with 0 for never.

-- +goose Up

-- One row a link: one person's consent that one skill may know them.
CREATE TABLE links (
    id            TEXT   NOT NULL PRIMARY KEY,
    client_id     TEXT   NOT NULL,
    grant_type    TEXT   NOT NULL,
    provider      TEXT   NOT NULL,
    issuer        TEXT   NOT NULL,
    subject_claim TEXT   NOT NULL,
    groups_claim  TEXT   NOT NULL,
    subject       TEXT   NOT NULL,
    claims        TEXT   NOT NULL,
    email         TEXT   NOT NULL,
    scope         TEXT   NOT NULL,
    alexa_user    TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    last_used_at  BIGINT NOT NULL,
    revoked_at    BIGINT NOT NULL,
    reason        TEXT   NOT NULL
);
CREATE INDEX links_by_subject ON links (subject, issuer, client_id);
CREATE INDEX links_by_email ON links (email);

-- The tokens of links, each by its SHA-256.
CREATE TABLE tokens (
    hash       TEXT   NOT NULL PRIMARY KEY,
    link_id    TEXT   NOT NULL REFERENCES links (id),
    kind       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- of refresh tokens that rotate: what was presented for this one, its place among the children, and when it was superseded
    parent     TEXT   NOT NULL,
    place      BIGINT NOT NULL,
    superseded_at BIGINT NOT NULL
);
CREATE INDEX tokens_by_link ON tokens (link_id);
CREATE INDEX tokens_by_parent ON tokens (parent);
CREATE INDEX tokens_by_expiry ON tokens (expires_at);
CREATE INDEX tokens_by_supersession ON tokens (superseded_at);

-- Authorization codes, each by its SHA-256, with what it is bound to.
CREATE TABLE codes (
    hash           TEXT   NOT NULL PRIMARY KEY,
    link_id        TEXT   NOT NULL REFERENCES links (id),
    redirect_uri   TEXT   NOT NULL,
    code_challenge TEXT   NOT NULL,
    expires_at     BIGINT NOT NULL,
    redeemed_at    BIGINT NOT NULL
);
CREATE INDEX codes_by_link ON codes (link_id);
CREATE INDEX codes_by_expiry ON codes (redeemed_at, expires_at);

-- Sign-ins that wait for the person's decision, each by the SHA-256 of its handle, sealed.
CREATE TABLE pending_consents (
    handle     TEXT   NOT NULL PRIMARY KEY,
    sealed     TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    decision   TEXT   NOT NULL,
    decided_at BIGINT NOT NULL
);
CREATE INDEX pending_consents_by_expiry ON pending_consents (expires_at);

-- +goose Down
DROP TABLE pending_consents;
DROP TABLE codes;
DROP TABLE tokens;
DROP TABLE links;
