//go:build strict

package main

import (
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/postgrestest"
)

func TestCheckOnlinePostgreSQLSchema(t *testing.T) {
	dsn := postgrestest.Shared(t).DatabaseFor(t)
	path := onlineConfig(t, nobody(t), withKeys(t, goodKey))
	use := func(old, dsn string) {
		mustWriteFile(t, path, strings.Replace(mustReadFile(t, path), old, dsn, 1))
	}
	use("storage: {dsn: bridge.db}", "storage: {driver: postgres, dsn: '"+dsn+"'}")
	wantFinding(t, path, 0, levelWarning, "has version 0", "start serve")
	wantFinding(t, path, 0, levelWarning, "has version 0", "start serve") // nothing was created

	emptyDatabase(t, sqlstore.PostgreSQL, dsn)
	wantFinding(t, path, 0, levelOK, "database: can be opened, and has the schema of this program", "")

	before, _, _ := strings.Cut(dsn, "?")
	use(before, before+"_missing")
	wantFinding(t, path, 1, levelFault, "there is no database", "create the database")
}
