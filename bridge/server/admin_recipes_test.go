package server_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
)

// recipes returns the blocks of a language in docs/admin-api.md.
func recipes(t *testing.T, language string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/admin-api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(text), "\n```"+language+"\n")[1:] {
		code, _, _ := strings.Cut(block, "\n```\n")
		blocks = append(blocks, code+"\n")
	}
	return blocks
}

// TestAdminRecipes sends the requests of the recipes for Entra ID and Okta as their workflows do, for a person who left
// and without one.
func TestAdminRecipes(t *testing.T) {
	t.Parallel()
	blocks := recipes(t, "json")
	if len(blocks) != 2 {
		t.Fatalf("%d JSON blocks in docs/admin-api.md, want those of Entra ID and of Okta", len(blocks))
	}
	const id = "6f1c7a52-1d0e-4b7e-9d53-0a1b2c3d4e5f"
	a := startAdmin(t, nil)
	for _, tt := range []struct{ name, block, expression, reason string }{
		{"Entra ID", blocks[0], "@{triggerBody()?['data']?['subject']?['id']}", "Entra lifecycle workflow"},
		{"Okta", blocks[1], "{{ID}}", "deactivated in Okta"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a.Within(t)
			link := a.LinkOf(bridge.Account{Subject: id})
			send := func(status int, subject string) {
				if strings.Count(tt.block, tt.expression) != 1 {
					t.Fatalf("%s is not in\n%s", tt.expression, tt.block)
				}
				method, path, body, headers := recipeRequest(t, strings.Replace(tt.block, tt.expression, subject, 1))
				a.want(status, method, path, body, headers)
			}
			send(http.StatusBadRequest, "")
			if len(a.liveIDs()) != 1 {
				t.Error("without an id, a link ended")
			}
			send(http.StatusOK, id)
			for _, ended := range a.Links() {
				if ended.ID == link && (string(ended.Reason) != tt.reason || ended.Actor != "api:hr") {
					t.Errorf("ended for %q by %q", ended.Reason, ended.Actor)
				}
			}
			if len(a.liveIDs()) != 0 {
				t.Error("the link is live")
			}
		})
	}
}

// recipeRequest returns the request of a block: an action of a Logic App, or a body.
func recipeRequest(t *testing.T, block string) (method, path, body string, headers func(*http.Request)) {
	t.Helper()
	var action map[string]struct {
		Inputs struct {
			Method, URI string
			Headers     map[string]string
			Body        json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(block), &action); err != nil || action["End_links"].Inputs.Method == "" {
		return "POST", "/api/links/revoke", block, func(*http.Request) {}
	}
	inputs := action["End_links"].Inputs
	path = strings.TrimPrefix(inputs.URI, "https://bridge-admin.example.com")
	return inputs.Method, path, string(inputs.Body), func(r *http.Request) {
		for name, value := range inputs.Headers {
			r.Header.Set(name, strings.Replace(value, "@{parameters('bridgeSecret')}", hrSecret, 1))
		}
	}
}
