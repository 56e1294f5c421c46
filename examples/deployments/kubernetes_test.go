package deployments_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/sqlstore"
)

func TestKubernetesSelectors(t *testing.T) {
	m := readManifest(t)
	labels := m.deployment.Spec.Template.Metadata.Labels
	selectors := map[string]map[string]string{
		"Deployment": m.deployment.Spec.Selector.MatchLabels, "Service": m.service.Spec.Selector,
		"PodDisruptionBudget": m.budget.Spec.Selector.MatchLabels, "NetworkPolicy": m.policy.Spec.PodSelector.MatchLabels,
	}
	for i, spread := range m.pod().Spread {
		selectors[fmt.Sprintf("topologySpreadConstraints[%d]", i)] = spread.LabelSelector.MatchLabels
	}
	for what, selector := range selectors {
		if len(labels) == 0 || !reflect.DeepEqual(selector, labels) {
			t.Errorf("%s selects %v, and a pod has %v", what, selector, labels)
		}
	}
	namespaces := []string{m.deployment.Metadata.Namespace, m.service.Metadata.Namespace, m.ingress.Metadata.Namespace,
		m.budget.Metadata.Namespace, m.policy.Metadata.Namespace, m.kustomization.Namespace}
	namespaces = append(namespaces, submatches(`-n (\S+)`, m.readme)...)
	namespaces = append(namespaces, submatches(`kubectl create namespace (\S+)`, m.readme)...)
	for _, namespace := range namespaces {
		if namespace != m.namespace.Metadata.Name {
			t.Errorf("namespace %q, want %q", namespace, m.namespace.Metadata.Name)
		}
	}
}

func TestKubernetesRollsWithoutGap(t *testing.T) {
	m := readManifest(t)
	spec := m.deployment.Spec
	rolling := spec.Strategy.RollingUpdate
	if spec.Replicas != 2 || spec.Strategy.Type != "RollingUpdate" || rolling.MaxUnavailable == nil || *rolling.MaxUnavailable != 0 || rolling.MaxSurge < 1 {
		t.Errorf("%d replicas, %+v", spec.Replicas, spec.Strategy)
	}
	if m.budget.Spec.MinAvailable != 1 {
		t.Errorf("minAvailable %d", m.budget.Spec.MinAvailable)
	}
	sleep := time.Duration(m.container(t).Lifecycle.PreStop.Sleep.Seconds) * time.Second
	grace := time.Duration(m.pod().Grace) * time.Second
	if sleep < 5*time.Second || grace <= sleep+stopsWithin {
		t.Errorf("grace %s for a sleep of %s and a stop within %s", grace, sleep, stopsWithin)
	}
}

func TestKubernetesPorts(t *testing.T) {
	m := readManifest(t)
	if got, want := m.port(t, "http"), portOf(t, m.config.Listen); got != want {
		t.Errorf("port http is %s, and listen %s", got, want)
	}
	if m.config.AdminListen != ":"+m.port(t, "admin") {
		t.Errorf("port admin is %s, and admin_listen %s: the kubelet asks the pod's address", m.port(t, "admin"), m.config.AdminListen)
	}
	if ports := m.service.Spec.Ports; len(ports) != 1 || ports[0].TargetPort != "http" {
		t.Errorf("the Service has ports %+v", ports)
	}
	public, err := url.Parse(m.config.PublicURL)
	if err != nil || len(m.ingress.Spec.Rules) != 1 || len(m.ingress.Spec.Rules[0].HTTP.Paths) != 1 || len(m.ingress.Spec.TLS) != 1 {
		t.Fatalf("%v, %+v", err, m.ingress.Spec)
	}
	rule, tls := m.ingress.Spec.Rules[0], m.ingress.Spec.TLS[0]
	if rule.Host != public.Host || !slices.Equal(tls.Hosts, []string{public.Host}) || public.Scheme != "https" {
		t.Errorf("host %s, TLS %s, public_url %s", rule.Host, tls.Hosts, public)
	}
	backend := rule.HTTP.Paths[0].Backend.Service
	if rule.HTTP.Paths[0].Path != "/" || backend.Name != m.service.Metadata.Name || backend.Port.Name != m.service.Spec.Ports[0].Name {
		t.Errorf("the Ingress leads to %+v", rule.HTTP.Paths[0])
	}
}

func TestKubernetesNetworkPolicy(t *testing.T) {
	m := readManifest(t)
	policy := m.policy.Spec
	wantSame(t, "policy types", policy.Types, []string{"Ingress", "Egress"})
	var open []string
	for _, rule := range policy.Ingress {
		if len(rule.From) == 0 || len(rule.Ports) != 1 {
			t.Fatalf("everybody is let in: %+v", rule)
		}
		m.port(t, rule.Ports[0].Port)
		open = append(open, rule.Ports[0].Port)
	}
	wantSame(t, "ports", open, []string{"http", "admin"})
	database := submatches(`@[^/]+:(\d+)/`, m.config.Storage.DSN)
	var out []string
	for _, rule := range policy.Egress {
		for _, port := range rule.Ports {
			out = append(out, port.Port)
		}
	}
	wantSame(t, "ways out", out, append(database, "53", "53", "443"))
}

// TestKubernetesProbes asks the admin listener for what the probes ask, and a server that lost its store must not be killed.
func TestKubernetesProbes(t *testing.T) {
	container := readManifest(t).container(t)
	store, err := sqlstore.Open(t.Context(), sqlstore.Options{Driver: sqlstore.SQLite, DSN: filepath.Join(t.TempDir(), "bridge.db"), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := time.Now()
	bridge, err := server.New(server.Config{PublicURL: "https://link.example.com", Keys: keys.NewRing(make([]byte, 32)), MaxStaleness: time.Minute},
		server.Deps{Store: store, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(probe probe) int {
		recorder := httptest.NewRecorder()
		bridge.Admin.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, probe.HTTPGet.Path, nil))
		return recorder.Code
	}
	probes := map[string]probe{"startup": container.Startup, "readiness": container.Readiness, "liveness": container.Liveness}
	for name, probe := range probes {
		if code := ask(probe); code != 200 || probe.HTTPGet.Port != "admin" {
			t.Errorf("%s: status %d at %+v", name, code, probe.HTTPGet)
		}
	}
	now = now.Add(2 * time.Minute) // without a word from the store
	want := map[string]int{"startup": 200, "readiness": 503, "liveness": 200}
	for name, probe := range probes {
		if code := ask(probe); code != want[name] {
			t.Errorf("%s without a store: status %d, want %d", name, code, want[name])
		}
	}
}

func TestKubernetesHardened(t *testing.T) {
	m, image := readManifest(t), dockerfile(t)
	pod, container := m.pod(), m.container(t)
	context := pod.SecurityContext
	if !context.RunAsNonRoot || context.RunAsUser != image.user || context.FSGroup != image.user || context.SeccompProfile.Type != "RuntimeDefault" {
		t.Errorf("pod: %+v", context)
	}
	own := container.SecurityContext
	if own.Escalation == nil || *own.Escalation || !own.ReadOnlyRoot || !slices.Equal(own.Capabilities.Drop, []string{"ALL"}) {
		t.Errorf("container: %+v", own)
	}
	if pod.Automount == nil || *pod.Automount || pod.ServiceLinks == nil || *pod.ServiceLinks {
		t.Error("the pod gets a token of the cluster, or variables of Services")
	}
	if container.Resources.Requests["memory"] == "" || container.Resources.Limits["memory"] == "" || len(container.Env) != 0 {
		t.Errorf("resources %+v, environment %+v", container.Resources, container.Env)
	}
	wantSame(t, "arguments", container.Args, []string{"serve"})
	if level := m.namespace.Metadata.Labels["pod-security.kubernetes.io/enforce"]; level != "restricted" {
		t.Errorf("pod security %q", level)
	}
}

func TestKubernetesNamesAreDefined(t *testing.T) {
	m, image := readManifest(t), dockerfile(t)
	mounts := map[string]string{}
	for _, mount := range m.container(t).Mounts {
		mounts[mount.Name] = mount.Path
	}
	if want := map[string]string{"config": path.Dir(image.config), "data": image.volume}; !reflect.DeepEqual(mounts, want) {
		t.Errorf("mounts %v, want %v", mounts, want)
	}
	var volumes, secrets []string
	for _, volume := range m.pod().Volumes {
		volumes = append(volumes, volume.Name)
		for _, source := range volume.Projected.Sources {
			if name := source.ConfigMap.Name; name != "" && (len(m.kustomization.ConfigMaps) != 1 || name != m.kustomization.ConfigMaps[0].Name) {
				t.Errorf("nobody makes the ConfigMap %s", name)
			}
			if source.Secret.Name != "" {
				secrets = append(secrets, source.Secret.Name)
			}
		}
	}
	wantSame(t, "volumes", volumes, []string{"config", "data"})
	wantSame(t, "files of the ConfigMap", m.kustomization.ConfigMaps[0].Files, []string{path.Base(image.config)})
	wantSame(t, "resources", m.kustomization.Resources, []string{"bridge.yaml"})
	secrets = append(secrets, m.ingress.Spec.TLS[0].SecretName)
	wantSame(t, "Secrets that README.md makes", submatches(`create secret \w+ (\S+)`, m.readme), secrets)
	built := m.kustomization.Images[0]
	if m.container(t).Image != built.Name {
		t.Errorf("the container has the image %s, and kustomization.yaml says where %s is", m.container(t).Image, built.Name)
	}
	wantSame(t, "the image that README.md builds", submatches(`(?m)^image=(\S+)`, m.readme), []string{built.To + ":" + built.Tag})
	wantSame(t, ".gitignore", strings.Fields(read(t, kubernetesFolder, ".gitignore")), []string{"/secrets/"})
}

// TestKubernetesBuffers compares the Ingress with the server block of the project's README, which says what nginx must take.
func TestKubernetesBuffers(t *testing.T) {
	text, annotations := read(t, kubernetesFolder, "bridge.yaml"), readManifest(t).ingress.Metadata.Annotations
	readme := read(t, "../../README.md")
	response, request := submatches(`proxy_buffer_size (\S+);`, readme), submatches(`large_client_header_buffers (.+);`, readme)
	for _, controller := range []string{"nginx.ingress.kubernetes.io", "nginx.org"} {
		wantSame(t, controller, []string{annotations[controller+"/proxy-buffer-size"]}, response)
	}
	wantSame(t, "requests", submatches("`large-client-header-buffers: (.+)`", text), request)
	if annotations["nginx.ingress.kubernetes.io/enable-access-log"] != "false" {
		t.Error("ingress-nginx logs queries")
	}
}
