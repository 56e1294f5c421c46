package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstream"
)

// report reports how many links were ended by flags, or which ids were ended before or are unknown.
func (e *ending) report(ctx context.Context, cmd *cobra.Command, store *sqlstore.Store, filter bridge.LinkFilter,
	ended []string) error {
	if len(filter.IDs) > 0 {
		return e.reportIDs(ctx, cmd, store, filter.IDs, ended)
	}
	count := "links " + e.done
	if e.dryRun {
		count = "links that would be " + e.done
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %d\n", count, len(ended))
	if len(ended) > 0 {
		return nil
	}
	filter.Limit = 1
	matching, err := store.Links(ctx, filter) // live or revoked
	if err != nil || len(matching) > 0 {
		return err
	}
	if filter.Subject != "" && !e.dryRun {
		fmt.Fprintln(cmd.OutOrStdout(), "open sign-ins of the subject were revoked: to link, they must sign in again")
	}
	hint := "see links list for what there is"
	if filter.Email != "" {
		hint = "see links list; --email finds only links whose skill keeps the email claim"
	}
	return failed(errors.New("no link matches, live or revoked"), hint)
}

func (e *ending) reportIDs(ctx context.Context, cmd *cobra.Command, store *sqlstore.Store, ids, ended []string) error {
	known, now := map[string]bool{}, map[string]bool{}
	err := eachPart(bridge.LinkFilter{IDs: ids}, func(part bridge.LinkFilter) error {
		links, err := store.Links(ctx, part)
		for _, link := range links {
			known[link.ID] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range ended {
		now[id] = true
	}
	unknown := 0
	for _, id := range ids {
		switch {
		case now[id]:
		case known[id]:
			fmt.Fprintln(cmd.OutOrStdout(), "already", e.done, upstream.LogText(id))
		default:
			unknown++
			fmt.Fprintln(cmd.ErrOrStderr(), "unknown", upstream.LogText(id))
		}
	}
	if unknown == 0 {
		return nil
	}
	return failed(fmt.Errorf("%d of %d links are unknown", unknown, len(ids)),
		"see links list for the ids, and check that storage.dsn is the right database")
}

// progress says now and then how far a long command has come.
type progress struct {
	w    io.Writer
	what string
	now  func() time.Time
	last time.Time // of the last line, or the beginning
}

func newProgress(w io.Writer, what string, now func() time.Time) *progress {
	return &progress{w, what, now, now()}
}

// report prints a line if the last one is a second old.
func (p *progress) report(n int) {
	if now := p.now(); now.Sub(p.last) >= time.Second {
		fmt.Fprintf(p.w, "%s: %d\n", p.what, n)
		p.last = now
	}
}
