-- +goose Up

-- The live links that were made before the sub of the ID token was recorded. A provider cannot name them by it.
CREATE INDEX links_without_upstream_sub ON links (provider, issuer, subject_claim) WHERE upstream_sub = '' AND revoked_at = 0;

-- +goose Down
DROP INDEX links_without_upstream_sub;
