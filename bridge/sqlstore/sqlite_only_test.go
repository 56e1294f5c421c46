//go:build !strict

package sqlstore

import "testing"

// databases returns functions that open a new, empty database, by driver.
func databases(testing.TB) map[string]func(testing.TB) *Store {
	return map[string]func(testing.TB) *Store{SQLite: newSQLite}
}
