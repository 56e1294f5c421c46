// Package deployments_test compares the examples for Docker Compose and Kubernetes with the program: its
// configuration, its image, its ports and its probes. Validators check their form, in validate_test.go.
package deployments_test

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/config"
)

// secretNames are the files in secrets/ that both examples have.
var secretNames = strings.Fields("bridge_key corp_client_secret db_password pizza_backend_secret pizza_client_secret")

// password works only where it is put into a URL with care.
const password = `p@ss/w:rd?#%41&sslmode=disable +`

// TestConfigurations loads the configurations as a replica does, with nothing but the secrets of the deployment.
func TestConfigurations(t *testing.T) {
	t.Setenv("PUBLIC_URL", "https://link.example.com")
	for example, want := range map[string]struct{ secrets, warning, listen, admin string }{
		"compose":    {"/run/secrets", "storage.dsn", ":8080", "127.0.0.1:8081"}, // no encryption, as its comment says
		"kubernetes": {"secrets", "admin_listen", ":8080", ":8081"},
	} {
		t.Run(example, func(t *testing.T) {
			here := t.TempDir()
			for _, name := range secretNames {
				write(t, filepath.Join(here, name), map[bool]string{true: password, false: keys.Generate()}[name == "db_password"])
			}
			text := strings.ReplaceAll(read(t, "..", example, "config.yaml"), "${file:"+want.secrets+"/", "${file:"+here+"/")
			write(t, filepath.Join(here, "config.yaml"), text)
			loaded, warnings, err := config.Load(filepath.Join(here, "config.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) != 1 || warnings[0].Path != want.warning {
				t.Errorf("warnings %v, want one of %s", warnings, want.warning)
			}
			if loaded.Listen != want.listen || loaded.AdminListen != want.admin ||
				loaded.Server.PublicURL != "https://link.example.com" {
				t.Errorf("listen %s, admin_listen %s, public_url %s", loaded.Listen, loaded.AdminListen, loaded.Server.PublicURL)
			}
			dsn, err := url.Parse(loaded.Storage.DSN)
			if err != nil || loaded.Storage.Driver != sqlstore.PostgreSQL {
				t.Fatalf("driver %s, %v", loaded.Storage.Driver, err)
			}
			if got, _ := dsn.User.Password(); got != password || dsn.User.Username() != "bridge" || dsn.Path != "/bridge" {
				t.Errorf("user %s, password %q, database %s", dsn.User.Username(), got, dsn.Path)
			}
		})
	}
}

func TestCompose(t *testing.T) {
	image, file := dockerfile(t), document(t, "../compose/compose.yaml", "")
	replica := file.at("services.bridge-1")
	if !reflect.DeepEqual(replica, file.at("services.bridge-2")) {
		t.Error("the replicas differ")
	}
	want(t, replica.at("command"), "[serve]")
	want(t, replica.at("healthcheck.test"), "[CMD "+image.program+" health]")
	want(t, replica.at("stop_grace_period"), "15s") // serve exits within 8 s
	want(t, replica.at("volumes"), "[./config.yaml:"+image.config+":ro]")
	want(t, replica.at("tmpfs"), "["+image.volume+"]")
	want(t, file.at("services.db.environment.POSTGRES_PASSWORD_FILE"), "/run/secrets/db_password")
	want(t, file.at("services.db.environment.POSTGRES_USER"), "bridge")
	want(t, file.at("services.db.environment.POSTGRES_DB"), "bridge")
	want(t, file.at("services.db.networks"), "[back]")
	want(t, file.at("networks.back.internal"), "true")
	for _, service := range []string{"bridge-1", "bridge-2", "db", "proxy"} {
		want(t, file.at("services."+service+".read_only"), "true")
		want(t, file.at("services."+service+".cap_drop"), "[ALL]")
		if service != "proxy" {
			want(t, file.at("services."+service+".ports"), "<nil>")
		}
	}
	for _, name := range secretNames {
		want(t, file.at("secrets."+name+".file"), "secrets/"+name)
		wantWord(t, read(t, "../compose/README.md"), name)
	}
	want(t, sorted(replica.at("secrets").value), fmt.Sprint(secretNames))
	wantWord(t, read(t, "../compose/Caddyfile"), "bridge-1:8080 bridge-2:8080")
	wantWord(t, read(t, "../compose/.env.example"), "PUBLIC_URL=https://link.example.com")
	want(t, read(t, "../compose/.gitignore"), "/.env\n/secrets/\n")
}

func TestKubernetes(t *testing.T) {
	image, readme := dockerfile(t), read(t, "../kubernetes/README.md")
	kind := func(name string) node { return document(t, "../kubernetes/bridge.yaml", name) }
	deployment, service, ingress := kind("Deployment"), kind("Service"), kind("Ingress")
	pod := deployment.at("spec.template.spec")
	container := pod.at("containers.0")

	labels := deployment.at("spec.template.metadata.labels").String()
	for _, selector := range []node{deployment.at("spec.selector.matchLabels"), service.at("spec.selector"),
		kind("PodDisruptionBudget").at("spec.selector.matchLabels"), kind("NetworkPolicy").at("spec.podSelector.matchLabels"),
		pod.at("topologySpreadConstraints.0.labelSelector.matchLabels"),
		pod.at("topologySpreadConstraints.1.labelSelector.matchLabels")} {
		want(t, selector, labels)
	}
	want(t, container.at("args"), "[serve]")
	want(t, container.at("ports"), "[map[containerPort:8080 name:http] map[containerPort:8081 name:admin]]")
	want(t, container.at("startupProbe.httpGet"), "map[path:/healthz port:admin]")
	want(t, container.at("livenessProbe.httpGet"), "map[path:/healthz port:admin]") // never /readyz
	want(t, container.at("readinessProbe.httpGet"), "map[path:/readyz port:admin]")
	want(t, pod.at("terminationGracePeriodSeconds"), "30") // preStop, and serve exits within 8 s
	want(t, container.at("lifecycle.preStop.sleep.seconds"), "10")
	want(t, pod.at("securityContext.runAsUser"), image.user)
	want(t, pod.at("securityContext.fsGroup"), image.user)
	want(t, pod.at("enableServiceLinks"), "false") // Services would become variables BRIDGE_…
	want(t, container.at("volumeMounts.0.mountPath"), filepath.Dir(image.config))
	want(t, container.at("volumeMounts.1.mountPath"), image.volume)
	want(t, kind("Namespace").at("metadata.labels"), "map[pod-security.kubernetes.io/enforce:restricted]")

	want(t, service.at("spec.ports.0.targetPort"), "http")
	backend := ingress.at("spec.rules.0.http.paths.0.backend.service")
	want(t, backend.at("name"), service.at("metadata.name").String())
	want(t, backend.at("port.name"), service.at("spec.ports.0.name").String())
	want(t, ingress.at("spec.rules.0.host"), "link.example.com")
	want(t, ingress.at("spec.tls.0.hosts"), "[link.example.com]")
	want(t, kind("NetworkPolicy").at("spec.egress.0.ports"),
		"[map[port:53 protocol:UDP] map[port:53] map[port:5432] map[port:443]]")

	secret := pod.at("volumes.0.projected.sources.1.secret")
	var items []string
	for i := range secret.at("items").value.([]any) {
		item := secret.at("items." + strconv.Itoa(i))
		want(t, item.at("path"), "secrets/"+item.at("key").String())
		items = append(items, item.at("key").String())
		wantWord(t, readme, item.at("key").String())
	}
	want(t, sorted(items), sorted(append([]string{"db_ca.crt"}, secretNames...)))
	wantWord(t, readme, "create secret generic "+secret.at("name").String())
	wantWord(t, readme, "create secret tls "+ingress.at("spec.tls.0.secretName").String())
	want(t, read(t, "../kubernetes/.gitignore"), "/secrets/\n")

	kustomization := document(t, "../kubernetes/kustomization.yaml", "")
	want(t, kustomization.at("configMapGenerator.0.name"), pod.at("volumes.0.projected.sources.0.configMap.name").String())
	want(t, kustomization.at("images.0.name"), container.at("image").String())
	wantWord(t, readme, kustomization.at("images.0.newName").String()+":"+kustomization.at("images.0.newTag").String())
	operations := read(t, "../../docs/operations.md") // says what nginx must accept
	for _, controller := range []string{"nginx.ingress.kubernetes.io", "nginx.org"} {
		size := ingress.at("metadata.annotations").value.(map[string]any)[controller+"/proxy-buffer-size"]
		wantWord(t, operations, fmt.Sprintf("proxy_buffer_size %v;", size))
	}
}

// node is a part of a YAML document.
type node struct{ value any }

func (n node) String() string { return fmt.Sprint(n.value) }

// at follows a path of keys and indexes; what is not there is nil.
func (n node) at(path string) node {
	for _, key := range strings.Split(path, ".") {
		switch value := n.value.(type) {
		case map[string]any:
			n.value = value[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(value) {
				return node{}
			}
			n.value = value[i]
		default:
			return node{}
		}
	}
	return n
}

// document reads the document of a kind, or the only one.
func document(t *testing.T, path, kind string) node {
	t.Helper()
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(read(t, path))))
	for {
		found := map[string]any{}
		if err := decoder.Decode(&found); err != nil {
			t.Fatalf("%s: no document of kind %q: %v", path, kind, err)
		}
		if kind == "" || found["kind"] == kind {
			return node{found}
		}
	}
}

// image is what the Dockerfile says about the image.
type image struct{ program, config, user, volume string }

func dockerfile(t *testing.T) image {
	t.Helper()
	text := read(t, "../../Dockerfile")
	one := func(expression string) string {
		found := regexp.MustCompile(expression).FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("the Dockerfile has no %s", expression)
		}
		return found[1]
	}
	return image{one(`(?m)^ENTRYPOINT \["(.+)"\]$`), one(`(?m)^ENV BRIDGE_CONFIG=(.+)$`),
		one(`(?m)^USER (\d+):`), one(`(?m)^VOLUME (.+)$`)}
}

// TestBuildContext verifies that every folder that the program is built from gets into the build of the image.
func TestBuildContext(t *testing.T) {
	patterns := strings.Fields(read(t, "../../.dockerignore"))
	const ours = "{{with .Module}}{{if .Main}}{{$.ImportPath}}{{end}}{{end}}"
	list := exec.Command("go", "list", "-deps", "-f", ours, "./cmd/...")
	list.Dir = "../.."
	output, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(output))
	if len(packages) < 10 {
		t.Fatalf("only the packages %q", packages)
	}
	for _, path := range packages {
		folder := strings.Split(path, "/")[1]
		if !slices.Contains(patterns, "!"+folder) {
			t.Errorf("%s is needed, but .dockerignore leaves %s out", path, folder)
		}
	}
}

func sorted(list any) string {
	words := strings.Fields(strings.Trim(fmt.Sprint(list), "[]"))
	slices.Sort(words)
	return fmt.Sprint(words)
}

func want(t *testing.T, got any, want string) {
	t.Helper()
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func wantWord(t *testing.T, text, word string) {
	t.Helper()
	if !strings.Contains(text, word) {
		t.Errorf("%q is missing", word)
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

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
