package main

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"alexa-oidc-bridge/internal/postgrestest"
)

// TestFaultsOnPostgreSQL drives three bridges on one PostgreSQL that keeps its promises (fsync is on), each of them on a way
// of its own to the database, while faults come over them. See the model for what is checked.
func TestFaultsOnPostgreSQL(t *testing.T) {
	plan := newPlan(t)
	server := postgrestest.ForTest(t, postgrestest.Config{Durable: true})
	dsn := server.DatabaseFor(t)
	proxies := make([]*postgrestest.Proxy, 3)
	for i := range proxies {
		proxies[i] = server.ProxyForTest(t)
	}
	o := newOrdeal(t, plan, len(proxies), func(i int) (string, string) {
		if i < 0 {
			return "postgres", dsn
		}
		return "postgres", proxies[i].DSN(dsn)
	})
	for i, r := range o.replicas {
		r.proxy, r.canary = proxies[i], proxies[i].DSN(dsn)
	}
	o.startAll()
	o.run(func(i *injector) {
		i.kinds = i.postgresFaults(server)
		if plan.long > 0 {
			i.random(plan.long, 2)
			return
		}
		i.shortPostgres()
	})
}

// shortPostgres has each kind of fault once. The cut of r1 and the two faults during it meet lookup.max_staleness from both
// sides.
func (i *injector) shortPostgres() {
	for _, step := range []struct {
		after time.Duration
		name  string
		lasts time.Duration
	}{
		{5 * time.Second, "r1 refused", 8 * time.Second},
		{500 * time.Millisecond, "r0 killed", time.Second},
		{1500 * time.Millisecond, "r2 frozen", 5 * time.Second},
		{6500 * time.Millisecond, "PostgreSQL killed", 500 * time.Millisecond},
		{3 * time.Second, "r2 hung", 2 * time.Second},
		{500 * time.Millisecond, "r0 cut", 0},
		{2 * time.Second, "PostgreSQL stopped", time.Second},
		{1500 * time.Millisecond, "connections cut", 0},
	} {
		if !i.pause(step.after) {
			return
		}
		for _, kind := range i.kinds {
			if kind.name == step.name {
				i.begin(kind, step.lasts)
			}
		}
	}
}

func (i *injector) postgresFaults(server *postgrestest.Server) []*fault {
	whole := new(sync.Mutex)
	outages := []time.Duration{500 * time.Millisecond, 4 * time.Second, 15 * time.Second}
	faults := []*fault{
		{"PostgreSQL stopped", whole, outages, func(d time.Duration) error { return i.outage(server, server.Stop, d) }},
		{"PostgreSQL killed", whole, outages, func(d time.Duration) error { return i.outage(server, server.Kill, d) }},
		{"connections cut", whole, []time.Duration{0}, func(time.Duration) error {
			defer i.disturbAll()()
			return server.Cut()
		}},
	}
	for _, r := range i.replicas {
		faults = append(faults, i.replicaFaults(r)...)
		faults = append(faults,
			&fault{r.String() + " frozen", &r.ill, []time.Duration{5 * time.Second, 40 * time.Second}, func(d time.Duration) error {
				defer r.disturb()()
				r.freeze()
				i.pause(d)
				r.thaw()
				return nil
			}},
			&fault{r.String() + " refused", &r.ill, cutLengths(), func(d time.Duration) error { return i.cutReplica(r, postgrestest.Refuse, d) }},
			&fault{r.String() + " hung", &r.ill, cutLengths(), func(d time.Duration) error { return i.cutReplica(r, postgrestest.Hang, d) }},
			&fault{r.String() + " cut", &r.ill, []time.Duration{0}, func(time.Duration) error {
				defer r.disturb()()
				r.proxy.Cut()
				return nil
			}},
		)
	}
	return faults
}

// cutLengths are on both sides of lookup.max_staleness.
func cutLengths() []time.Duration {
	return []time.Duration{time.Second, 8 * time.Second, 25 * time.Second, 45 * time.Second}
}

// replicaFaults are those that do not depend on the database.
func (i *injector) replicaFaults(r *replica) []*fault {
	return []*fault{{r.String() + " killed", &r.ill, []time.Duration{0, time.Second, 5 * time.Second}, func(d time.Duration) error {
		defer r.disturb()()
		r.kill()
		i.pause(d)
		return r.start(i.ctx)
	}}}
}

func (o *ordeal) disturbAll() (over func()) {
	var overs []func()
	for _, r := range o.replicas {
		overs = append(overs, r.disturb())
	}
	return func() {
		for _, over := range overs {
			over()
		}
	}
}

// outage ends the database and starts it again.
func (o *ordeal) outage(server *postgrestest.Server, end func() error, lasts time.Duration) error {
	defer o.disturbAll()()
	if err := end(); err != nil {
		return err
	}
	var reachable []func()
	for _, r := range o.replicas {
		reachable = append(reachable, r.cutOff())
	}
	o.pause(lasts)
	for _, over := range reachable {
		over()
	}
	return server.StartAgain()
}

// cutReplica takes one replica's way to the database.
func (o *ordeal) cutReplica(r *replica, mode postgrestest.Mode, lasts time.Duration) error {
	defer r.disturb()()
	if err := r.proxy.Set(mode); err != nil {
		return err
	}
	if mode == postgrestest.Refuse {
		r.proxy.Cut()
	}
	over := r.cutOff()
	o.pause(lasts)
	over()
	return r.proxy.Set(postgrestest.Open)
}

// canary is a connection of the suite's own on a replica's way to PostgreSQL, which is nil on SQLite.
type canary struct {
	dsn  string
	conn *pgx.Conn
}

func newCanary(r *replica) *canary { return &canary{dsn: r.canary} }

// ask says whether the database answers.
func (c *canary) ask(ctx context.Context) bool {
	if c.dsn == "" {
		return true
	}
	if c.conn == nil {
		conn, err := pgx.Connect(ctx, c.dsn)
		if err != nil {
			return false
		}
		c.conn = conn
	}
	if _, err := c.conn.Exec(ctx, `SELECT 1`); err != nil {
		c.close()
		return false
	}
	return true
}

func (c *canary) close() {
	if c.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		c.conn.Close(ctx)
		c.conn = nil
	}
}
