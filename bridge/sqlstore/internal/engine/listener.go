package engine

import (
	"context"
	"database/sql"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// channel is the PostgreSQL channel that [Tx.Notify] notifies.
const channel = "bridge_feed"

// Listener is a connection for following what other processes write. It is none of the pool's, so that no burst of
// queries delays it, and PostgreSQL sends its notifications to it.
type Listener struct {
	db     *sql.DB
	listen bool // whether the database sends notifications

	mu   sync.Mutex
	conn *sql.Conn // nil: not connected
}

// Read runs queries on the connection, and connects first if necessary. An error disconnects, so that the next Read
// begins afresh.
func (l *Listener) Read(ctx context.Context, read func(*sql.Conn) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.connect(ctx); err != nil {
		return err
	}
	l.discardNotifications()
	err := read(l.conn)
	if err != nil {
		l.disconnect()
	}
	return err
}

// Wait returns true after a notification that arrived since the last Read, or when the context ends. It returns false
// at once if the connection cannot wait: there are no notifications, or it is not connected.
func (l *Listener) Wait(ctx context.Context) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil || !l.listen {
		return false
	}
	err := l.conn.Raw(func(conn any) error {
		_, err := pgxConn(conn).WaitForNotification(ctx)
		return err
	})
	if err != nil && ctx.Err() == nil {
		l.disconnect()
		return false
	}
	return true
}

// connect listens before the first query, so that nothing is committed unnoticed in between.
func (l *Listener) connect(ctx context.Context) error {
	if l.conn != nil {
		return nil
	}
	conn, err := l.db.Conn(ctx)
	if err != nil {
		return err
	}
	l.conn = conn
	if !l.listen {
		return nil
	}
	if _, err = conn.ExecContext(ctx, `LISTEN `+channel); err != nil {
		l.disconnect()
	}
	return err
}

// discardNotifications discards those that have arrived: the queries that follow see what they announce.
func (l *Listener) discardNotifications() {
	if !l.listen {
		return
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	l.conn.Raw(func(conn any) (err error) {
		for err == nil {
			_, err = pgxConn(conn).WaitForNotification(ended)
		}
		return nil
	})
}

func (l *Listener) disconnect() {
	l.conn.Close()
	l.conn = nil
}

func (l *Listener) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.disconnect()
	}
	return l.db.Close()
}

func pgxConn(conn any) *pgx.Conn { return conn.(*stdlib.Conn).Conn() }
