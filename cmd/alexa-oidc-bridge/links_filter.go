package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
)

// linkFlags are the flags by which commands select links.
type linkFlags struct {
	filter               bridge.LinkFilter
	olderThan, unusedFor age
}

// linkFlagNames are the names of linkFlags.
var linkFlagNames = []string{"skill", "subject", "email", "provider", "grant", "older-than", "unused-for"}

func addLinkFlags(cmd *cobra.Command, args *linkFlags) {
	flags, filter := cmd.Flags(), &args.filter
	flags.StringVar(&filter.ClientID, "skill", "", "only links of the skill with this `client_id`")
	flags.StringVar(&filter.Subject, "subject", "", "only links of this `subject` at the provider")
	flags.StringVar(&filter.Email, "email", "",
		"only links with this e-mail `address`, if the skill keeps the email claim")
	flags.StringVar(&filter.Provider, "provider", "", "only links of the provider with this `id`")
	flags.StringVar((*string)(&filter.Grant), "grant", "", "only links of this `grant`: implicit or authorization_code")
	flags.Var(&args.olderThan, "older-than",
		"only links that were made longer ago than this `duration`, such as 90d or 12h")
	flags.Var(&args.unusedFor, "unused-for",
		"only links that were neither made nor used for this `duration`, such as 90d or 12h")
}

// selected returns the filter that the flags ask for.
func (f *linkFlags) selected(now time.Time) (bridge.LinkFilter, error) {
	filter := f.filter
	if f.olderThan > 0 {
		filter.CreatedBefore = now.Add(-time.Duration(f.olderThan))
	}
	if f.unusedFor > 0 {
		filter.UnusedSince = now.Add(-time.Duration(f.unusedFor))
	}
	return filter, checkGrant(filter.Grant)
}

// checkGrant rejects an unknown grant, which would silently match no link.
func checkGrant(grant bridge.Grant) error {
	switch grant {
	case "", bridge.GrantImplicit, bridge.GrantAuthorizationCode:
		return nil
	}
	return misused("--grant is not the name of a grant", "use implicit or authorization_code")
}

// age is a flag with a positive duration, also in days.
type age time.Duration

func (a *age) String() string {
	if *a == 0 {
		return ""
	}
	return time.Duration(*a).String()
}

func (a *age) Type() string { return "duration" }

var errAge = errors.New("use a number of days such as 90d, or a duration such as 12h or 2160h")

func (a *age) Set(text string) error {
	parsed, err := time.ParseDuration(text)
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		var n int64
		n, err = strconv.ParseInt(days, 10, 16)
		parsed = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || parsed <= 0 {
		return errAge
	}
	*a = age(parsed)
	return nil
}

// maxIDs is how many ids one query has. SQLite takes for each a time that grows with their number, and refuses 32,767.
const maxIDs = 100

// eachPart calls a function with a filter, or, if that has many ids, with some of them at a time.
func eachPart(filter bridge.LinkFilter, do func(bridge.LinkFilter) error) error {
	if len(filter.IDs) == 0 {
		return do(filter)
	}
	for ids := range slices.Chunk(filter.IDs, maxIDs) {
		filter.IDs = ids
		if err := do(filter); err != nil {
			return err
		}
	}
	return nil
}

// pageSize is how many links of a list are in memory at a time.
const pageSize = 500

// eachPage calls a function with the links that match a filter, a page at a time.
func eachPage(ctx context.Context, store *sqlstore.Store, filter bridge.LinkFilter,
	do func([]bridge.Link) error) error {
	left := filter.Limit // 0: no limit
	for {
		filter.Limit = pageSize
		if left > 0 {
			filter.Limit = min(left, pageSize)
		}
		page, err := store.Links(ctx, filter)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := do(page); err != nil {
			return err
		}
		if len(page) < filter.Limit || len(page) == left {
			return nil
		}
		left = max(0, left-len(page))
		filter.After = page[len(page)-1].Cursor()
	}
}
