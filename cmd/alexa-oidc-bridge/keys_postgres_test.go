//go:build strict

package main

import (
	"testing"

	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/postgrestest"
)

func TestKeysRotateOnPostgreSQL(t *testing.T) {
	testKeysRotate(t, sqlstore.PostgreSQL, postgrestest.Shared(t).DatabaseFor(t))
}
