package sqlstore

import (
	"path/filepath"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/storetest"
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) bridge.Store {
		path := filepath.Join(t.TempDir(), "a name with %20 ? and #.db")
		copyMigrated(t, path)
		return openFile(t, path)
	})
}
