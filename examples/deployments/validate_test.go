//go:build strict

package deployments_test

import (
	"os"
	"os/exec"
	"testing"
)

// composeValidator is the parser of Docker Compose.
const composeValidator = "github.com/compose-spec/compose-go/v2/cmd@v2.16.2"

func TestComposeIsValid(t *testing.T) {
	run := exec.Command("go", "run", composeValidator, "-no-interpolation", "../compose/compose.yaml")
	run.Env = append(os.Environ(), "GOFLAGS=") // without -race
	if output, err := run.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}

func TestCaddyfileIsValid(t *testing.T) {
	for _, origin := range []string{"https://link.example.com", "http://localhost"} {
		if output, err := caddyCommand(t, t.TempDir(), origin, "validate",
			"../compose/Caddyfile").CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", origin, err, output)
		}
	}
}
