package architecture_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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
}

// minimal is completed by the top-level keys that a block has.
const minimal = `
public_url: https://link.example.com
keys: ["${BRIDGE_KEY}"]
providers: [{id: corp, issuer: https://login.example.com, client_id: alexa-bridge, client_secret: "${CORP_CLIENT_SECRET}"}]
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

// TestCommandsInDocuments verifies that the commands and flags that documents name exist, and that operations.md has
// every command.
func TestCommandsInDocuments(t *testing.T) {
	help := commands(t)
	commandLine := regexp.MustCompile("(?m)(^|[\\s(`])/?alexa-oidc-bridge ([a-z][^`\n|)#]*)")
	found := 0
	for _, document := range documents(t) {
		for _, code := range codeOf(readFile(t, document)) {
			for _, match := range commandLine.FindAllStringSubmatchIndex(code, -1) {
				before := code[:match[3]]
				if strings.HasSuffix(before, "-n ") || strings.HasSuffix(before, "namespace ") { // of kubectl
					continue
				}
				found++
				if problem := checkCommand(help, strings.Fields(code[match[4]:match[5]])); problem != "" {
					t.Errorf("%s: %s: %s", document, code[match[4]:match[5]], problem)
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d commands found", found)
	}
	operations := readFile(t, "docs/operations.md")
	for command := range help {
		if command != "" && command != "links" && !strings.Contains(operations, "| `"+command+"` |") {
			t.Errorf("docs/operations.md lacks the command %s", command)
		}
	}
}

// checkCommand returns what is wrong with a command line, or "".
func checkCommand(help map[string]string, words []string) string {
	command := words[0]
	if _, isGroup := help[command+" list"]; isGroup && len(words) > 1 {
		command += " " + words[1]
	}
	text, found := help[command]
	if !found {
		return "there is no such command"
	}
	for _, word := range words {
		name, _, _ := strings.Cut(word, "=")
		if strings.HasPrefix(name, "--") && !strings.Contains(text, name+" ") {
			return "it has no flag " + name
		}
	}
	return ""
}

// commands builds the program and returns the help of every command, by its name; "" is the program itself.
func commands(t *testing.T) map[string]string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "alexa-oidc-bridge")
	if output, err := exec.Command("go", "build", "-o", program, "./cmd/alexa-oidc-bridge").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, output)
	}
	help := map[string]string{}
	waiting := []string{""}
	for len(waiting) > 0 {
		command := waiting[0]
		output, err := exec.Command(program, append(strings.Fields(command), "--help")...).Output()
		if err != nil {
			t.Fatalf("%s --help: %v", command, err)
		}
		help[command], waiting = string(output), waiting[1:]
		_, list, _ := strings.Cut(string(output), "Available Commands:\n")
		list, _, _ = strings.Cut(list, "\n\n")
		for line := range strings.Lines(list) {
			if name := strings.Fields(line)[0]; name != "help" {
				waiting = append(waiting, strings.TrimSpace(command+" "+name))
			}
		}
	}
	return help
}

// codeOf returns the code blocks and code spans of a document.
func codeOf(text string) []string {
	var code []string
	for _, block := range codeBlock.FindAllStringSubmatch(text, -1) {
		code = append(code, block[2])
	}
	spans := regexp.MustCompile("`[^`\n]+`").FindAllString(codeBlock.ReplaceAllString(text, ""), -1)
	return slices.Concat(code, spans)
}
