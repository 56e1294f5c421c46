package architecture_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/config"
)

// TestConfigurationsInDocuments verifies that every YAML block is a configuration, or a part of one, that loads.
func TestConfigurationsInDocuments(t *testing.T) {
	blocks := 0
	for _, document := range documents(t) {
		for _, block := range codeBlock.FindAllStringSubmatch(readFile(t, document), -1) {
			if block[1] != "yaml" {
				continue
			}
			blocks++
			if err := loadYAML(t, block[2]); err != nil {
				t.Errorf("%s: %v\nin\n%s", document, err, block[2])
			}
		}
	}
	if blocks < 7 {
		t.Errorf("only %d YAML blocks found", blocks)
	}
	const ofSkills = "examples/skill-node/bridge.yaml"
	if err := loadYAML(t, readFile(t, ofSkills)); err != nil {
		t.Errorf("%s: %v", ofSkills, err)
	}
}

// minimal is completed by the top-level keys that a block has.
const minimal = `
public_url: https://link.example.com
keys: ["${BRIDGE_KEY}"]
providers: [{id: corp, issuer: https://login.example.com, client_id: alexa-bridge,
  client_secret: "${CORP_CLIENT_SECRET}"}]
skills: [{client_id: pizza, name: Contoso Pizza, grants: [implicit], vendor_ids: [M2AAAAAAAAAAAA]}]
`

func loadYAML(t *testing.T, text string) error {
	t.Helper()
	merged, given := map[string]any{}, map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &given); err != nil {
		return err
	}
	if given["public_url"] == nil {
		if err := yaml.Unmarshal([]byte(minimal), &merged); err != nil {
			return err
		}
	}
	maps.Copy(merged, given)
	whole, err := yaml.Marshal(merged)
	if err != nil {
		return err
	}
	for _, name := range regexp.MustCompile(`\$\{([A-Z_]+)\}`).FindAllStringSubmatch(string(whole), -1) {
		t.Setenv(name[1], keys.Generate())
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		return err
	}
	_, _, err = config.Load(path)
	return err
}

// TestGoInReadme verifies that the Go code of the README is in the skill that it comes from, which is a module of its
// own with tests.
func TestGoInReadme(t *testing.T) {
	_, rest, found := strings.Cut(readFile(t, "README.md"), "\n```go\n")
	if !found {
		t.Fatal("README.md has no Go code")
	}
	code, _, _ := strings.Cut(rest, "\n```")
	source := readFile(t, "examples/skill-go/skill.go")
	for line := range strings.Lines(code) {
		line, _, _ = strings.Cut(line, " // ")
		line = strings.TrimSpace(line)
		_, after, found := strings.Cut(source, line)
		if !found {
			t.Fatalf("examples/skill-go/skill.go does not have %q here", line)
		}
		source = after
	}
}
