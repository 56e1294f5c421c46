package main

import (
	"testing"

	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/sqlstore"
)

// TestCheckPolicyPages reads links by page: each is checked once, whether or not the last page is full.
func TestCheckPolicyPages(t *testing.T) {
	t.Parallel()
	path := emptyFile(t)
	secret, _ := newKey(t)
	addTokens(t, path, secret, linkNames("a", 6)...)
	withTestStore(t, path, func(store *sqlstore.Store) {
		for page := 1; page <= 7; page++ {
			found, checked, err := findSuspended(t.Context(), store, server.Config{}, page) // without skills
			if err != nil || len(found) != 6 || checked != 6 {
				t.Fatalf("pages of %d: %d of %d links, %v", page, len(found), checked, err)
			}
			for i, s := range found {
				if want := linkNames("a", 6)[i]; s.link.ID != want {
					t.Errorf("pages of %d: link %s, want %s", page, s.link.ID, want)
				}
			}
		}
	})
}
