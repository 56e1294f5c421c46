package deployments_test

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/config"
)

// load reads a configuration as a replica would. It has no other secrets and variables than those that the deployment gives
// it.
func load(t *testing.T, folder, mounted string, secrets []string, variables map[string]string) (*config.Config, []string) {
	t.Helper()
	here := t.TempDir()
	writeSecrets(t, filepath.Join(here, "secrets"), secrets)
	text := strings.ReplaceAll(read(t, folder, "config.yaml"), mounted, filepath.Join(here, "secrets"))
	write(t, text, here, "config.yaml")
	for name, value := range variables {
		t.Setenv(name, value)
	}
	loaded, warnings, err := config.Load(filepath.Join(here, "config.yaml"))
	if err != nil {
		t.Fatalf("%s: %v", folder, err)
	}
	var paths []string
	for _, warning := range warnings {
		paths = append(paths, warning.Path)
	}
	return loaded, paths
}

// database checks that a configuration leads to PostgreSQL by a password that may hold any character.
func database(t *testing.T, loaded *config.Config) *url.URL {
	t.Helper()
	dsn, err := url.Parse(loaded.Storage.DSN)
	if err != nil {
		t.Fatal("storage.dsn is not a URL")
	}
	if loaded.Storage.Driver != sqlstore.PostgreSQL || dsn.Scheme != "postgres" {
		t.Errorf("driver %s, scheme %s", loaded.Storage.Driver, dsn.Scheme)
	}
	if password, _ := dsn.User.Password(); password != nasty {
		t.Errorf("the password is %q", password)
	}
	return dsn
}

func TestComposeConfig(t *testing.T) {
	file := decode[composeFile](t, composeFolder, "compose.yaml")
	replica := file.Services[file.replicas(t)[0]]
	env := file.environment(t, replica)
	loaded, warnings := load(t, composeFolder, "/run/secrets", replica.Secrets, env)
	wantSame(t, "warnings", warnings, []string{"storage.dsn"}) // not encrypted, as its comment says
	if loaded.Server.PublicURL != env["PUBLIC_URL"] {
		t.Errorf("public_url %s, and the proxy has %s", loaded.Server.PublicURL, env["PUBLIC_URL"])
	}
	dsn, db := database(t, loaded), file.Services["db"]
	if dsn.Hostname() != "db" || dsn.User.Username() != db.Environment["POSTGRES_USER"] || dsn.Path != "/"+db.Environment["POSTGRES_DB"] {
		t.Errorf("user %s, host %s, database %s; and the database is %v", dsn.User.Username(), dsn.Host, dsn.Path, db.Environment)
	}
	if dsn.Port() != "5432" || dsn.Query().Get("sslmode") != "disable" {
		t.Errorf("port %s, %v: the image listens on 5432, without TLS", dsn.Port(), dsn.Query())
	}
	t.Setenv("PUBLIC_URL", "http://localhost")
	if loaded, _ := load(t, composeFolder, "/run/secrets", replica.Secrets, nil); loaded.Server.PublicURL != "http://localhost" {
		t.Errorf("to try it: public_url %s", loaded.Server.PublicURL)
	}
}

func TestKubernetesConfig(t *testing.T) {
	manifest := readManifest(t)
	loaded, warnings := load(t, kubernetesFolder, "no such folder", manifest.secretFiles(t), nil)
	wantSame(t, "warnings", warnings, []string{"admin_listen"})
	query := database(t, loaded).Query()
	if query.Get("sslmode") != "verify-full" {
		t.Errorf("sslmode %s", query.Get("sslmode"))
	}
	folder, file := path.Split(query.Get("sslrootcert"))
	if folder != path.Dir(dockerfile(t).config)+"/secrets/" || !slices.Contains(manifest.secretFiles(t), file) {
		t.Errorf("sslrootcert %s is not mounted", query.Get("sslrootcert"))
	}
}

// TestVariables looks for a BRIDGE_… that no configuration knows, which would be ignored without a word.
func TestVariables(t *testing.T) {
	if !known(t, "BRIDGE_STORAGE_DSN") || known(t, "BRIDGE_STORAGE_DNS") {
		t.Fatal("this test cannot tell a variable that is known from one that is not")
	}
	for _, folder := range []string{composeFolder, kubernetesFolder} {
		for name, text := range texts(t, folder) {
			for _, variable := range regexp.MustCompile(`\bBRIDGE_[A-Z_]+`).FindAllString(text, -1) {
				if variable != "BRIDGE_CONFIG" && !known(t, variable) {
					t.Errorf("%s has %s, which the configuration does not know", name, variable)
				}
			}
		}
	}
}

// known says whether a variable reaches the configuration: then one that cannot be filled in is a fault.
func known(t *testing.T, variable string) bool {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	write(t, "{}", file)
	t.Setenv(variable, "${")
	defer os.Unsetenv(variable)
	_, _, err := config.Load(file)
	return err != nil && strings.Contains(err.Error(), "a ${ without its }")
}

// texts are the files of an example.
func texts(t *testing.T, folder string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%v, %q", err, files)
	}
	found := map[string]string{}
	for _, file := range append(files, filepath.Join(folder, ".gitignore")) {
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			found[file] = read(t, file)
		}
	}
	return found
}
