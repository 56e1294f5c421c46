package sqlstore

import (
	"path/filepath"
	"testing"

	"alexa-oidc-bridge/bridge"
)

// TestCopiedTokensAreInDoubt verifies that a provider's refusal of a refresh token that was copied says nothing: since
// the copy was made, the provider may have replaced the token.
func TestCopiedTokensAreInDoubt(t *testing.T) {
	t.Parallel()
	from, moved := newSQLite(t), newSQLite(t)
	f := newFixture(t, from)
	f.link("ada", bridge.NewLink{Token: bridge.HashOf("access")})
	mustImport(t, moved, from.Export(t.Context()), Imported{Added: 1})
	copied := filepath.Join(t.TempDir(), "copy.db")
	must(t, from.Backup(t.Context(), copied))
	for name, tt := range map[string]struct {
		store      *Store
		unanswered bool
	}{"the original": {from, false}, "moved": {moved, true}, "a copy": {openFile(t, copied), true}} {
		recheck, err := tt.store.BeginRecheck(t.Context(),
			bridge.RecheckStart{LinkID: "lnk_ada", Now: f.now, CheckedBefore: f.now})
		must(t, err)
		if recheck.Unanswered != tt.unanswered {
			t.Errorf("%s: unanswered %v", name, recheck.Unanswered)
		}
	}
}
