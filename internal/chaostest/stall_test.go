//go:build strict

package chaostest

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"alexa-oidc-bridge/bridge/sqlstore"
)

// afterStalls runs a check after any current stall of the machine has been recorded by detectStalls.
func (e *experiment) afterStalls(check func()) {
	e.suspicions.Go(func() {
		time.Sleep(1500 * time.Millisecond)
		check()
	})
}

// detectStalls requests what costs nothing from a replica, and from PostgreSQL through the replica's proxy. A slow
// response is recorded as a disturbance: on a machine so busy, a late response of the replica proves nothing.
func (e *experiment) detectStalls(r *replica) {
	const interval, slow = 100 * time.Millisecond, 300 * time.Millisecond
	client := &http.Client{Transport: newTransport()}
	defer client.CloseIdleConnections()
	database := &databaseProbe{}
	defer database.close()
	last := time.Now()
	for e.pause(interval) {
		ctx, cancel := context.WithTimeout(e.ctx, time.Second)
		err := getHealth(ctx, client, r)
		if err == nil && e.driver == sqlstore.PostgreSQL {
			err = database.query(ctx, r.dsn)
		}
		cancel()
		now := time.Now()
		if e.ctx.Err() == nil && (err != nil || now.Sub(last) > interval+slow) {
			r.addStall(last, now)
			e.counts.add(fmt.Sprintf("stalls: %v", r))
		}
		last = now
	}
}

func getHealth(ctx context.Context, client *http.Client, r *replica) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.admin+"/healthz", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// databaseProbe is a connection to PostgreSQL that is restored after an error.
type databaseProbe struct{ conn *pgx.Conn }

func (p *databaseProbe) query(ctx context.Context, dsn string) (err error) {
	if p.conn == nil {
		if p.conn, err = pgx.Connect(ctx, dsn); err != nil {
			return err
		}
	}
	if _, err = p.conn.Exec(ctx, `SELECT 1`); err != nil {
		p.close()
	}
	return err
}

func (p *databaseProbe) close() {
	if p.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	p.conn.Close(ctx)
	p.conn = nil
}
