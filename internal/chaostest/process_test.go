//go:build strict

package chaostest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/postgrestest"
)

const maxStaleness = 30 * time.Second

func newSQLiteCluster(t *testing.T, replicas int) (c *cluster, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "bridge.db")
	return newCluster(t, replicas, nil, file, maxStaleness), file
}

// linkStable links the skill without refresh tokens through a browser and returns the access token. Status 503 and no
// response are lawful on a busy machine, so it tries again.
func (c *cluster) linkStable(r *replica) (token string) {
	c.t.Helper()
	c.retry(func() error {
		f, err := c.stable.signIn(r, "token", ada)
		if err != nil {
			return err
		}
		received, err := f.consent()
		token = received.Get("access_token")
		return err
	})
	return token
}

// active looks a token up until the response is definite.
func (c *cluster) active(r *replica, token string) bool {
	c.t.Helper()
	var answer lookupResponse
	c.retry(func() error {
		a := post(r, "/lookup", "backend", c.backendSecret, url.Values{"token": {token}})
		if a.status != 200 {
			return fmt.Errorf("%v: /lookup: status %d", r, a.status)
		}
		return json.Unmarshal(a.body, &answer)
	})
	return answer.Active
}

// wantInactive waits until a token is inactive. The experiments check how long that may take.
func (c *cluster) wantInactive(r *replica, token string) {
	c.t.Helper()
	c.retry(func() error {
		if c.active(r, token) {
			return fmt.Errorf("%v: active after the revocation", r)
		}
		return nil
	})
}

// retry calls the function until it succeeds, for at most 20 s.
func (c *cluster) retry(attempt func() error) {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := attempt()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatal(err)
		}
	}
}

func (c *cluster) restart(r *replica) {
	c.t.Helper()
	if err := r.start(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) mustRun(arguments ...string) {
	c.t.Helper()
	if code, output := runCommand(time.Minute, append(arguments, "--config", c.commandConfig)...); code != 0 {
		c.t.Fatalf("%v: exit code %d: %s", arguments, code, output)
	}
}

// TestKilledAfterRedirect verifies that a token is durable before it leaves the process.
func TestKilledAfterRedirect(t *testing.T) {
	c, _ := newSQLiteCluster(t, 1)
	r := c.replicas[0]
	c.start()
	received := 0
	for range 5 {
		var f *flow
		c.retry(func() (err error) {
			f, err = c.stable.signIn(r, "token", ada)
			return err
		})
		f.phone.Trace = func(simulator.Exchange) { r.signal(os.Kill) }
		values, err := f.consent()
		r.kill()
		c.restart(r)
		if err != nil { // on a busy machine
			t.Log(err)
			continue
		}
		received++
		if !c.active(r, values.Get("access_token")) {
			t.Fatal("a token that a browser received is lost")
		}
	}
	if received == 0 {
		t.Error("no token was received")
	}
}

// TestStopsOnSignal verifies that serve exits with code 0, and writes the last use of a link first.
func TestStopsOnSignal(t *testing.T) {
	c, _ := newSQLiteCluster(t, 1)
	r := c.replicas[0]
	c.start()
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		if !c.active(r, c.linkStable(r)) {
			t.Error("a new link is inactive")
		}
		r.signal(signal)
		if code := r.process.Load().wait(); code != 0 {
			t.Errorf("%v: exit code %d", signal, code)
		}
		if code, _ := runCommand(time.Minute, "health", "--config", r.config); code != 1 {
			t.Errorf("health of a server that has stopped: exit code %d", code)
		}
		_, list := runCommand(time.Minute, "links", "list", "--json", "--config", r.config)
		if strings.Contains(list, `"last_used_at": null`) || !strings.Contains(list, "last_used_at") {
			t.Errorf("%v: the last use was not written: %s", signal, list)
		}
		c.restart(r)
	}
}

// TestReplicasAndCommand verifies that two replicas know each other's links, and what a command revokes.
func TestReplicasAndCommand(t *testing.T) {
	c, _ := newSQLiteCluster(t, 2)
	c.start()
	tokens := []string{c.linkStable(c.replicas[0]), c.linkStable(c.replicas[1])}
	for _, r := range c.replicas {
		for i, token := range tokens {
			if !c.active(r, token) {
				t.Errorf("%v does not know the link made at r%d", r, i)
			}
		}
	}
	c.mustRun("links", "revoke", "--subject", ada.Subject)
	for _, r := range c.replicas {
		for _, token := range tokens {
			c.wantInactive(r, token)
		}
	}
}

// TestStopsWhileDatabaseHangs verifies that serve exits within 8 s of SIGTERM.
func TestStopsWhileDatabaseHangs(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{})
	c := newCluster(t, 1, server, "", maxStaleness)
	r := c.replicas[0]
	c.start()
	token := c.linkStable(r)
	var group sync.WaitGroup
	for range 8 { // so that there are connections to close
		group.Go(func() { post(r, "/lookup", "backend", c.backendSecret, url.Values{"token": {token}}) })
	}
	group.Wait()
	r.proxy.Set(postgrestest.Hang)
	group.Go(func() { http.Post(r.origin+"/token", "application/x-www-form-urlencoded", http.NoBody) })
	started := time.Now()
	r.signal(syscall.SIGTERM)
	r.process.Load().wait()
	if took := time.Since(started); took >= 8*time.Second {
		t.Errorf("exited after %v", took)
	}
	group.Wait()
}

// TestDatabaseFileReplaced verifies that replicas exit with code 1 when a backup is moved to the place of their
// database, and serve the backup after a restart.
func TestDatabaseFileReplaced(t *testing.T) {
	c, file := newSQLiteCluster(t, 2)
	c.start()
	kept, revoked := c.linkStable(c.replicas[0]), c.linkStable(c.replicas[1])
	backup := file + ".backup"
	c.mustRun("backup", backup)
	lost := c.linkStable(c.replicas[0])
	if a := post(c.replicas[1], "/revoke", "backend", c.backendSecret, url.Values{"token": {revoked}}); a.status != 200 {
		t.Fatalf("/revoke: status %d", a.status)
	}
	for _, r := range c.replicas { // so that each has them in its cache
		c.wantInactive(r, revoked)
		if !c.active(r, kept) || !c.active(r, lost) {
			t.Errorf("%v: inactive before the backup is restored", r)
		}
	}
	if err := os.Rename(backup, file); err != nil {
		t.Fatal(err)
	}
	for _, r := range c.replicas {
		p := r.process.Load()
		select {
		case <-p.exited:
		case <-time.After(20 * time.Second):
			t.Fatalf("%v goes on with the old file", r)
		}
		if code := p.wait(); code != 1 {
			t.Errorf("%v: exit code %d, want 1", r, code)
		}
		c.restart(r)
	}
	added := c.linkStable(c.replicas[0])
	for _, r := range c.replicas {
		got := []bool{c.active(r, kept), c.active(r, revoked), c.active(r, lost), c.active(r, added)}
		if want := []bool{true, true, false, true}; !slices.Equal(got, want) {
			t.Errorf("%v: kept, revoked, lost, added are active: %v, want %v", r, got, want)
		}
	}
}
