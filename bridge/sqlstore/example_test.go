package sqlstore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
)

func Example() {
	folder, err := os.MkdirTemp("", "sqlstore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	ctx := context.Background()
	store, err := sqlstore.Open(ctx, sqlstore.Options{Driver: sqlstore.SQLite, DSN: filepath.Join(folder, "bridge.db"),
		Create: true})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	// A person has signed in and presses "Link" on the consent page.
	now := time.Unix(1_800_000_000, 0)
	handle, token := bridge.HashOf("handle in the cookie"), bridge.HashOf("access token")
	err = store.CreatePendingConsent(ctx, bridge.PendingConsent{Handle: handle,
		ExpiresAt: now.Add(bridge.PendingConsentLifetime)})
	if err != nil {
		log.Fatal(err)
	}
	link := bridge.Link{ID: bridge.NewLinkID(), ClientID: "pizza", Grant: bridge.GrantImplicit, CreatedAt: now,
		Identity: bridge.Identity{Subject: "ada", Claims: bridge.Claims{"email": "ada@contoso.com"}}}
	if err := store.Link(ctx, handle, bridge.NewLink{Link: link, Token: token}); err != nil {
		log.Fatal(err)
	}

	// The skill's backend looks the token up, before and after an operator revokes the link.
	found, err := store.Lookup(ctx, token)
	fmt.Println(found.Link.Subject, found.Active(now), err)
	_, err = store.Revoke(ctx, bridge.LinkFilter{Subject: "ada"},
		bridge.Revocation{Reason: bridge.ReasonOperator, At: now})
	if err != nil {
		log.Fatal(err)
	}
	found, err = store.Lookup(ctx, token)
	fmt.Println(found.Link.Subject, found.Active(now), err)
	// Output:
	// ada true <nil>
	// ada false <nil>
}
