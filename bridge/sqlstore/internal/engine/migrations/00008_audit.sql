-- +goose Up

-- The audit log: one row for each event. The ids begin with the time in microseconds as 16 decimal digits, which sort in
-- the same order by every collation. Empty: none, or not known.
CREATE TABLE audit (
    id          TEXT   NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    event       TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    actor       TEXT   NOT NULL,
    client_id   TEXT   NOT NULL,
    provider    TEXT   NOT NULL,
    link_id     TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    ref         TEXT   NOT NULL,
    address     TEXT   NOT NULL
);
CREATE INDEX audit_by_link ON audit (link_id, id) WHERE link_id <> '';
CREATE INDEX audit_by_subject ON audit (subject, id) WHERE subject <> '';
CREATE INDEX audit_by_ref ON audit (ref, id) WHERE ref <> '';

-- +goose Down
DROP TABLE audit;
