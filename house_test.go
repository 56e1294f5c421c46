// Package house_test holds the rules by which the packages of this module may know one another.
package house_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "alexa-oidc-bridge"

// floors says on which floor a room is. A room may import only rooms on floors below its own, and what is inside itself.
func floors() map[string]int {
	return map[string]int{
		"cmd/alexa-oidc-bridge": 5, "examples": 5,
		"config":           4,
		"bridge/server":    3,
		"bridge/authorize": 2, "bridge/token": 2, "bridge/introspect": 2, "bridge/lifecycle": 2, "bridge/people": 2,
		"bridge/admin": 2, "bridge/sqlstore": 2, "bridge/storetest": 2,
		"bridge":          1,
		"bridge/upstream": 0, "bridge/alexa": 0, "bridge/keys": 0, "bridge/lookup": 0, "templates": 0,
	}
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// TestFloors holds the house to its floors: imports go down only, and rooms on one floor do not know one another.
func TestFloors(t *testing.T) {
	packages := listPackages(t)
	if len(packages) < 10 {
		t.Fatalf("only %d packages found", len(packages))
	}
	for _, p := range packages {
		room, floor := roomOf(t, p.ImportPath)
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, module+"/") {
				continue
			}
			below, belowFloor := roomOf(t, imported)
			if below != room && belowFloor >= floor {
				t.Errorf("%s (floor %d) imports %s (floor %d)", p.ImportPath, floor, imported, belowFloor)
			}
		}
	}
}

// TestForeignLibrariesStayInTheirRooms lets the bridge be mounted in another program, which brings its own configuration
// and its own store.
func TestForeignLibrariesStayInTheirRooms(t *testing.T) {
	viper := []string{"github.com/spf13/viper"}
	drivers := []string{"modernc.org/sqlite", "github.com/jackc/pgx/v5", "github.com/lib/pq", "github.com/mattn/go-sqlite3"}
	for _, p := range listPackages(t) {
		room, floor := roomOf(t, p.ImportPath)
		if floor < 4 {
			wantNone(t, p, viper)
		}
		if room != "bridge/sqlstore" && floor < 5 {
			wantNone(t, p, drivers)
		}
		if room == "bridge/lookup" {
			wantNone(t, p, []string{"github.com/", "golang.org/", "modernc.org/"})
		}
	}
}

func wantNone(t *testing.T, p goPackage, prefixes []string) {
	t.Helper()
	for _, dep := range p.Deps {
		if slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(dep, prefix) }) {
			t.Errorf("%s depends on %s", p.ImportPath, dep)
		}
	}
}

// roomOf finds the room that a package is in: the longest name of a room that its path begins with.
func roomOf(t *testing.T, importPath string) (room string, floor int) {
	t.Helper()
	path := strings.TrimPrefix(importPath, module+"/")
	for name := range floors() {
		inside := path == name || strings.HasPrefix(path, name+"/")
		if inside && len(name) > len(room) {
			room = name
		}
	}
	if room == "" || (room == "bridge" && path != "bridge") {
		t.Fatalf("%s is in no room; give it a floor", importPath)
	}
	return room, floors()[room]
}

// listPackages asks the go tool for the packages of the house, without their tests.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	output, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./cmd/...", "./examples/...", "./config/...",
		"./bridge/...", "./templates/...").Output()
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
