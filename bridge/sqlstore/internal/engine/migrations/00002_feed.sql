-- +goose Up

-- One row: where the feed stands. It is advanced in the transaction that ends links, so that positions have no gaps and are
-- in the order of commits. Its epoch is set by the program, since SQL has no random text for every database.
CREATE TABLE feed (
    id       BIGINT NOT NULL PRIMARY KEY,
    epoch    TEXT   NOT NULL,
    position BIGINT NOT NULL,
    mark     TEXT   NOT NULL
);
INSERT INTO feed (id, epoch, position, mark) VALUES (1, '', 0, '');

-- The ends of links, for processes that hold answers in memory.
CREATE TABLE events (
    position    BIGINT NOT NULL PRIMARY KEY,
    mark        TEXT   NOT NULL,
    link_id     TEXT   NOT NULL,
    recorded_at BIGINT NOT NULL
);
CREATE INDEX events_by_time ON events (recorded_at);

-- A person whose links are being counted against the limit has a row here for as long as the transaction takes, so that
-- two cannot count at once. After a commit there is none.
CREATE TABLE persons_locked (
    client_id TEXT NOT NULL,
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    PRIMARY KEY (client_id, issuer, subject)
);

-- +goose Down
DROP TABLE persons_locked;
DROP TABLE events;
DROP TABLE feed;
