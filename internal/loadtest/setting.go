package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"alexa-oidc-bridge/bridge/sqlstore"
)

// setting is one store with a number of links, and what is measured there.
type setting struct {
	*bench
	store    string
	links    int
	inUse    int // the links that are asked for again and again
	database database
	bare     []round // the bare server's, which the others are compared with
	begun    int     // what was to be ended when the setting stood
}

func (s *setting) String() string { return storeName(s.store) + ", " + human(s.links) + " links" }

// subjects are what can be measured, in the order in which it is: what writes comes last.
func subjects() []string { return []string{"hot", "cold", "size", "refresh", "linking"} }

func (s *setting) measure(subject string) func(context.Context) error {
	return map[string]func(context.Context) error{
		"hot": s.measureHot, "cold": s.measureCold, "size": s.measureSize, "refresh": s.measureRefresh, "linking": s.measureLinking,
	}[subject]
}

// manyLinks is from when on only lookups and size are measured, and not on PostgreSQL: with so many, the rest would add
// nothing but hours.
const manyLinks = 2_000_000

// measures says what is measured with so many links in a store.
func (o *options) measures(store string, links int) []string {
	switch {
	case links < manyLinks:
		return o.only
	case store == sqlstore.PostgreSQL:
		return nil
	}
	return slices.DeleteFunc(slices.Clone(o.only), func(subject string) bool { return subject == "refresh" || subject == "linking" })
}

// measureStore measures one store with so many links.
func (b *bench) measureStore(ctx context.Context, store string, links int) (err error) {
	subjects := b.options.measures(store, links)
	if len(subjects) == 0 {
		return nil
	}
	defer b.endFrom(len(b.undo), &err)
	s := &setting{bench: b, store: store, links: links, inUse: min(b.options.working, links/2)}
	if s.database, err = b.openDatabase(ctx, store, links); err != nil {
		return err
	}
	if err := noteUses(ctx, s.database.Options, max(s.inUse, s.coldLinks())); err != nil {
		return err
	}
	if err := s.makeRoom(); err != nil {
		return err
	}
	s.begun = len(b.undo)
	for _, subject := range subjects {
		fmt.Fprintf(b.log, "%s, %d links: %s\n", store, links, subject)
		if err := errors.Join(s.measure(subject)(ctx), b.end(s.begun)); err != nil {
			return fmt.Errorf("%s: %w", subject, err)
		}
	}
	return nil
}

// makeRoom keeps this process and PostgreSQL away from the core of the servers until the setting ends.
func (s *setting) makeRoom() error {
	if err := pinSelf(s.otherCores); err != nil {
		return err
	}
	s.later(func() error { return pinSelf(s.allCores) })
	if s.database.server == nil {
		return nil
	}
	return pinPostgreSQL(s.database.server, s.otherCores)
}

// endFrom ends what was begun since there were so many, and joins what goes wrong with the error that there is.
func (b *bench) endFrom(begun int, err *error) { *err = errors.Join(*err, b.end(begun)) }
