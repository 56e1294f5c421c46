package config_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/config"
)

// withSecrets returns the configuration with a skill that has a secret.
func withSecrets(t *testing.T) string {
	t.Helper()
	return replaced(t, "grants: [implicit]", "grants: [implicit]\n    client_secret: ${BRIDGE_TEST_SKILL}")
}

// TestGuessableSecrets puts what can be guessed in the place of every secret.
func TestGuessableSecrets(t *testing.T) {
	places := map[string]string{ // by variable
		"BRIDGE_TEST_SECRET":  "10:20: providers[0].client_secret",
		"BRIDGE_TEST_SKILL":   "15:20: skills[0].client_secret",
		"BRIDGE_TEST_BACKEND": "21:13: backends[0].secret",
	}
	values := map[string]string{
		strings.Repeat("a", 40):                "it has fewer than 8 different characters",
		"abcabcdabcdeabcdefabcdefabcdefgabcab": "it has fewer than 8 different characters",
		strings.Repeat("changeme-", 5):         "it is one block, repeated",
		"0123456789abcdef0123456789abcdef":     "it is one block, repeated",
		"S3cretValue-S3cretValue-S3cretValue":  "it is one block, repeated",
		"abcdefghijklmnopqrstuvwxyz0123456789": "it is a sequence",
		"ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210": "it is a sequence",
	}
	for variable, place := range places {
		for value, why := range values {
			path := write(t, withSecrets(t))
			t.Setenv(variable, value)
			_, _, err := config.Load(path)
			if err == nil || !strings.HasPrefix(err.Error(), place+": can be guessed: "+why+"; ") ||
				strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), value) {
				t.Errorf("%s %s: %v, want one problem: %s", variable, value, err, why)
			}
		}
	}
}

func TestGuessableKeys(t *testing.T) {
	ascending := make([]byte, keys.SecretSize)
	for i := range ascending {
		ascending[i] = byte(i)
	}
	for why, key := range map[string][]byte{
		"it has fewer than 8 different characters": make([]byte, keys.SecretSize),
		"it is one block, repeated":                bytes.Repeat([]byte("\x03v\xa0Zq\x7f!\x99"), 4),
		"it is a sequence":                         ascending,
	} {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
			path := write(t, good)
			t.Setenv("BRIDGE_TEST_KEY", encoding.EncodeToString(key))
			_, _, err := config.Load(path)
			if err == nil || !strings.HasPrefix(err.Error(), "3:8: keys[0]: can be guessed: "+why+"; ") {
				t.Errorf("%v, want %s", err, why)
			}
		}
	}
}

// TestRandomSecrets verifies that what is drawn at random is never refused.
func TestRandomSecrets(t *testing.T) {
	path := write(t, good)
	for range 2000 {
		t.Setenv("BRIDGE_TEST_KEY", keys.Generate())
		t.Setenv("BRIDGE_TEST_BACKEND", keys.Generate())
		if _, _, err := config.Load(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSharedSecrets(t *testing.T) {
	key := keys.Generate()
	raw, err := keys.Parse(key)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, variable, as, want string }{
		{"provider and backend", "BRIDGE_TEST_BACKEND", secret,
			"21:13: backends[0].secret: the same secret as providers[0].client_secret"},
		{"provider and skill", "BRIDGE_TEST_SKILL", secret,
			"15:20: skills[0].client_secret: the same secret as providers[0].client_secret"},
		{"skill and backend", "BRIDGE_TEST_BACKEND", skillSecret,
			"21:13: backends[0].secret: the same secret as skills[0].client_secret"},
		{"key and backend", "BRIDGE_TEST_BACKEND", key, "21:13: backends[0].secret: the same secret as keys[0]"},
		{"key in another alphabet", "BRIDGE_TEST_BACKEND", base64.StdEncoding.EncodeToString(raw),
			"21:13: backends[0].secret: the same secret as keys[0]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, withSecrets(t))
			t.Setenv("BRIDGE_TEST_KEY", key)
			t.Setenv(tt.variable, tt.as)
			_, _, err := config.Load(path)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want+"; ") || strings.Contains(err.Error(), tt.as) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
	two := strings.Replace(good, "  - id: corp\n", "  - id: other\n    issuer: https://login.example.com\n"+
		"    client_id: alexa-bridge\n    client_secret: ${BRIDGE_TEST_SECRET}\n  - id: corp\n", 1)
	two = strings.Replace(two, "name: Contoso Pizza", "name: Contoso Pizza\n    provider: corp", 1)
	load(t, two) // one client of one provider, with two sets of scopes
	others := strings.Replace(two, "client_id: alexa-bridge", "client_id: another", 1)
	if got := problemsOf(t, others); !slices.Equal(got,
		[]string{"14:20: providers[1].client_secret: the same secret as providers[0].client_secret"}) {
		t.Errorf("two clients: %q", got)
	}
}

// TestReadableSecrets gives the files that hold secrets to others, or only seems to.
func TestReadableSecrets(t *testing.T) {
	inline := replaced(t, "secret: ${BRIDGE_TEST_BACKEND}\n    skills", "secret: "+backendSecret+"\n    skills")
	file := replaced(t, "client_secret: ${BRIDGE_TEST_SECRET}", "client_secret: ${file:secrets/corp}")
	tests := []struct {
		name         string
		text         string
		config       os.FileMode
		folder       os.FileMode
		secret       os.FileMode
		owner        int    // of the secret, if this is root
		path, inText string // of the only warning; the text in part
	}{
		{"no secret in the configuration", good, 0o644, 0o755, 0o644, 65534, "", ""},
		{"a secret in the configuration", inline, 0o644, 0o755, 0o600, 65534, "backends[0].secret",
			"config.yaml, which holds"},
		{"which only its owner reads", inline, 0o600, 0o755, 0o600, 65534, "", ""},
		{"a file for others", file, 0o644, 0o755, 0o604, 65534, "providers[0].client_secret", "corp, which holds"},
		{"a file for a group", file, 0o644, 0o755, 0o640, 65534, "providers[0].client_secret", "corp, which holds"},
		{"a file of root for a group", file, 0o644, 0o755, 0o640, 0, "", ""},
		{"a file for nobody else", file, 0o644, 0o755, 0o600, 65534, "", ""},
		{"a file for others in a closed folder", file, 0o644, 0o700, 0o644, 65534, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := writeReadable(t, tt.text, tt.config, tt.folder, tt.secret, tt.owner)
			_, warnings, err := config.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			warnings = slices.DeleteFunc(warnings, func(w config.Warning) bool {
				return strings.Contains(w.Text, "written in the configuration")
			})
			switch {
			case tt.path == "" && len(warnings) == 0:
			case len(warnings) != 1 || warnings[0].Path != tt.path || !strings.Contains(warnings[0].Text, tt.inText):
				t.Errorf("warnings %v, want one of %s: %s", warnings, tt.path, tt.inText)
			}
		})
	}
}

// writeReadable writes a configuration and a secret in a folder beside it, where all above can be entered by everybody.
func writeReadable(
	t *testing.T, text string, configMode, folderMode, secretMode os.FileMode, owner int,
) (path string) {
	t.Helper()
	path = write(t, text)
	folder := filepath.Join(filepath.Dir(path), "secrets")
	file := filepath.Join(folder, "corp")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(file, owner, 0); err != nil {
			t.Fatal(err)
		}
	} else if owner == 0 {
		t.Skip("only root can give a file to root")
	}
	for name, mode := range map[string]os.FileMode{
		path: configMode, folder: folderMode, file: secretMode,
		filepath.Dir(path): 0o755, filepath.Dir(filepath.Dir(path)): 0o755,
	} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	return path
}
