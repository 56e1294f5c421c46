//go:build strict

package templates_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"testing"

	"alexa-oidc-bridge/internal/testmachine"
)

const (
	lighthouseFolder = "testdata/lighthouse"
	minScore         = 0.95
)

// audit is one line of audit.js.
type audit struct {
	URL    string             `json:"url"`
	Scores map[string]float64 `json:"scores"` // by category
	Failed []string           `json:"failed"`
}

// TestLighthouse audits each kind of page with Lighthouse.
func TestLighthouse(t *testing.T) {
	seen := map[string]bool{}
	for _, page := range runLighthouse(t, servePages(t)) {
		name := path.Base(page.URL)
		seen[name] = true
		for _, category := range []string{"accessibility", "best-practices"} {
			if got := page.Scores[category]; got < minScore {
				t.Errorf("%s: %s is %.2f, want %.2f; not passed: %q", name, category, got, minScore, page.Failed)
			}
		}
		t.Logf("%s: %v, not passed: %q", name, page.Scores, page.Failed)
	}
	for _, name := range pageNames() {
		if !seen[name] {
			t.Errorf("%s was not audited", name)
		}
	}
}

func runLighthouse(t *testing.T, origin string) []audit {
	t.Helper()
	browser := chromium(t)
	_, err := exec.LookPath("node")
	testmachine.Need(t, err == nil, "node is not on the PATH; install Node.js")
	_, err = os.Stat(filepath.Join(lighthouseFolder, "node_modules", "lighthouse"))
	testmachine.Need(t, err == nil, "lighthouse is not installed; run npm ci in templates/"+lighthouseFolder)
	arguments := []string{"audit.js"}
	for _, name := range pageNames() {
		arguments = append(arguments, origin+"/"+name)
	}
	var stderr bytes.Buffer
	process := exec.CommandContext(t.Context(), "node", arguments...)
	process.Dir, process.Stderr = lighthouseFolder, &stderr
	process.Env = append(os.Environ(), "CHROME_PATH="+browser)
	output, err := process.Output()
	if err != nil {
		t.Fatalf("lighthouse: %v\n%s", err, &stderr)
	}
	var audits []audit
	for decoder := json.NewDecoder(bytes.NewReader(output)); decoder.More(); {
		var one audit
		if err := decoder.Decode(&one); err != nil {
			t.Fatal(err)
		}
		audits = append(audits, one)
	}
	return audits
}
