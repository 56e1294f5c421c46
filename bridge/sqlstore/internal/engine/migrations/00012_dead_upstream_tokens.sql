-- +goose Up

-- Links whose refresh tokens the provider has refused end in time, however many others are due.
CREATE INDEX upstream_tokens_by_end ON upstream_tokens (provider, due_at) WHERE dead_at > 0;

-- +goose Down
DROP INDEX upstream_tokens_by_end;
