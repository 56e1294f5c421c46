//go:build strict

package server_test

import (
	"testing"

	"alexa-oidc-bridge/internal/postgrestest"
)

// TestEventOnceOnPostgreSQL has two servers on one PostgreSQL database.
func TestEventOnceOnPostgreSQL(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.Shared(t).DatabaseFor(t)
	first, second := startEventReplicas(t)
	first.onPostgreSQL(dsn)
	second.onPostgreSQL(dsn)
	wantEventOnce(first, second)
}
