package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/config"
	"alexa-oidc-bridge/internal/testbridge"
)

// reloadedServe is serve in this process, with a test link, and the signals that it gets.
type reloadedServe struct {
	*testing.T
	path     string // of the configuration, as mintConfig writes it
	database string
	log      *testbridge.Log
	hangups  chan os.Signal
	loading  chan struct{} // gets one value when a reload begins
	public   string        // the origins of the listeners
	admin    string
	token    string // of a test link of Ada
	end      func() error
}

// startReloaded starts serve with a test link. Changes of the configuration are made before the start.
func startReloaded(t *testing.T, timeout time.Duration, replace ...string) *reloadedServe {
	t.Helper()
	s := &reloadedServe{T: t, database: filepath.Join(t.TempDir(), "bridge.db"), hangups: make(chan os.Signal, 1),
		loading: make(chan struct{}, 100)}
	s.path = mintConfig(t, sqlstore.SQLite, s.database)
	s.edit(replace...)
	load := func() (*config.Config, []config.Warning, error) {
		s.loading <- struct{}{}
		return config.Load(s.path)
	}
	s.log, _, s.end = startServeWith(t, s.path, reloading{s.hangups, load, new(slog.LevelVar), timeout})
	addresses := regexp.MustCompile(`"listen":"([^"]+)","admin_listen":"([^"]+)"`).FindStringSubmatch(s.log.String())
	s.public, s.admin = "http://"+addresses[1], "http://"+addresses[2]
	s.token, _ = mustMint(t, s.path, "--skill pizza --sub ada"+adaClaims)
	return s
}

func (s *reloadedServe) edit(replace ...string) {
	s.Helper()
	editConfig(s.T, s.path, replace...)
}

// editConfig replaces texts of a configuration, given as pairs.
func editConfig(t *testing.T, path string, replace ...string) {
	t.Helper()
	text := mustReadFile(t, path)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			t.Fatalf("%q is not in the configuration", replace[i])
		}
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	mustWriteFile(t, path, text)
}

// reload asks for a reload, waits for a text in the log, and returns what is logged from the request on.
func (s *reloadedServe) reload(want string) string {
	s.Helper()
	before := len(s.log.String())
	s.hangups <- syscall.SIGHUP
	s.log.Wait(s.T, before, want)
	return s.log.String()[before:]
}

const reloaded = `"msg":"configuration reloaded"`

// stop ends serve.
func (s *reloadedServe) stop() {
	s.Helper()
	if err := s.end(); err != nil {
		s.Error(err)
	}
}

// wantLookup verifies the status and the beginning of the response to a lookup by a secret.
func (s *reloadedServe) wantLookup(secret string, status int, body string) {
	s.Helper()
	if gotStatus, got := s.lookup(secret); gotStatus != status || !strings.HasPrefix(got, body) {
		s.Errorf("status %d, %s; want %d, %s", gotStatus, got, status, body)
	}
}

func (s *reloadedServe) lookup(secret string) (status int, body string) {
	s.Helper()
	response, err := http.PostForm(s.public+"/lookup", s.lookupForm(secret))
	if err != nil {
		s.Fatal(err)
	}
	return response.StatusCode, readBody(s.T, response)
}

func (s *reloadedServe) lookupForm(secret string) url.Values {
	return url.Values{"token": {s.token}, "client_id": {"pizza-backend"}, "client_secret": {secret}}
}

// get returns the body of a page.
func (s *reloadedServe) get(address string) string {
	s.Helper()
	response, err := http.Get(address)
	if err != nil {
		s.Fatal(err)
	}
	return readBody(s.T, response)
}

func readBody(t *testing.T, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// wantMetric verifies the value of a metric.
func (s *reloadedServe) wantMetric(name string, want int) {
	s.Helper()
	metrics := s.get(s.admin + "/metrics")
	if line := fmt.Sprintf("\n%s %d\n", name, want); !strings.Contains(metrics, line) {
		prefix, _, _ := strings.Cut(name, "{")
		s.Errorf("want %s, got %q", line, regexp.MustCompile(`(?m)^`+prefix+`.*`).FindAllString(metrics, -1))
	}
}

// checkProblems returns the problems that check prints.
func checkProblems(t *testing.T, path string) []string {
	t.Helper()
	code, _, stderr := runCommand("check", "--config", path)
	lines := strings.Split(strings.TrimSpace(stderr), "\n  ")
	if code != exitUsage || len(lines) < 2 {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	return lines[1:]
}

// refusals returns the problems in the lines of a log at level ERROR.
func refusals(t *testing.T, log string) (problems []string) {
	t.Helper()
	for text := range strings.Lines(log) {
		var line struct{ Level, Msg, Problem string }
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line.Level == "ERROR" && line.Msg == "configuration refused; the one before stays in force" {
			problems = append(problems, line.Problem)
		}
	}
	return problems
}
