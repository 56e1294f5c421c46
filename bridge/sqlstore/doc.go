// Package sqlstore is a [bridge.Store] on a SQL database, SQLite or PostgreSQL.
//
// Each transition of the Store is one function with its SQL in it, which is the same for both databases. How they are
// opened and written to is in internal/engine: on SQLite one writer commits the transactions that wait together, on
// PostgreSQL each transaction has a connection and is run again after a deadlock. Two transitions have a shortcut that
// shares queries between callers: [Store.Lookup] on SQLite and [Store.Refresh] on PostgreSQL.
//
// A SQLite file must not be replaced while it is open: stop the servers first. A server finds a replaced file when it
// reads the feed, at most 250 ms later and the time of one read, and [Store.ReadFeed] returns [bridge.ErrStoreReplaced]
// from then on. What was written in between went to the old file and is lost. While no file stands under the path, ReadFeed
// returns another error, and the store goes on when the file is put back.
package sqlstore
