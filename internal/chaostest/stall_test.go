//go:build strict

package chaostest

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"time"

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
	var database *sql.DB
	if e.driver == sqlstore.PostgreSQL {
		database, _ = sql.Open("pgx", r.dsn) // which the replica has parsed
		database.SetMaxOpenConns(1)
		defer database.Close()
	}
	last := time.Now()
	for e.pause(interval) {
		ctx, cancel := context.WithTimeout(e.ctx, time.Second)
		_, _, err := get(ctx, client, r, "/healthz")
		if err == nil && database != nil {
			_, err = database.ExecContext(ctx, `SELECT 1`)
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

// get sends a request to the address of a replica for health checks and metrics.
func get(ctx context.Context, client *http.Client, r *replica, path string) (status int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.admin+path, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}
