package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
)

// seed makes a database with links.
func seed(ctx context.Context, options sqlstore.Options, links int) (err error) {
	options.Create = true
	store, err := sqlstore.Open(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	done, err := store.Import(ctx, recordsOf(links, time.Now()), time.Now)
	if err == nil && done.Added != links {
		err = fmt.Errorf("%d of %d links were made", done.Added, links)
	}
	return err
}

// recordsOf are the links with the numbers from 0, in the order of their keys. Only that order is kept in memory.
func recordsOf(links int, now time.Time) iter.Seq2[sqlstore.Record, error] {
	type place struct {
		key uint64
		i   uint32
	}
	return func(yield func(sqlstore.Record, error) bool) {
		places := make([]place, links)
		for i := range places {
			places[i] = place{keyOf(i).number(), uint32(i)}
		}
		slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.key, b.key) })
		for _, at := range places {
			if !yield(recordOf(int(at.i), now), nil) {
				return
			}
		}
	}
}

// noteUses notes that links were used. A link in use is noted once an hour; without this, every first lookup would be that one.
// It notes an hour ahead, since it writes nothing for what was noted within the hour before, and that would not last.
func noteUses(ctx context.Context, options sqlstore.Options, links int) (err error) {
	store, err := sqlstore.Open(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ahead := time.Now().Add(bridge.UseGrain)
	for first := 0; first < links; first += notedAtOnce {
		var uses []bridge.Use
		for i := first; i < min(first+notedAtOnce, links); i++ {
			uses = append(uses, bridge.Use{LinkID: linkID(i), At: ahead})
		}
		if err := store.TouchLinks(ctx, uses); err != nil {
			return err
		}
	}
	return nil
}

// notedAtOnce is so few that nobody waits long for the transaction.
const notedAtOnce = 5_000
