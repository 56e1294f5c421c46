package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/upstreamtest"
)

// ordeal is a fleet of bridges on one database, people and backends that use them, and the faults that come over them.
type ordeal struct {
	*testing.T
	seed     uint64
	limit    time.Duration // lookup.max_staleness
	began    time.Time
	replicas []*replica
	skills   []*skill
	backend  string // its secret
	commands string // the configuration of commands, whose way to the store nothing disturbs but the store's own faults
	provider *upstreamtest.Provider

	model   model
	eras    eras
	steady  sync.RWMutex // held for reading by what changes something, for writing by the copying of the database
	aside   sync.RWMutex // held for reading by commands, for writing while a backup is put in place
	faults  tail
	counts  counts
	latency latency

	work    sync.WaitGroup
	suspect sync.WaitGroup // judgements that wait until it is known what else happened
	ctx     context.Context
	stop    context.CancelFunc
	wrong   atomic.Pointer[string] // the first violation
}

// database is where replica i, or a command when i is negative, finds the store.
type database func(i int) (driver, dsn string)

func newOrdeal(t *testing.T, plan plan, replicas int, where database) *ordeal {
	t.Helper()
	t.Setenv("BRIDGE_KEY", keys.Generate())
	o := &ordeal{T: t, seed: plan.seed, limit: plan.limit, began: time.Now(), backend: keys.Generate(),
		skills: []*skill{{id: "rotates", secret: keys.Generate(), rotates: true}, {id: "stays", secret: keys.Generate()}}}
	o.ctx, o.stop = context.WithCancel(context.Background())
	t.Cleanup(o.stop)
	dir := t.TempDir()
	var clients []upstreamtest.Client
	addresses, err := quietAddresses(2 * replicas)
	if err != nil {
		t.Fatal(err)
	}
	for i := range replicas {
		r := newReplica(i, addresses[2*i], addresses[2*i+1])
		r.config = filepath.Join(dir, fmt.Sprintf("replica%d.yaml", i))
		o.replicas = append(o.replicas, r)
		clients = append(clients, upstreamtest.Client{ID: "bridge" + r.String(), Secret: "upstream-secret", RedirectURI: r.origin + "/callback/corp"})
	}
	if o.provider, err = upstreamtest.Start(upstreamtest.Config{Clients: clients, People: []upstreamtest.Person{ada}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.provider.Close() })
	for i, r := range o.replicas {
		o.configure(r.config, where, i, r)
	}
	o.commands = filepath.Join(dir, "commands.yaml")
	o.configure(o.commands, where, -1, o.replicas[0])
	return o
}

func (o *ordeal) configure(path string, where database, i int, r *replica) {
	o.Helper()
	driver, dsn := where(i)
	skills := ""
	for _, s := range o.skills {
		refresh := "stable"
		if s.rotates {
			refresh = "rotate"
		}
		skills += fmt.Sprintf("  - {client_id: %s, name: Contoso Pizza, grants: [implicit, authorization_code], client_secret: %s,\n"+
			"     vendor_ids: [M2AAAAAAAAAAAA], claims: [name], tokens: {refresh: %s, code_lifetime: 10m, access_lifetime: 24h}}\n", s.id, s.secret, refresh)
	}
	text := fmt.Sprintf(`
public_url: %s
listen: %s
admin_listen: %s
keys: ["${BRIDGE_KEY}"]
storage: {driver: %s, dsn: %q}
lookup: {max_staleness: %s}
log: {level: debug}
providers: [{id: corp, issuer: %q, client_id: bridge%v, client_secret: upstream-secret}]
skills:
%sbackends: [{id: pizza-backend, secret: %s, skills: [rotates, stays]}]
`, r.origin, strings.TrimPrefix(r.origin, "http://"), r.admin, driver, dsn, o.limit, o.provider.Issuer(), r, skills, o.backend)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		o.Fatal(err)
	}
}

// startAll starts all replicas at once, as on a database that is empty still.
func (o *ordeal) startAll() {
	o.Helper()
	errs := make([]error, len(o.replicas))
	var group sync.WaitGroup
	for i, r := range o.replicas {
		over := r.disturb()
		group.Go(func() {
			errs[i] = r.start(o.ctx)
			over()
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			o.Fatal(err)
		}
	}
	o.Cleanup(func() {
		for _, r := range o.replicas {
			if r.now.Load() != nil {
				r.kill()
			}
		}
	})
}

// violation ends the run. What it says is reported with all that is known, once everything has stopped. It needs the link's
// lock.
func (o *ordeal) violation(l *link, format string, arguments ...any) {
	text := fmt.Sprintf("%9.3f ", time.Since(o.began).Seconds()) + fmt.Sprintf(format, arguments...)
	if l != nil {
		text += fmt.Sprintf("\nlink %d (%s, id %q):\n%s", l.number, l.skill.id, l.id, strings.Join(l.history, "\n"))
	}
	if o.wrong.CompareAndSwap(nil, &text) {
		o.stop()
	}
}

// accuse is violation for whoever does not hold the link's lock.
func (o *ordeal) accuse(l *link, format string, arguments ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o.violation(l, format, arguments...)
}

// pause waits, and says whether there is anything to go on with.
func (o *ordeal) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-o.ctx.Done():
		return false
	}
}

// fault writes into the list of faults.
func (o *ordeal) fault(format string, arguments ...any) {
	o.faults.add(fmt.Sprintf("%9.3f ", time.Since(o.began).Seconds()) + fmt.Sprintf(format, arguments...))
}

// report says what was found, or how much was looked at.
func (o *ordeal) report() {
	o.Helper()
	took := time.Since(o.began)
	for _, r := range o.replicas {
		o.Logf("%v was certainly in reach of the store for %.0f%% of the time", r, 100*r.calmShare(o.began, o.began.Add(took)))
	}
	o.Logf("seed %d, %.0f s, %d links\n%v", o.seed, took.Seconds(), o.model.made, &o.counts)
	o.Logf("from the acknowledgement of an end to the first inactive answer of another replica: %v", &o.latency)
	wrong := o.wrong.Load()
	if wrong == nil {
		return
	}
	o.Errorf("VIOLATION with seed %d (set BRIDGE_FAULT_SEED to draw the same again)\n%s\n\nfaults:\n%v", o.seed, *wrong, &o.faults)
	for _, r := range o.replicas {
		o.Logf("end of the log of %v:\n%v", r, &r.log)
	}
}

// counts says how often what was done or checked, so that nobody takes a run that checked nothing for a good one.
type counts struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *counts) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[what]++
}

func (c *counts) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[what]
}

func (c *counts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(c.counts)) {
		fmt.Fprintf(&b, "%8d  %s\n", c.counts[what], what)
	}
	return b.String()
}

// readyClient asks for /readyz.
func readyClient() *http.Client {
	return &http.Client{Timeout: 2 * time.Second, Transport: newTransport()}
}
