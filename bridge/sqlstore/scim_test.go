package sqlstore

import (
	"errors"
	"testing"

	"alexa-oidc-bridge/bridge"
)

// TestDirectoryFull fills a directory by its count, since a million users take long to add.
func TestDirectoryFull(t *testing.T) {
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		store := open(t)
		create := func(provider, name string) error {
			user := bridge.DirectoryUser{ID: bridge.NewDirectoryUserID(), Provider: provider, UserName: name, Active: true}
			_, err := store.CreateDirectoryUser(t.Context(), user, bridge.Deprovisioning{})
			return err
		}
		must(t, create("corp", "ada"))
		must(t, store.write(t.Context(), func(tx *transaction) error {
			_, err := tx.Exec(`UPDATE scim_directories SET users = $1`, bridge.MaxDirectoryUsers-1)
			return err
		}))
		must(t, create("corp", "bob"))
		if err := create("corp", "carol"); !errors.Is(err, bridge.ErrDirectoryFull) {
			t.Errorf("a user more than there may be: %v", err)
		}
		must(t, create("other", "carol"))
		page, err := store.DirectoryUsers(t.Context(), bridge.DirectoryFilter{Provider: "corp"}, 0, 10)
		must(t, err)
		if len(page.Users) != 2 || page.Total != bridge.MaxDirectoryUsers {
			t.Errorf("%d users of %d", len(page.Users), page.Total)
		}
	})
}
