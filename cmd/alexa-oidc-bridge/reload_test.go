package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/keys"
)

const (
	isActive   = `{"active":true,`
	isInactive = `{"active":false}`
)

// TestReloadUnderLoad reloads ten times while clients look a token up, on connections that they keep and on new ones.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	s := startReloaded(t, time.Minute)
	defer s.stop()
	var stopped atomic.Bool
	var lookups atomic.Int64
	var clients sync.WaitGroup
	for i := range 4 {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
		clients.Go(func() {
			for !stopped.Load() {
				response, err := client.PostForm(s.public+"/lookup", s.lookupForm(mintBackendSecret))
				if err != nil {
					t.Error(err)
					return
				}
				if body := readBody(t, response); response.StatusCode != http.StatusOK || !strings.HasPrefix(body, isActive) {
					t.Errorf("status %d, %s", response.StatusCode, body)
				}
				lookups.Add(1)
			}
		})
	}
	for i := range 10 {
		s.edit("name: Contoso Pizza\n", "name: Contoso Pizza\n    require_pkce: true\n")
		if i%2 == 1 {
			s.edit("    require_pkce: true\n    require_pkce: true\n", "")
		}
		if log := s.reload(reloaded); !strings.Contains(log, reloaded+`,"skills_changed":["pizza"]}`) {
			t.Errorf("the log: %s", log)
		}
	}
	stopped.Store(true)
	clients.Wait()
	s.wantMetric(`bridge_lookups_total{outcome="active"}`, int(lookups.Load()))
	s.wantMetric(`bridge_config_reloads_total{result="done"}`, 10)
}

// TestReloadSecret replaces the secret of a backend. A request that has begun ends under the configuration before.
func TestReloadSecret(t *testing.T) {
	t.Parallel()
	s := startReloaded(t, time.Minute)
	defer s.stop()
	slow, err := net.Dial("tcp", strings.TrimPrefix(s.public, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	form := s.lookupForm(mintBackendSecret).Encode()
	fmt.Fprintf(slow, "POST /lookup HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\n\r\n", len(form))
	reader := bufio.NewReader(slow)
	if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") { // the handler waits
		t.Fatalf("%q, %v", line, err)
	}
	s.wantLookup(mintBackendSecret, http.StatusOK, isActive)

	secret := keys.Generate()
	other := "{id: other, secret: " + keys.Generate() + ", skills: [pizza]}, "
	s.edit(mintBackendSecret, secret, "backends: [", "backends: ["+other)
	log := s.reload(reloaded)
	if !strings.Contains(log, `"backends_added":["other"],"backends_changed":["pizza-backend"]}`) ||
		strings.Contains(log, secret) {
		t.Errorf("the log: %s", log)
	}
	s.wantLookup(mintBackendSecret, http.StatusUnauthorized, "")
	s.wantLookup(secret, http.StatusOK, isActive)
	fmt.Fprint(slow, form)
	if _, err := reader.ReadString('\n'); err != nil { // the empty line after 100 Continue
		t.Fatal(err)
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body := readBody(t, response); response.StatusCode != http.StatusOK || !strings.HasPrefix(body, isActive) {
		t.Errorf("a request that had begun: status %d, %s", response.StatusCode, body)
	}
	text := mustReadFile(t, s.path)
	mustWriteFile(t, s.path, text[:strings.Index(text, "backends:")])
	if log := s.reload(reloaded); !strings.Contains(log, `"backends_removed":["other","pizza-backend"]`) {
		t.Errorf("the log: %s", log)
	}
	s.wantLookup(secret, http.StatusUnauthorized, "")
}

// TestReloadSuspends suspends a link by another allow, and restores it.
func TestReloadSuspends(t *testing.T) {
	t.Parallel()
	s := startReloaded(t, time.Minute)
	defer s.stop()
	s.wantLookup(mintBackendSecret, http.StatusOK, isActive)
	s.edit("groups: [alexa-users]", "groups: [inventors]")
	s.reload(reloaded)
	s.wantLookup(mintBackendSecret, http.StatusOK, isInactive)
	s.edit("groups: [inventors]", "groups: [alexa-users]")
	s.reload(reloaded)
	s.wantLookup(mintBackendSecret, http.StatusOK, isActive)
}

// TestReloadRefused gives serve configurations that it must not take.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	s := startReloaded(t, time.Minute)
	defer s.stop()
	good := mustReadFile(t, s.path)
	const lights = "  - {client_id: lights, name: Contoso Lights, grants: [implicit], vendor_ids: [M2AAAAAAAAAAAA]}\n"
	tests := []struct {
		replace []string
		want    []string // nil: what check prints
	}{
		{[]string{"grants: [implicit]", "grants: [magic]", "skills: [pizza]", "skills: [pasta]", "corp", "CORP"}, nil},
		{[]string{"skills:\n", "skills: nonsense\nx:\n"}, nil},
		{[]string{lights, ""}, []string{`skills: the skill "lights" is missing`}},
		{[]string{"id: corp", "id: corp2", lights, ""},
			[]string{`providers: the provider "corp" is missing`, `skills: the skill "lights" is missing`}},
	}
	for i, tt := range tests {
		s.edit(tt.replace...)
		if tt.want == nil {
			tt.want = checkProblems(t, s.path)
		}
		log := s.reload(strings.ReplaceAll(tt.want[len(tt.want)-1], `"`, `\"`))
		got := refusals(t, log)
		if len(got) != len(tt.want) || strings.Contains(log, reloaded) {
			t.Fatalf("got %q, want %q", got, tt.want)
		}
		for i := range got {
			if !strings.HasPrefix(got[i], tt.want[i]) {
				t.Errorf("got %q, want %q", got[i], tt.want[i])
			}
		}
		s.wantMetric(`bridge_config_reloads_total{result="refused"}`, i+1)
		s.wantLookup(mintBackendSecret, http.StatusOK, isActive)
		mustWriteFile(t, s.path, good)
	}
	if err := os.Remove(s.path); err != nil {
		t.Fatal(err)
	}
	s.reload("the configuration file cannot be read")
	mustWriteFile(t, s.path, good)
	if log := s.reload(reloaded); !strings.Contains(log, reloaded+"}") {
		t.Errorf("nothing has changed, the log says %s", log)
	}
}

// TestReloadFixed changes all that needs a restart, and something that does not.
func TestReloadFixed(t *testing.T) {
	t.Parallel()
	s := startReloaded(t, time.Minute)
	defer s.stop()
	s.edit("public_url: http://127.0.0.1:8080", "public_url: https://link.example.com\noperator: {name: Contoso IT}\n"+
		`trusted_proxies: ["10.0.0.0/8"]`+"\nlookup: {memory: 2MiB}\nlimits: {connections: 100, memory: 1GiB}\n"+
		"log: {format: text, level: debug}",
		"listen: 127.0.0.1:0", "listen: 127.0.0.1:1", "admin_listen: 127.0.0.1:0", "admin_listen: 127.0.0.1:2",
		"driver: sqlite", "driver: postgres", s.database, "postgres://bridge:hush-hush@127.0.0.1:1/bridge")
	log := s.reload(reloaded)
	again := s.reload(reloaded) // as long as it differs
	for _, key := range []string{"public_url", "listen", "admin_listen", "trusted_proxies", "storage.driver",
		"storage.dsn", "lookup.memory", "limits.connections", "limits.memory", "log.format"} {
		const message = `"msg":"a changed key of the configuration has no effect yet; restart serve"`
		line := `"level":"WARN",` + message + `,"key":"` + key + `"}`
		if !strings.Contains(log, line) || !strings.Contains(again, line) {
			t.Errorf("the log does not tell of %s each time: %s%s", key, log, again)
		}
	}
	if !strings.Contains(log, `"settings_changed":["operator","log.level"]}`) || strings.Contains(log, "hush-hush") {
		t.Errorf("the log: %s", log)
	}
	if page := s.get(s.public + "/"); !strings.Contains(page, "Contoso IT") {
		t.Errorf("the page does not have the operator: %s", page)
	}
	s.log.Wait(t, 0, `"level":"DEBUG","msg":"request"`)
	metadata := s.get(s.public + "/.well-known/oauth-authorization-server")
	if !strings.Contains(metadata, `"issuer":"http://127.0.0.1:8080"`) {
		t.Errorf("the metadata: %s", metadata)
	}
	s.wantLookup(mintBackendSecret, http.StatusOK, isActive)
}

// TestReloadWithoutStore reloads while the database is away, in vain, and then with a timeout that does not end.
func TestReloadWithoutStore(t *testing.T) {
	t.Parallel()
	for _, timeout := range []time.Duration{time.Millisecond, time.Hour} {
		s := startReloaded(t, timeout)
		s.wantLookup(mintBackendSecret, http.StatusOK, isActive)
		if err := os.Rename(s.database, s.database+".away"); err != nil {
			t.Fatal(err)
		}
		if timeout < time.Hour {
			log := s.reload("the store is out of reach: repair it, and send SIGHUP again")
			if !strings.Contains(log, `"level":"ERROR","msg":"configuration not reloaded; the one before stays in force"`) {
				t.Errorf("the log: %s", log)
			}
			s.wantMetric(`bridge_config_reloads_total{result="failed"}`, 1)
			s.wantLookup(mintBackendSecret, http.StatusOK, isActive)
		} else {
			s.hangups <- nil
			<-s.loading
		}
		s.stop()
		if strings.Contains(s.log.String(), reloaded) {
			t.Errorf("the log: %s", s.log)
		}
	}
}

// TestReloadMemory reloads twenty times with a large cache. It is not parallel: it measures the process.
func TestReloadMemory(t *testing.T) {
	s := startReloaded(t, time.Minute, "skills:\n", "lookup: {memory: 1GiB}\nskills:\n")
	defer s.stop()
	s.reload(reloaded)
	mapped, goroutines := mappedMemory(t), runtime.NumGoroutine()
	for range 20 {
		s.reload(reloaded)
		s.wantLookup(mintBackendSecret, http.StatusOK, isActive)
	}
	if grown := mappedMemory(t) - mapped; grown > 1<<30 {
		t.Errorf("%d MiB more are mapped", grown>>20)
	}
	const fewer = 10 // than twenty servers have
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > goroutines+fewer; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
		}
	}
}

// mappedMemory returns how many bytes the process has mapped, where the system tells.
func mappedMemory(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("needs /proc")
	}
	var pages int64
	if _, err := fmt.Sscan(string(text), &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
