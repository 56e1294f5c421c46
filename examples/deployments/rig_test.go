// Package deployments_test holds the examples for Docker Compose and Kubernetes to what the program is: its configuration,
// its commands, its ports and its image.
package deployments_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"alexa-oidc-bridge/bridge/keys"
)

const (
	composeFolder    = "../compose"
	kubernetesFolder = "../kubernetes"

	stopsWithin = 8 * time.Second // what serve promises about SIGTERM
)

// need ends a test that the machine lacks something for: it is skipped, or fails where BRIDGE_TEST_STRICT=1 says that
// every test has to run.
func need(t *testing.T, met bool, reason string) {
	t.Helper()
	switch {
	case met:
	case os.Getenv("BRIDGE_TEST_STRICT") == "1":
		t.Fatal(reason)
	default:
		t.Skip(reason)
	}
}

func read(t *testing.T, elements ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, text string, elements ...string) {
	t.Helper()
	file := filepath.Join(elements...)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// decode reads a file with one YAML document.
func decode[T any](t *testing.T, elements ...string) T {
	t.Helper()
	var value T
	if err := yaml.Unmarshal([]byte(read(t, elements...)), &value); err != nil {
		t.Fatalf("%s: %v", filepath.Join(elements...), err)
	}
	return value
}

// only decodes the one document of a kind among those of a file.
func only[T any](t *testing.T, text, kind string) T {
	t.Helper()
	var found []yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			break
		}
		var head struct{ Kind string }
		if err := errors.Join(err, node.Decode(&head)); err != nil {
			t.Fatal(err)
		}
		if head.Kind == kind {
			found = append(found, node)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d documents of kind %s", len(found), kind)
	}
	var value T
	if err := found[0].Decode(&value); err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	return value
}

// submatches returns what the group of an expression matches in a text, sorted, each once.
func submatches(expression, text string) []string {
	found := map[string]bool{}
	for _, match := range regexp.MustCompile(expression).FindAllStringSubmatch(text, -1) {
		found[match[1]] = true
	}
	return slices.Sorted(maps.Keys(found))
}

func wantSame(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// image is what the Dockerfile says about the image.
type image struct {
	program string // its entry point
	config  string // where it looks for its configuration
	user    string
	volume  string
}

func dockerfile(t *testing.T) image {
	t.Helper()
	text := read(t, "../../Dockerfile")
	one := func(expression string) string {
		found := submatches(expression, text)
		if len(found) != 1 {
			t.Fatalf("the Dockerfile has %q for %s", found, expression)
		}
		return found[0]
	}
	return image{program: one(`(?m)^ENTRYPOINT \["(.+)"\]$`), config: one(`(?m)^ENV BRIDGE_CONFIG=(.+)$`), user: one(`(?m)^USER (\d+):`),
		volume: one(`(?m)^VOLUME (.+)$`)}
}

// configText is what the tests read of a configuration by themselves.
type configText struct {
	PublicURL   string `yaml:"public_url"`
	Listen      string
	AdminListen string `yaml:"admin_listen"`
	Storage     struct{ DSN string }
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, found := strings.Cut(address, ":")
	if !found {
		t.Fatalf("%q names no port", address)
	}
	return port
}

// nasty is a password that is good only where it is put into a URL with care.
const nasty = `p@ss/w:rd?#%41&sslmode=disable +`

// writeSecrets writes the secrets of an example, as its README has them made.
func writeSecrets(t *testing.T, folder string, names []string) {
	t.Helper()
	for _, name := range names {
		secret := keys.Generate()
		if name == "db_password" {
			secret = nasty
		}
		write(t, secret+"\n", folder, name)
	}
}

// copyExample copies an example into a new folder, without what its .gitignore leaves out.
func copyExample(t *testing.T, folder string) string {
	t.Helper()
	copied := t.TempDir()
	ignored := strings.Fields(read(t, folder, ".gitignore"))
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case slices.Contains(ignored, "/"+name) || slices.Contains(ignored, "/"+name+"/"):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !entry.IsDir():
			write(t, read(t, folder, name), copied, path.Clean(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return copied
}
