package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/config"
)

// Secrets of the parties of a test.
const (
	secret        = "Zq3vT8kX1mN5bR7cY2wL9pD4sF6hJ0gK" // of the provider
	backendSecret = "hV6nB1tG8yU3jM5kE9oQ2rS7dP4aC0xI"
	skillSecret   = "w5E2z7A9u1K3f8O6i4D0lH-qX_nTgRcY"
)

// good is a valid configuration. Tests replace parts of it.
const good = `
public_url: https://link.example.com
keys: ["${BRIDGE_TEST_KEY}"]
storage: {driver: sqlite, dsn: data/bridge.db}
trusted_proxies: [10.0.0.0/8]
providers:
  - id: corp
    issuer: https://login.example.com
    client_id: alexa-bridge
    client_secret: ${BRIDGE_TEST_SECRET}
skills:
  - client_id: pizza
    name: Contoso Pizza
    grants: [implicit]
    vendor_ids: [M2AAAAAAAAAAAA]
    allow: {groups: [staff]}
    tokens: {implicit_lifetime: 1h}
backends:
  - id: pizza-backend
    secret: ${BRIDGE_TEST_BACKEND}
    skills: [pizza]
`

func write(t *testing.T, text string) string {
	t.Helper()
	t.Setenv("BRIDGE_TEST_KEY", keys.Generate())
	t.Setenv("BRIDGE_TEST_SECRET", secret)
	t.Setenv("BRIDGE_TEST_BACKEND", backendSecret)
	t.Setenv("BRIDGE_TEST_SKILL", skillSecret)
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string) (*config.Config, []config.Warning) {
	t.Helper()
	loaded, warnings, err := config.Load(write(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return loaded, warnings
}

func replaced(t *testing.T, old, new string) string {
	t.Helper()
	if !strings.Contains(good, old) {
		t.Fatalf("%q is not in the configuration", old)
	}
	return strings.Replace(good, old, new, 1)
}

func TestDefaults(t *testing.T) {
	path := write(t, good)
	loaded, warnings, err := config.Load(path)
	if err != nil || len(warnings) != 0 {
		t.Fatalf("%v, %v", err, warnings)
	}
	if loaded.Listen != ":8080" || loaded.AdminListen != "127.0.0.1:8081" ||
		loaded.Server.MaxStaleness != 30*time.Second || loaded.Server.EndedRetention != 90*24*time.Hour ||
		loaded.Server.AuditRetention != 365*24*time.Hour ||
		loaded.Server.Memory != 64<<20 || !loaded.Log.JSON || loaded.Log.Level != 0 || loaded.Server.Templates != nil {
		t.Errorf("defaults: %+v", loaded)
	}
	if want := filepath.Join(filepath.Dir(path), "data", "bridge.db"); loaded.Storage.DSN != want {
		t.Errorf("dsn %s, want %s", loaded.Storage.DSN, want)
	}
	provider := loaded.Server.Providers[0]
	if !slices.Equal(provider.Scopes, []string{"openid", "profile", "email"}) || provider.ClientSecret != secret {
		t.Errorf("provider %+v", provider)
	}
	want := &bridge.Skill{
		ClientID: "pizza", Name: "Contoso Pizza", Provider: "corp", Grants: []bridge.Grant{"implicit"},
		RedirectURIs: alexa.RedirectURIs("M2AAAAAAAAAAAA"), Consent: true, ImplicitLifetime: time.Hour,
		MaxLinksPerPerson: 20,
		Allow:             bridge.Allow{Groups: []string{"staff"}},
		CodeLifetime:      time.Minute, AccessLifetime: time.Hour,
	}
	if got := loaded.Server.Skills[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("skill %+v, want %+v", got, want)
	}
	if backend := loaded.Server.Backends[0]; !backend.HasSecret(backendSecret) ||
		!slices.Equal(backend.Skills, []string{"pizza"}) {
		t.Errorf("backend %+v", backend)
	}
}

func TestEverythingSet(t *testing.T) {
	t.Setenv("PIZZA_CLIENT_SECRET", keys.Generate())
	t.Setenv("PIZZA_BACKEND_SECRET", backendSecret)
	t.Setenv("HR_ADMIN_SECRET", keys.Generate())
	t.Setenv("CORP_CLIENT_SECRET", secret)
	t.Setenv("BRIDGE_KEY", keys.Generate())
	loaded, warnings, err := config.Load("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 0 {
		t.Errorf("warnings %v", warnings)
	}
	skill := loaded.Server.Skills[0]
	if !skill.HasSecret(os.Getenv("PIZZA_CLIENT_SECRET")) || skill.AccessLifetime != time.Hour ||
		skill.CodeLifetime != time.Minute || skill.RotateRefresh {
		t.Errorf("code grant: %+v", skill)
	}
	want := bridge.Allow{EmailDomains: []string{"contoso.com"}, Groups: []string{"alexa-users"},
		Claims: []bridge.ClaimRule{{Name: "hd", AnyOf: []string{"contoso.com"}}}}
	if !reflect.DeepEqual(skill.Allow, want) || loaded.Server.Providers[0].AuthParams.Get("prompt") != "select_account" {
		t.Errorf("allow %+v, auth_params %v", skill.Allow, loaded.Server.Providers[0].AuthParams)
	}
}

// config.example.yaml explains every key in a comment above it.
func TestExampleExplainsEveryKey(t *testing.T) {
	text, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	form, err := os.ReadFile("form.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile("yaml:\"([a-z_]+)\"").FindAllStringSubmatch(string(form), -1) {
		key := regexp.MustCompile(`^\s*(- )?#?\s*` + match[1] + `:`)
		i := slices.IndexFunc(lines, func(line string) bool { return key.MatchString(line) })
		if match[1] == "any_of" || match[1] == "name" && i >= 0 {
			continue
		}
		if i < 1 {
			t.Errorf("%s is not in config.example.yaml", match[1])
		} else if above := strings.TrimSpace(lines[i-1]); !strings.HasPrefix(above, "#") && match[1] != "storage" &&
			match[1] != "lookup" && match[1] != "log" && match[1] != "tokens" {
			t.Errorf("%s is not explained above its line: %q", match[1], above)
		}
	}
}

// An empty secret counts as missing, for a skill that has only the implicit grant.
func TestEmptySecret(t *testing.T) {
	loaded, _ := load(t, replaced(t, "grants: [implicit]", "grants: [implicit]\n    client_secret: \"\""))
	if skill := loaded.Server.Skills[0]; len(skill.Secrets) != 0 || skill.HasSecret("") {
		t.Errorf("secrets %v", skill.Secrets)
	}
}

func TestReferences(t *testing.T) {
	t.Setenv("NAME", "Pizza ${BRIDGE_TEST_SECRET}")
	text := replaced(t, "name: Contoso Pizza", `name: "A ${NAME} $${NAME} $NAME"`)
	text = strings.Replace(text, "client_id: alexa-bridge", "client_id: ${file:id.txt}", 1)
	path := write(t, text)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "id.txt"), []byte("  from a file\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, _, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := loaded.Server.Skills[0].Name; got != "A Pizza ${BRIDGE_TEST_SECRET} ${NAME} $NAME" {
		t.Errorf("name %q: what is inserted must not be expanded again", got)
	}
	if got := loaded.Server.Providers[0].ClientID; got != "from a file" {
		t.Errorf("client id %q", got)
	}
}

func TestEnvironmentWins(t *testing.T) {
	t.Setenv("BRIDGE_PUBLIC_URL", "https://other.example.com")
	t.Setenv("BRIDGE_STORAGE_DSN", "/srv/links.db")
	t.Setenv("BRIDGE_LOOKUP_MAX_STALENESS", "45s")
	t.Setenv("BRIDGE_LISTEN", "127.0.0.1:9")
	t.Setenv("BRIDGE_ENDED_RETENTION", "0s")
	t.Setenv("BRIDGE_AUDIT_RETENTION", "48h")
	t.Setenv("BRIDGE_UNKNOWN", "x")
	t.Setenv("BRIDGE_SKILLS", "x")
	for _, text := range []string{good, replaced(t, "public_url: https://link.example.com\n", ""),
		replaced(t, "storage: {driver: sqlite, dsn: data/bridge.db}", "storage:")} {
		loaded, _ := load(t, text)
		if loaded.Server.PublicURL != "https://other.example.com" || loaded.Storage.DSN != "/srv/links.db" ||
			loaded.Server.MaxStaleness != 45*time.Second || loaded.Server.EndedRetention != 0 ||
			loaded.Server.AuditRetention != 48*time.Hour || loaded.Listen != "127.0.0.1:9" {
			t.Errorf("%+v", loaded)
		}
	}
}

// In an emergency, links can be revoked whatever else is wrong with the configuration.
func TestLoadStorage(t *testing.T) {
	path := write(t, "storage: {dsn: links.db}\nproviders: [nonsense]\nskills: 7\n"+
		"keys: [\"${NOT_SET_ANYWHERE}\"]\nfrobnicate: 1\nskills: 8\nallow:\n? [x]\n: y\n")
	storage, err := config.LoadStorage(path)
	if want := filepath.Join(filepath.Dir(path), "links.db"); err != nil || storage.DSN != want ||
		storage.Driver != "sqlite" {
		t.Errorf("%+v, %v", storage, err)
	}
	if _, err := config.LoadStorage(write(t, "storage: {dsn: \"\"}")); err == nil {
		t.Error("an empty dsn is accepted")
	}
	listen, err := config.LoadAdminListen(write(t, "admin_listen: 127.0.0.1:99\nskills: 7\n"))
	if err != nil || listen != "127.0.0.1:99" {
		t.Errorf("%s, %v", listen, err)
	}
}

// A password is encoded for the URL; a whole URL is inserted as it is.
func TestPostgresDSN(t *testing.T) {
	const encoded = "p%40ss%2Fw%3Frd%23100%25%20%2B"
	t.Setenv("DB_PASSWORD", "p@ss/w?rd#100% +")
	t.Setenv("DB_ADDRESS", "db.example.com:5432,other:5433")
	t.Setenv("DB_PARAMETERS", "sslmode=verify-full&connect_timeout=3")
	t.Setenv("DB_URL", "postgres://u:a%20b@db.example.com/bridge?sslmode=verify-full")
	tests := map[string]struct {
		dsn, want string
		warnings  []string // what each is about
	}{
		"a password": {"postgres://bridge:${DB_PASSWORD}@db.example.com:5432/bridge?sslmode=verify-full",
			"postgres://bridge:" + encoded + "@db.example.com:5432/bridge?sslmode=verify-full", nil},
		"an address": {
			"postgres://bridge:${DB_PASSWORD}@${DB_ADDRESS}/bridge?sslmode=verify-full&application_name=${DB_PASSWORD}",
			"postgres://bridge:" + encoded + "@db.example.com:5432,other:5433/bridge?sslmode=verify-full&application_name=" +
				encoded, nil},
		"parameters": {"postgres://bridge@db.example.com/bridge?${DB_PARAMETERS}",
			"postgres://bridge@db.example.com/bridge?sslmode=verify-full&connect_timeout=3", nil},
		"a whole URL": {"${DB_URL}", os.Getenv("DB_URL"), nil},
		"a password as it is": {"postgres://u:secret@localhost/bridge", "postgres://u:secret@localhost/bridge",
			[]string{"a secret is written"}},
		"no encryption": {"postgres://u:${DB_PASSWORD}@db.example.com/bridge?sslmode=require",
			"postgres://u:" + encoded + "@db.example.com/bridge?sslmode=require", []string{"sslmode=verify-full"}},
		"a socket": {"postgres://u@/bridge?host=/run/postgresql", "postgres://u@/bridge?host=/run/postgresql", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			loaded, warnings := load(t, replaced(t, "driver: sqlite, dsn: data/bridge.db",
				fmt.Sprintf("driver: postgres, dsn: %q", test.dsn)))
			if loaded.Storage.DSN != test.want || loaded.Storage.Driver != "postgres" {
				t.Errorf("%+v", loaded.Storage)
			}
			if len(warnings) != len(test.warnings) || len(warnings) == 1 &&
				!strings.Contains(warnings[0].Text, test.warnings[0]) {
				t.Errorf("warnings %v", warnings)
			}
			if password := os.Getenv("DB_PASSWORD"); strings.Contains(fmt.Sprint(warnings), password) {
				t.Error("a warning has the password")
			}
			storage, err := config.LoadStorage(write(t, fmt.Sprintf("storage: {driver: postgres, dsn: %q}", test.dsn)))
			if err != nil || storage.DSN != test.want {
				t.Errorf("%+v, %v", storage, err)
			}
		})
	}
}

func TestTemplatesDir(t *testing.T) {
	path := write(t, replaced(t, "public_url:", "templates_dir: pages\npublic_url:"))
	pages := filepath.Join(filepath.Dir(path), "pages")
	if err := os.Mkdir(pages, 0o700); err != nil {
		t.Fatal(err)
	}
	if loaded, _, err := config.Load(path); err != nil || loaded.Server.Templates == nil {
		t.Errorf("an empty folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(pages, "home.html"), []byte(`{{define "main"}}{{.Nothing}}{{end}}`),
		0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := config.Load(path); err == nil || !strings.HasPrefix(err.Error(), "2:16: templates_dir: ") {
		t.Errorf("a broken page: %v", err)
	}
}
