// Package architecture_test holds the rules by which the packages of this module import each other. See
// docs/architecture.md.
package architecture_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "alexa-oidc-bridge"

// layers assigns a layer to each directory. A package may import only packages of lower layers, and what is below its
// own directory. The longest matching directory counts.
func layers() map[string]int {
	return map[string]int{
		"internal":              7, // test helpers and the load test may import everything
		"cmd/alexa-oidc-bridge": 6, "examples": 6,
		"config":                    5,
		"bridge/server":             4,
		"bridge/internal/authorize": 3, "bridge/internal/token": 3, "bridge/internal/introspect": 3,
		"bridge/internal/recheck": 3, "bridge/internal/scim": 3, "bridge/internal/logout": 3,
		"bridge/internal/people": 3, "bridge/internal/admin": 3, "bridge/internal/events": 3,
		"bridge/sqlstore": 3, "bridge/storetest": 3,
		"bridge/internal/endpoint": 2, "bridge/internal/httperror": 2,
		"bridge/internal/sealedcookie": 1,
		"bridge/internal/clients":      1, "bridge/internal/limit": 1, "bridge/transfer": 1, "bridge/operator": 1,
		"bridge/alexa/simulator": 1,
		"bridge":                 0,
		"bridge/internal/oauth":  0, "bridge/internal/reference": 0, "bridge/internal/answercache": 0,
		"bridge/internal/clientaddr": 0,
		"bridge/upstream":            -1, "bridge/upstreamtest": -1, "bridge/alexa": -1, "bridge/keys": -1,
		"bridge/lookup": -1,
		"templates":     -1,
	}
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// TestLayers verifies that imports go down only, and that packages of one layer do not import each other.
func TestLayers(t *testing.T) {
	packages := listPackages(t)
	if len(packages) < 10 {
		t.Fatalf("only %d packages found", len(packages))
	}
	for _, p := range packages {
		directory, layer := layerOf(t, p.ImportPath)
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, module+"/") {
				continue
			}
			below, belowLayer := layerOf(t, imported)
			if below != directory && belowLayer >= layer {
				t.Errorf("%s (layer %d) imports %s (layer %d)", p.ImportPath, layer, imported, belowLayer)
			}
		}
	}
}

// TestForeignImports verifies that the bridge can be mounted in another program, which brings its own configuration
// and its own store.
func TestForeignImports(t *testing.T) {
	viper := []string{"github.com/spf13/viper"}
	drivers := []string{"modernc.org/sqlite", "github.com/jackc/pgx/v5", "github.com/lib/pq",
		"github.com/mattn/go-sqlite3"}
	for _, p := range listPackages(t) {
		directory, layer := layerOf(t, p.ImportPath)
		if layer < layers()["config"] {
			wantNoDeps(t, p, viper)
		}
		if directory != "bridge/sqlstore" && layer <= layers()["config"] {
			wantNoDeps(t, p, drivers)
		}
		if directory == "bridge/lookup" {
			wantNoDeps(t, p, []string{"github.com/", "golang.org/", "modernc.org/"})
		}
	}
}

func wantNoDeps(t *testing.T, p goPackage, prefixes []string) {
	t.Helper()
	for _, dep := range p.Deps {
		if slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(dep, prefix) }) {
			t.Errorf("%s depends on %s", p.ImportPath, dep)
		}
	}
}

// layerOf returns the directory of [layers] that a package belongs to, and its layer.
func layerOf(t *testing.T, importPath string) (directory string, layer int) {
	t.Helper()
	path := strings.TrimPrefix(importPath, module+"/")
	for name := range layers() {
		inside := path == name || strings.HasPrefix(path, name+"/")
		if inside && len(name) > len(directory) {
			directory = name
		}
	}
	if directory == "" || (directory == "bridge" && path != "bridge") {
		t.Fatalf("%s has no layer; add it to layers", importPath)
	}
	return directory, layers()[directory]
}

// listPackages returns the packages of this module, without their tests.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	output, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./cmd/...", "./examples/...",
		"./config/...", "./bridge/...", "./templates/...", "./internal/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []goPackage
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	for decoder.More() {
		var p goPackage
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	return packages
}
