package sqlstore

import (
	"errors"
	"testing"

	"alexa-oidc-bridge/bridge"
)

func TestNoTokenForARevokedLink(t *testing.T) {
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		store := open(t)
		link := bridge.Link{ID: bridge.NewLinkID(), CreatedAt: begin}
		add := func(token bridge.Hash) error {
			return store.write(t.Context(), func(tx *transaction) error {
				return insertToken(tx, newToken{hash: token, linkID: link.ID, kind: kindAccess, created: begin})
			})
		}
		if err := add("no link"); !errors.Is(err, bridge.ErrRevoked) {
			t.Errorf("without a link: %v", err)
		}
		must(t, store.write(t.Context(), func(tx *transaction) error { return errOf(insertLink(tx, rowOf(&link), "")) }))
		if err := add("live"); err != nil {
			t.Errorf("of a live link: %v", err)
		}
		must(t, errOf(store.Revoke(t.Context(), bridge.LinkFilter{IDs: []string{link.ID}},
			bridge.Revocation{Reason: bridge.ReasonOperator, At: begin})))
		if err := add("revoked"); !errors.Is(err, bridge.ErrRevoked) {
			t.Errorf("of a revoked link: %v", err)
		}
		if found, err := store.Lookup(t.Context(), "live"); err != nil || found.Active(begin) {
			t.Errorf("the token of a revoked link: %+v, %v", found, err)
		}
	})
}

func TestTouchLinksKeepsTheOrder(t *testing.T) {
	t.Parallel()
	uses := []bridge.Use{{LinkID: "lnk_b", At: begin}, {LinkID: "lnk_a", At: begin}}
	if err := newSQLite(t).TouchLinks(t.Context(), uses); err != nil || uses[0].LinkID != "lnk_b" {
		t.Errorf("%+v, %v; the caller's slice was sorted", uses, err)
	}
}
