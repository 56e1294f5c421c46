// Package sqlstore keeps links in a SQL database, SQLite or PostgreSQL. It is the only package that knows a driver.
//
// The SQL is one text for both (see migrations): placeholders are $1, $2, …, and the first mention of each in a statement is
// in that order, because SQLite numbers them as it meets them.
//
// Every write goes through [Store.write] as one function that is one [transaction]. On SQLite one writer collects the
// functions that wait and commits them together ([groupCommit]), since the sync to disk is what a commit costs; reads go
// through a few connections of their own, which the write-ahead log lets run beside the writer. On PostgreSQL each function has
// a connection of a [pool], and runs again when the database gave it up for another. On both, lookups that come together share
// queries ([lookups]).
//
// What a transaction ended is written to the feed at its end, by [transaction.run]; nothing else in the package ends links.
// Processes follow the feed on a connection of their own ([follower]).
package sqlstore
