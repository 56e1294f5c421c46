package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstream"
)

// ending is a command that ends links: links revoke or links forget.
type ending struct {
	done     string // revoked or forgotten
	prefix   string // of the line about a link that was ended
	onlyLive bool   // links that ended before are left alone
	end      func(*sqlstore.Store, context.Context, bridge.LinkFilter, bridge.Revocation) ([]bridge.Link, error)

	flags         linkFlags
	reason, actor string
	dryRun, yes   bool
	expect        int
}

// endBatch is how many links are ended at a time. The store takes fewer where others would wait for long.
const endBatch = 100

// addFlags adds the flags, with what the help says of --reason and --actor.
func (e *ending) addFlags(cmd *cobra.Command, reason, actor string) {
	addLinkFlags(cmd, &e.flags)
	flags := cmd.Flags()
	flags.StringVar(&e.reason, "reason", string(bridge.ReasonOperator), reason)
	flags.StringVar(&e.actor, "actor", "", actor+" (default command:USER@HOST)")
	flags.BoolVar(&e.dryRun, "dry-run", false, "show what would be "+e.done+", and change nothing")
	flags.IntVar(&e.expect, "expect", 0, "do nothing unless exactly this `number` of links would be "+e.done)
	flags.BoolVar(&e.yes, "yes", false, "do not ask at a terminal before links are "+e.done+" by flags")
}

// run ends the links with the given ids, or those that match the flags.
func (e *ending) run(cmd *cobra.Command, ids []string) error {
	now := time.Now()
	filter, err := e.flags.selected(now)
	filter.IDs = ids
	by, errBy := revocationOf(cmd, e.reason, e.actor, now)
	if err := errors.Join(err, checkNamed(cmd, filter), errBy, e.checkExpect()); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	out := &output{w: cmd.OutOrStdout()}
	if !e.dryRun {
		signal.Ignore(syscall.SIGPIPE)
		cmd.SetOut(out)
	}
	err = withStore(cmd, func(store *sqlstore.Store) error {
		if err := checkOneProvider(ctx, store, filter); err != nil {
			return err
		}
		ended, err := e.endSelected(ctx, cmd, store, filter, by)
		if err != nil {
			return err
		}
		return e.report(ctx, cmd, store, filter, ended)
	})
	if err == nil && out.err != nil {
		err = failed(fmt.Errorf("the output could not be written: %w", out.err), "all was done; see links list")
	}
	return err
}

// output writes until a write fails, and keeps that error: all links end, also if nobody reads any more which.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	if o.err == nil {
		_, o.err = o.w.Write(p)
	}
	return len(p), nil
}

func (e *ending) checkExpect() error {
	if e.expect < 0 {
		return misused("--expect is negative", "set how many links you expect")
	}
	return nil
}

// endSelected ends the links that match a filter, unless the flags or the answer at the terminal say otherwise, and
// returns their ids, or after a dry run those of the links that would be ended.
func (e *ending) endSelected(ctx context.Context, cmd *cobra.Command, store *sqlstore.Store, filter bridge.LinkFilter,
	by bridge.Revocation) ([]string, error) {
	expects := cmd.Flags().Changed("expect")
	asks := !expects && !e.yes && !e.dryRun && len(filter.IDs) == 0 && atTerminal(cmd)
	if expects || asks || e.dryRun {
		found, err := e.find(ctx, cmd, store, filter)
		if err != nil {
			return nil, err
		}
		if expects && len(found.ids) != e.expect {
			return nil, failed(fmt.Errorf("%d links would be %s, not %d: nothing was changed", len(found.ids), e.done, e.expect),
				"see --dry-run for the links")
		}
		if e.dryRun {
			return found.ids, nil
		}
		if asks && len(found.ids) > 0 {
			if err := e.confirm(ctx, cmd, found); err != nil {
				return nil, err
			}
		}
	}
	return e.endAll(ctx, cmd, store, filter, by)
}

// find finds what would be ended. A dry run shows it.
func (e *ending) find(ctx context.Context, cmd *cobra.Command, store *sqlstore.Store, filter bridge.LinkFilter) (
	found tally, err error) {
	filter.Live = e.onlyLive
	table := newLinkTable(cmd.OutOrStdout())
	err = eachPart(filter, func(part bridge.LinkFilter) error {
		return eachPage(ctx, store, part, func(page []bridge.Link) error {
			found.add(page)
			if e.dryRun {
				return table.add(page)
			}
			return nil
		})
	})
	return found, err
}

// endAll ends links in batches, and prints each link that was ended. It stops between two batches when the context
// ends.
func (e *ending) endAll(ctx context.Context, cmd *cobra.Command, store *sqlstore.Store, filter bridge.LinkFilter,
	by bridge.Revocation) (ended []string, err error) {
	progress := newProgress(cmd.ErrOrStderr(), "links "+e.done+" so far", time.Now)
	filter.Limit = endBatch
	err = eachPart(filter, func(part bridge.LinkFilter) error {
		for {
			links, err := e.end(store, context.WithoutCancel(ctx), part, by)
			for _, link := range links {
				fmt.Fprintln(cmd.OutOrStdout(), e.prefix, upstream.LogText(link.ID))
				ended = append(ended, link.ID)
			}
			if err != nil || len(links) == 0 {
				return err
			}
			if ctx.Err() != nil {
				return failed(fmt.Errorf("interrupted: %d links were %s, and no others", len(ended), e.done),
					"run the command again for the others")
			}
			part.After = links[len(links)-1].Cursor()
			progress.report(len(ended))
		}
	})
	return ended, err
}
