//go:build strict

package alexa_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/internal/testmachine"
)

const amazonFolder = "testdata/amazon"

// TestAmazonsVerifier sends the same requests to Amazon's verifier for Node. Both must decide alike, except where the
// table has a reason.
func TestAmazonsVerifier(t *testing.T) {
	t.Parallel()
	_, err := exec.LookPath("node")
	testmachine.Need(t, err == nil, "node is not on the PATH; install Node.js")
	_, err = os.Stat(filepath.Join(amazonFolder, "node_modules", "ask-sdk-express-adapter"))
	testmachine.Need(t, err == nil, "ask-sdk-express-adapter is not installed; run npm ci in "+amazonFolder)

	forge := newForge(t)
	cases := forge.cases(t)
	if len(cases) < 40 {
		t.Fatalf("only %d cases", len(cases))
	}
	theirs := amazonVerdicts(t, forge, cases)
	differences := 0
	for i, c := range cases {
		ours := forge.verify(t, c)
		if (ours == nil) != c.accepted {
			t.Errorf("%s: accepted %t: %v", c.name, ours == nil, ours)
		}
		amazonAccepts := c.accepted != (c.because != "")
		if (theirs[i] == "") != amazonAccepts {
			t.Errorf("%s: Amazon accepts: %t, want %t: %s", c.name, theirs[i] == "", amazonAccepts, theirs[i])
		}
		if c.because != "" {
			differences++
		}
	}
	t.Logf("%d requests, %d intended differences", len(cases), differences)
}

// amazonVerdicts returns the error of Amazon's verifier for each case; empty: it accepts the request.
func amazonVerdicts(t *testing.T, forge *forge, cases []*forgery) (verdicts []string) {
	t.Helper()
	type request struct {
		Headers map[string]string `json:"headers"`
		Body    []byte            `json:"body"`
		Status  int               `json:"status"`
		Chain   []byte            `json:"chain"`
	}
	var requests []request
	for _, c := range cases {
		headers := map[string]string{} // as Node has them
		for name, values := range c.header {
			headers[strings.ToLower(name)] = strings.Join(values, ", ")
		}
		requests = append(requests, request{headers, c.body, c.status, c.chain})
	}
	input, err := json.Marshal(map[string]any{"roots": forge.rootTexts, "requests": requests})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	node := exec.CommandContext(ctx, "node", "verifier.js")
	node.Dir, node.Stdin, node.Stderr = amazonFolder, bytes.NewReader(input), &stderr
	output, err := node.Output()
	if err != nil || json.Unmarshal(output, &verdicts) != nil || len(verdicts) != len(cases) {
		t.Fatalf("verifier.js: %v: %s%s", err, output, &stderr)
	}
	return verdicts
}

// verify verifies a case with a Verifier that knows no chain yet.
func (f *forge) verify(t *testing.T, c *forgery) error {
	t.Helper()
	roots := x509.NewCertPool()
	for _, text := range f.rootTexts {
		roots.AppendCertsFromPEM([]byte(text))
	}
	server := &chainServer{respond: func(*http.Request) (int, string, error) {
		if c.status == 0 {
			return 0, "", errNoConnection
		}
		return c.status, string(c.chain), nil
	}}
	verifier := &alexa.Verifier{SkillIDs: []string{skillID}, Roots: roots, Transport: server,
		Now: func() time.Time { return f.now }}
	return verifier.Verify(t.Context(), c.header, c.body)
}
