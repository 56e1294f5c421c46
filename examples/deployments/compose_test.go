package deployments_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

type composeFile struct {
	Services map[string]composeService
	Networks map[string]struct{ Internal bool }
	Volumes  map[string]any
	Secrets  map[string]struct{ File string }
}

type composeService struct {
	Image       string
	PullPolicy  string `yaml:"pull_policy"`
	Command     []string
	Environment map[string]string
	Volumes     []string
	Tmpfs       []string
	Secrets     []string
	Networks    []string
	Ports       []string
	Restart     string
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	CapAdd      []string `yaml:"cap_add"`
	SecurityOpt []string `yaml:"security_opt"`
	Healthcheck struct{ Test []string }
	DependsOn   any           `yaml:"depends_on"`
	StopGrace   time.Duration `yaml:"stop_grace_period"`
}

// replicas are the names of the services that run the bridge.
func (f composeFile) replicas(t *testing.T) []string {
	t.Helper()
	var names []string
	for name, service := range f.Services {
		if service.Image == "alexa-oidc-bridge" {
			names = append(names, name)
		}
	}
	if len(names) != 2 {
		t.Fatalf("replicas %q", names)
	}
	slices.Sort(names)
	return names
}

// environment is a service's environment, with .env made from .env.example.
func (f composeFile) environment(t *testing.T, service composeService) map[string]string {
	t.Helper()
	filled := map[string]string{}
	for name, value := range service.Environment {
		reference, isReference := strings.CutPrefix(value, "${")
		if !isReference {
			filled[name] = value
			continue
		}
		variable, _, _ := strings.Cut(reference, ":?")
		for line := range strings.Lines(read(t, composeFolder, ".env.example")) {
			if value, found := strings.CutPrefix(strings.TrimSpace(line), variable+"="); found {
				filled[name] = value
			}
		}
		if filled[name] == "" {
			t.Errorf(".env.example does not set %s", variable)
		}
	}
	return filled
}

func TestComposeReplicas(t *testing.T) {
	file, image := decode[composeFile](t, composeFolder, "compose.yaml"), dockerfile(t)
	names := file.replicas(t)
	replica := file.Services[names[0]]
	if !reflect.DeepEqual(replica, file.Services[names[1]]) {
		t.Error("the replicas are not the same")
	}
	wantSame(t, "command", replica.Command, []string{"serve"})
	if want := []string{"CMD", image.program, "health"}; !slices.Equal(replica.Healthcheck.Test, want) {
		t.Errorf("health check %q, want %q", replica.Healthcheck.Test, want)
	}
	if replica.StopGrace <= stopsWithin || replica.PullPolicy != "never" || len(replica.Ports) != 0 {
		t.Errorf("%+v", replica)
	}
	wantSame(t, "volumes", replica.Volumes, []string{"./config.yaml:" + image.config + ":ro"})
	wantSame(t, "tmpfs", replica.Tmpfs, []string{image.volume})
	waits := map[string]any{"db": map[string]any{"condition": "service_healthy"}}
	if !reflect.DeepEqual(replica.DependsOn, waits) {
		t.Errorf("depends on %v", replica.DependsOn)
	}
	if len(file.Services["db"].Healthcheck.Test) == 0 {
		t.Error("the database has no health check to wait for")
	}
}

func TestComposeHardened(t *testing.T) {
	for name, service := range decode[composeFile](t, composeFolder, "compose.yaml").Services {
		if !service.ReadOnly || service.Restart != "unless-stopped" {
			t.Errorf("%s: read_only %t, restart %s", name, service.ReadOnly, service.Restart)
		}
		wantSame(t, name+" drops", service.CapDrop, []string{"ALL"})
		wantSame(t, name+" security_opt", service.SecurityOpt, []string{"no-new-privileges:true"})
		if name == "proxy" {
			wantSame(t, "the proxy keeps", service.CapAdd, []string{"NET_BIND_SERVICE"})
		} else if len(service.CapAdd) != 0 || len(service.Ports) != 0 {
			t.Errorf("%s: cap_add %v, ports %v", name, service.CapAdd, service.Ports)
		}
		for variable := range service.Environment {
			secret := strings.Contains(variable, "PASSWORD") || strings.Contains(variable, "SECRET") || strings.Contains(variable, "KEY")
			if secret && !strings.HasSuffix(variable, "_FILE") {
				t.Errorf("%s: %s is in the environment", name, variable)
			}
		}
	}
}

func TestComposeNamesAreDefined(t *testing.T) {
	file := decode[composeFile](t, composeFolder, "compose.yaml")
	used := map[string]bool{}
	for name, service := range file.Services {
		for _, secret := range service.Secrets {
			used[secret] = true
			if file.Secrets[secret].File != "secrets/"+secret {
				t.Errorf("%s: the secret %s is the file %q", name, secret, file.Secrets[secret].File)
			}
		}
		for _, network := range service.Networks {
			if _, found := file.Networks[network]; !found {
				t.Errorf("%s: no network %s", name, network)
			}
		}
		for _, volume := range service.Volumes {
			wantVolume(t, file, name, volume)
		}
	}
	for secret := range file.Secrets {
		if !used[secret] {
			t.Errorf("nobody uses the secret %s", secret)
		}
	}
	if variable, want := file.Services["db"].Environment["POSTGRES_PASSWORD_FILE"], "/run/secrets/db_password"; variable != want {
		t.Errorf("the database reads %s, want %s", variable, want)
	}
	wantSame(t, ".gitignore", strings.Fields(read(t, composeFolder, ".gitignore")), []string{"/.env", "/secrets/"})
}

func wantVolume(t *testing.T, file composeFile, service, volume string) {
	t.Helper()
	source, _, _ := strings.Cut(volume, ":")
	if _, isNamed := file.Volumes[source]; isNamed {
		return
	}
	if _, err := os.Stat(filepath.Join(composeFolder, source)); err != nil || !strings.HasPrefix(source, "./") {
		t.Errorf("%s: no volume and no file %s", service, source)
	}
}

func TestComposeNetworks(t *testing.T) {
	file := decode[composeFile](t, composeFolder, "compose.yaml")
	wantSame(t, "networks of the database", file.Services["db"].Networks, []string{"back"})
	wantSame(t, "networks of the proxy", file.Services["proxy"].Networks, []string{"front"})
	wantSame(t, "networks of a replica", file.Services[file.replicas(t)[0]].Networks, []string{"front", "back"})
	if !file.Networks["back"].Internal || file.Networks["front"].Internal {
		t.Errorf("%+v", file.Networks)
	}
	config := decode[configText](t, composeFolder, "config.yaml")
	var upstreams []string
	for _, name := range file.replicas(t) {
		upstreams = append(upstreams, name+":"+portOf(t, config.Listen))
	}
	proxied := submatches(`(?m)^\s*reverse_proxy (.+) \{$`, read(t, composeFolder, "Caddyfile"))
	if len(proxied) != 1 {
		t.Fatalf("%q", proxied)
	}
	wantSame(t, "the proxy's upstreams", strings.Fields(proxied[0]), upstreams)
	if env := file.environment(t, file.Services["proxy"]); env["PUBLIC_URL"] == "" {
		t.Error("the proxy does not know its PUBLIC_URL")
	}
	if config.PublicURL != "${PUBLIC_URL}" || config.AdminListen != "" {
		t.Errorf("public_url %s, and admin_listen %q instead of loopback", config.PublicURL, config.AdminListen)
	}
}
