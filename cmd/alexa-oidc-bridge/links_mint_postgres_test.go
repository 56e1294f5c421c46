//go:build strict

package main

import (
	"testing"

	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/postgrestest"
)

func TestLinksMintOnPostgreSQL(t *testing.T) {
	testMint(t, mintConfig(t, sqlstore.PostgreSQL, postgrestest.Shared(t).DatabaseFor(t)))
}
