package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"alexa-oidc-bridge/bridge"
)

// channel is what followers on PostgreSQL listen to.
const channel = "bridge_feed"

// follower is the connection on which a process follows the feed: one of its own, which no burst of lookups can hold up,
// and on which PostgreSQL says when the feed has grown.
type follower struct {
	db     *sql.DB
	listen bool

	mu     sync.Mutex
	conn   *sql.Conn // nil: to be opened
	broken bool      // whatever was read before was of another database
}

// ReadFeed reads the feed; see [bridge.Store].
func (s *Store) ReadFeed(ctx context.Context, after bridge.Position) (bridge.Feed, error) {
	open, err := s.opened(ctx)
	if err != nil {
		return bridge.Feed{}, err
	}
	return open.follower.read(ctx, after)
}

// WaitForEvents waits for the feed to grow; see [bridge.Store].
func (s *Store) WaitForEvents(ctx context.Context) {
	open := s.open.Load()
	if open == nil || !open.follower.wait(ctx) {
		<-ctx.Done()
	}
}

func (f *follower) read(ctx context.Context, after bridge.Position) (bridge.Feed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.connect(ctx); err != nil {
		return bridge.Feed{}, err
	}
	f.drain()
	feed, err := readFeed(ctx, f.conn, after)
	if err != nil {
		f.disconnect()
		return feed, err
	}
	feed.Broken, f.broken = feed.Broken || f.broken, false
	return feed, nil
}

// drain forgets notifications that have arrived: what they are about will be read now.
func (f *follower) drain() {
	if !f.listen {
		return
	}
	none, cancel := context.WithCancel(context.Background())
	cancel()
	f.conn.Raw(func(conn any) (err error) {
		for err == nil {
			_, err = pgxOf(conn).WaitForNotification(none)
		}
		return nil
	})
}

// connect opens the connection and listens before the feed is read for the first time, so that nothing falls in between.
func (f *follower) connect(ctx context.Context) error {
	if f.conn != nil {
		return nil
	}
	conn, err := f.db.Conn(ctx)
	if err != nil {
		return err
	}
	f.conn = conn
	if !f.listen {
		return nil
	}
	if _, err = conn.ExecContext(ctx, `LISTEN `+channel); err != nil {
		f.disconnect()
	}
	return err
}

func (f *follower) disconnect() {
	f.conn.Close()
	f.conn = nil
}

// wait waits for a notification. False: there can be none.
func (f *follower) wait(ctx context.Context) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn == nil || !f.listen {
		return false
	}
	err := f.conn.Raw(func(conn any) error {
		_, err := pgxOf(conn).WaitForNotification(ctx)
		return err
	})
	if err != nil && ctx.Err() == nil {
		f.disconnect()
		return false
	}
	return true
}

func pgxOf(conn any) *pgx.Conn { return conn.(*stdlib.Conn).Conn() }

func (f *follower) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn != nil {
		f.disconnect()
	}
	return f.db.Close()
}

func readFeed(ctx context.Context, conn *sql.Conn, after bridge.Position) (bridge.Feed, error) {
	var now bridge.Position
	err := conn.QueryRowContext(ctx, `SELECT epoch, position, mark FROM feed WHERE id = 1`).Scan(&now.Epoch, &now.Count, &now.Mark)
	if err != nil {
		return bridge.Feed{}, err
	}
	feed := bridge.Feed{Position: now}
	switch {
	case now == after:
		return feed, nil
	case now.Epoch != after.Epoch || now.Count-after.Count > bridge.MaxEvents:
		feed.Broken = true
		return feed, nil
	}
	feed.Events, err = readEvents(ctx, conn, after, now)
	feed.Broken = err == nil && feed.Events == nil
	return feed, err
}

// readEvents returns the events from one position to another, or none when the first is not on the way to the second. That
// is found by reading the event at the first too, except before everything, and by counting.
func readEvents(ctx context.Context, conn *sql.Conn, after, until bridge.Position) ([]bridge.Event, error) {
	rows, err := conn.QueryContext(ctx, `SELECT position, mark, link_id FROM events WHERE position >= $1 AND position <= $2 ORDER BY position`,
		after.Count, until.Count)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	missing := until.Count - max(after.Count, 1) + 1
	var events []bridge.Event
	for ; rows.Next(); missing-- {
		var position int64
		var mark string
		var event bridge.Event
		if err := rows.Scan(&position, &mark, &event.LinkID); err != nil {
			return nil, err
		}
		switch {
		case position == after.Count && mark != after.Mark:
			return nil, nil
		case position > after.Count:
			events = append(events, event)
		}
	}
	if missing != 0 {
		return nil, rows.Err()
	}
	return events, rows.Err()
}

// giveEpoch names the life of a database that has no name yet.
func giveEpoch(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, `UPDATE feed SET epoch = $1 WHERE id = 1 AND epoch = ''`, rand.Text())
	return err
}
