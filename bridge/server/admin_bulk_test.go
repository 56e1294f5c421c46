package server_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// testAdminBulk revokes by filters.
func testAdminBulk(t *testing.T, document *apiDocument) {
	a := startAdmin(t, document)
	const path = "/api/links/revoke"
	ada, other := bridge.Account{Subject: "ada"}, func(link *bridge.Link) {
		link.Provider.ID, link.Issuer = "other", "https://other.example.com"
	}
	first, second, third := a.LinkOf(ada), a.LinkOf(ada), a.LinkOf(ada, other)
	bob := a.LinkOf(bridge.Account{Subject: "bob"})

	a.wantError(409, "ambiguous_subject", "name the provider", "POST", path, `{"filter":{"subject":"ada"}}`)
	a.wantError(409, "unexpected_count", "matches 2 live links, and 1 were expected", "POST", path,
		`{"filter":{"subject":"ada","provider":"corp"},"expect":1}`)
	if dry := a.want(200, "POST", path, `{"filter":{"provider":"corp"},"dry_run":true,"expect":3}`); fmt.Sprint(dry) !=
		"map[dry_run:true more:false would_revoke:3]" {
		t.Errorf("a dry run: %v", dry)
	}
	if dry := a.want(200, "POST", path, `{"filter":{"provider":"other"},"dry_run":true}`); fmt.Sprint(dry) !=
		"map[dry_run:true more:false would_revoke:1]" {
		t.Errorf("a dry run for a provider that is not configured any more: %v", dry)
	}
	if len(a.liveIDs()) != 4 {
		t.Fatalf("%d links live, want 4", len(a.liveIDs()))
	}
	for i, want := range []int{2, 0} { // a repeated request
		got := a.want(200, "POST", path, `{"filter":{"subject":"ada","provider":"corp"},"reason":"`+leftTheCompany+`"}`)
		if fmt.Sprint(got) != fmt.Sprintf("map[dry_run:false more:false revoked:%d]", want) {
			t.Errorf("request %d: %v, want %d revoked", i, got, want)
		}
	}
	if want := slices.Sorted(slices.Values([]string{third, bob})); !slices.Equal(a.liveIDs(), want) {
		t.Errorf("live: %q, want %q", a.liveIDs(), want)
	}
	for _, link := range a.Links() {
		ended := link.ID == first || link.ID == second
		if ended && (link.Reason != leftTheCompany || link.Actor != "api:hr") {
			t.Errorf("revoked with %q by %q", link.Reason, link.Actor)
		}
	}
}

// TestAdminBulkInParts revokes more links than one request does, and counts more than are counted.
func TestAdminBulkInParts(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, nil)
	a.Clock.Hold() // a request also ends after some time
	a.importLinks(10_001)
	const filter = `{"filter":{"provider":"corp"}`
	a.wantError(409, "unexpected_count", "more than 10000", "POST", "/api/links/revoke", filter+`,"expect":10000}`)
	for _, part := range []struct{ body, want string }{
		{filter + `,"dry_run":true}`, "map[dry_run:true more:true would_revoke:10000]"},
		{filter + `}`, "map[dry_run:false more:true revoked:10000]"},
		{filter + `,"dry_run":true,"expect":1}`, "map[dry_run:true more:false would_revoke:1]"},
		{filter + `}`, "map[dry_run:false more:false revoked:1]"},
		{filter + `}`, "map[dry_run:false more:false revoked:0]"},
	} {
		if got := fmt.Sprint(a.want(200, "POST", "/api/links/revoke", part.body)); got != part.want {
			t.Errorf("%s: %s, want %s", part.body, got, part.want)
		}
	}
}

// TestAdminBulkInTime lets each transaction take so long that one request has time for two of them.
func TestAdminBulkInTime(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, nil)
	a.Clock.Hold()
	a.importLinks(600)
	batches := 0
	hookStore(a.testBridge).be(func(_ context.Context, method string) error {
		if method == "Revoke" {
			batches++
			a.Clock.Advance(11 * time.Second)
		}
		return nil
	})
	part := a.want(200, "POST", "/api/links/revoke", `{"filter":{"provider":"corp"}}`)
	if left := len(a.liveIDs()); batches != 2 || part["more"] != true || part["revoked"] != float64(600-left) {
		t.Errorf("%v after %d transactions, %d links left", part, batches, left)
	}
}

// TestAdminBulkFailsInPart lets the store fail when some links were revoked.
func TestAdminBulkFailsInPart(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, nil)
	a.importLinks(600)
	store, batches := hookStore(a.testBridge), 0
	store.be(func(_ context.Context, method string) error {
		if method == "Revoke" {
			if batches++; batches == 2 {
				return errBroken
			}
		}
		return nil
	})
	const body = `{"filter":{"provider":"corp"}}`
	failed := a.want(503, "POST", "/api/links/revoke", body)
	left := len(a.liveIDs())
	if want := fmt.Sprintf("%d links were revoked; send the request again", 600-left); left == 600 ||
		!strings.Contains(failed["error_description"].(string), want) {
		t.Errorf("%d links left, %v, want %q", left, failed, want)
	}
	if got := a.want(200, "POST", "/api/links/revoke", body); got["revoked"] != float64(left) {
		t.Errorf("sent again: %v, want %d revoked", got, left)
	}
}

// TestAdminRevokeBySubjectEndsSignIns lets HR end a person whose consent page is open.
func TestAdminRevokeBySubjectEndsSignIns(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, nil)
	phone := simulator.NewPhone()
	page := a.SignIn(phone, a.Request(), testbridge.Ada())
	a.want(200, "POST", "/api/links/revoke", `{"filter":{"subject":"`+testbridge.Ada().Subject+`","provider":"corp"}}`)
	a.WantPage(a.Decide(phone, page, "link"), http.StatusForbidden, "Please sign in once more")
	a.WantLinks(0)
}

// TestAdminListsOneAtATime requests many lists at once. One is read at a time, and other requests do not wait for it.
func TestAdminListsOneAtATime(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, nil)
	var reading atomic.Int32
	hookStore(a.testBridge).be(func(_ context.Context, method string) error {
		if method != "Links" && method != "Audit" {
			return nil
		}
		if n := reading.Add(1); n > 1 {
			t.Errorf("%d lists are read at once", n)
		}
		response, text := a.send("POST", "/api/links/revoke", `{"filter":{"skill":"pizza"}}`)
		if reading.Add(-1); response.StatusCode != http.StatusOK {
			t.Errorf("meanwhile: status %d: %s", response.StatusCode, text)
		}
		return nil
	})
	var requests sync.WaitGroup
	for range 8 {
		for _, path := range []string{"/api/links", "/api/audit"} {
			requests.Go(func() {
				if response, text := a.send("GET", path, ""); response.StatusCode != http.StatusOK {
					t.Errorf("%s: status %d: %s", path, response.StatusCode, text)
				}
			})
		}
	}
	requests.Wait()
}
