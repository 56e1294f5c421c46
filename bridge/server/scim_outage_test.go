package server_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
)

func (s *hookedStore) CreateDirectoryUser(ctx context.Context, user bridge.DirectoryUser,
	ending bridge.Deprovisioning) (
	bridge.DirectoryUpdate, error) {
	if err := s.call(ctx, "CreateDirectoryUser"); err != nil {
		return bridge.DirectoryUpdate{}, err
	}
	return s.Store.CreateDirectoryUser(ctx, user, ending)
}

func (s *hookedStore) UpdateDirectoryUser(ctx context.Context, provider, id string, change bridge.DirectoryChange,
	ending bridge.Deprovisioning) (bridge.DirectoryUpdate, error) {
	if err := s.call(ctx, "UpdateDirectoryUser"); err != nil {
		return bridge.DirectoryUpdate{}, err
	}
	return s.Store.UpdateDirectoryUser(ctx, provider, id, change, ending)
}

func (s *hookedStore) DirectoryUsers(ctx context.Context, filter bridge.DirectoryFilter, offset, limit int) (
	bridge.DirectoryPage, error) {
	if err := s.call(ctx, "DirectoryUsers"); err != nil {
		return bridge.DirectoryPage{}, err
	}
	return s.Store.DirectoryUsers(ctx, filter, offset, limit)
}

// TestSCIMOutage sends requests while the store fails. Nothing ends before it is recorded.
func TestSCIMOutage(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withSCIM(bridge.SCIMExternalID, "sub"))
	user, token := b.user("ada", "a2b4c6"), b.Link()
	store := hookStore(b)
	store.be(failing("UpdateDirectoryUser", "DirectoryUsers"))
	for method, body := range map[string]string{"GET": "", "PATCH": patch(deactivatedByEntra)} {
		response, object := b.SCIM(method, user, body)
		if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || object["status"] != "503" {
			t.Errorf("%s: status %d, %v, %v", method, response.StatusCode, response.Header, object)
		}
	}
	b.WantSCIM(404, "GET", "/Users/a%00b", "") // whom no store knows, and PostgreSQL cannot be asked for
	b.WantLogged(map[string]any{"msg": "SCIM request failed", "level": "ERROR", "provider": "corp"})
	store.be(working)
	b.WantActive(token)
	b.WantSCIM(200, "PATCH", user, patch(deactivatedByEntra))
	b.WantInactive(token)
}

// TestSCIMRenamed has a person whose name in the directory changed: it matches new links, and the log says so.
func TestSCIMRenamed(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withSCIM(bridge.SCIMUserName, "email"))
	user := b.user("ada@contoso.com", "x")
	b.WantSCIM(200, "PATCH", user, patch(`{"op":"Replace","path":"userName","value":"Ada@contoso.com"},`+
		`{"op":"Replace","path":"externalId","value":"y"}`))
	if strings.Contains(b.Logs.String(), "a directory's user was renamed") {
		t.Error("another case is another name")
	}
	b.WantSCIM(200, "PATCH", user, patch(`{"op":"Replace","path":"userName","value":"lovelace@contoso.com"}`))
	b.WantLogged(map[string]any{"msg": "a directory's user was renamed", "level": "WARN", "attribute": "userName"})
	if slices.ContainsFunc(b.Links(), bridge.Link.Revoked) {
		t.Error("a link ended")
	}
}
