package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"alexa-oidc-bridge/bridge"
)

// ReadFeed reads the feed; see [bridge.Store]. On SQLite it returns an error that wraps [bridge.ErrStoreReplaced]
// when another file stands under the path of the database, and another error while none does: a restart would create
// an empty database.
func (s *Store) ReadFeed(ctx context.Context, after bridge.Position) (bridge.Feed, error) {
	if replaced, err := s.db.Replaced(); err != nil {
		return bridge.Feed{}, err
	} else if replaced {
		return bridge.Feed{}, fmt.Errorf("%w: %s", bridge.ErrStoreReplaced, s.db.Options.DSN)
	}
	var feed bridge.Feed
	err := s.db.Listener.Read(ctx, func(conn *sql.Conn) (err error) {
		feed, err = selectFeed(ctx, conn, after)
		return err
	})
	return feed, err
}

// WaitForEvents waits until the feed may have grown; see [bridge.Store].
func (s *Store) WaitForEvents(ctx context.Context) {
	if !s.db.Listener.Wait(ctx) {
		<-ctx.Done()
	}
}

func selectFeed(ctx context.Context, conn *sql.Conn, after bridge.Position) (bridge.Feed, error) {
	var now bridge.Position
	err := conn.QueryRowContext(ctx, `SELECT epoch, position, mark FROM feed WHERE id = 1`).
		Scan(&now.Epoch, &now.Count, &now.Mark)
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
	feed.Events, err = selectEvents(ctx, conn, after, now)
	feed.Broken = err == nil && feed.Events == nil
	return feed, err
}

// selectEvents returns the events after one position up to another, or nil if the feed does not lead from the first
// to the second. To find that out, it counts the events and reads the one at the first position, unless that is the
// beginning.
func selectEvents(ctx context.Context, conn *sql.Conn, after, until bridge.Position) ([]bridge.Event, error) {
	rows, err := conn.QueryContext(ctx, `SELECT position, mark, link_id, client_id, reason, actor FROM events
		WHERE position >= $1 AND position <= $2 ORDER BY position`,
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
		if err := rows.Scan(&position, &mark, &event.LinkID, &event.ClientID, &event.Reason, &event.Actor); err != nil {
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
