//go:build strict

package chaostest

import (
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/internal/postgrestest"
)

// TestPostgreSQL injects faults into three replicas on one PostgreSQL. The first partition and the faults during it
// meet max_staleness from both sides.
func TestPostgreSQL(t *testing.T) {
	options := readOptions(t)
	server := postgrestest.ForTest(t, postgrestest.Config{Durable: true})
	c := newCluster(t, 3, server, "", options.maxStaleness)
	runExperiment(c, options, postgresFaults(c, server), []step{
		{2 * time.Second, "provider unreliable", 7 * time.Second},
		{3 * time.Second, "r1 refused", 8 * time.Second},
		{500 * time.Millisecond, "r0 killed", time.Second},
		{1500 * time.Millisecond, "r2 frozen", 5 * time.Second},
		{3 * time.Second, "provider down", time.Second},
		{3500 * time.Millisecond, "PostgreSQL killed", 500 * time.Millisecond},
		{3 * time.Second, "r2 hung", 2 * time.Second},
		{500 * time.Millisecond, "r0 cut", 0},
		{2 * time.Second, "PostgreSQL stopped", time.Second},
		{1500 * time.Millisecond, "connections cut", 0},
	})
}

func postgresFaults(c *cluster, server *postgrestest.Server) []*fault {
	database := new(sync.Mutex)
	outages := []time.Duration{500 * time.Millisecond, 4 * time.Second, 15 * time.Second}
	faults := []*fault{
		{"PostgreSQL stopped", database, outages, outage(server, server.Stop)},
		{"PostgreSQL killed", database, outages, outage(server, server.Kill)},
		{"connections cut", database, []time.Duration{0}, func(e *experiment, _ time.Duration) error {
			defer e.forAll((*timeline).disturb)()
			return server.Cut(c.replicas[0].dsn)
		}},
	}
	partitions := []time.Duration{time.Second, 8 * time.Second, 25 * time.Second, 45 * time.Second}
	freezes := []time.Duration{5 * time.Second, 40 * time.Second}
	for _, r := range c.replicas {
		faults = append(faults,
			&fault{r.String() + " refused", &r.faultLock, partitions, partition(r, postgrestest.Refuse)},
			&fault{r.String() + " hung", &r.faultLock, partitions, partition(r, postgrestest.Hang)},
			&fault{r.String() + " cut", &r.faultLock, []time.Duration{0}, func(*experiment, time.Duration) error {
				defer r.disturb()()
				r.proxy.Cut()
				return nil
			}},
			&fault{r.String() + " frozen", &r.faultLock, freezes, func(e *experiment, lasts time.Duration) error {
				defer r.disturb()()
				r.freeze()
				e.pause(lasts)
				r.thaw()
				return nil
			}},
		)
	}
	return faults
}

// outage ends the database and starts it again.
func outage(server *postgrestest.Server, end func() error) func(*experiment, time.Duration) error {
	return func(e *experiment, lasts time.Duration) error {
		defer e.forAll((*timeline).disturb)()
		if err := end(); err != nil {
			return err
		}
		over := e.forAll((*timeline).partition)
		e.pause(lasts)
		over()
		return server.StartAgain()
	}
}

// partition cuts one replica off from the database.
func partition(r *replica, mode postgrestest.Mode) func(*experiment, time.Duration) error {
	return func(e *experiment, lasts time.Duration) error {
		defer r.disturb()()
		r.proxy.Set(mode)
		if mode == postgrestest.Refuse {
			r.proxy.Cut()
		}
		over := r.partition()
		e.pause(lasts)
		over()
		r.proxy.Set(postgrestest.Open)
		return nil
	}
}
