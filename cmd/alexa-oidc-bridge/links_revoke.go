package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/operator"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstream"
)

func linksRevokeCommand() *cobra.Command {
	var filter bridge.LinkFilter
	var reason, actor string
	revoke := &cobra.Command{
		Use:   "revoke [link_id ...]",
		Short: "Revoke links by id, or all that match the flags",
		Long: `revoke revokes the links with the given ids, or all live links that match every given flag. Every server that
reaches this database treats their tokens as inactive within a second. If some ids are unknown, the other links are
revoked and the exit code is 1.

With --subject it also revokes what the person has signed in to and not answered yet, also if no link matches: to link, they
must sign in again. Without --provider it refuses a subject that links of several providers have.`,
		Example: `  alexa-oidc-bridge links revoke lnk_4ghm3yq7d2c5v6x7y2aaaaaaaa
  alexa-oidc-bridge links revoke --provider corp --subject 8a7f5c31 --reason "left the company"`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			filter.IDs = ids
			by, err := revocationOf(cmd, filter, reason, actor)
			if err != nil {
				return err
			}
			var revoked, matching []bridge.Link // matching: live or revoked
			err = withStore(cmd, func(store *sqlstore.Store) (err error) {
				if err := checkOneProvider(cmd.Context(), store, filter); err != nil {
					return err
				}
				if revoked, err = store.Revoke(cmd.Context(), filter, by); err == nil {
					matching, err = store.Links(cmd.Context(), filter)
				}
				return err
			})
			for _, link := range revoked { // also after an error
				fmt.Fprintln(cmd.OutOrStdout(), "revoked", upstream.LogText(link.ID))
			}
			if err != nil {
				return err
			}
			return reportRevoked(cmd, filter, revoked, matching)
		},
	}
	addLinkFilter(revoke, &filter)
	revoke.Flags().StringVar(&reason, "reason", string(bridge.ReasonOperator), "the `reason`, stored with the links")
	revoke.Flags().StringVar(&actor, "actor", "", "who revokes, a `name` in printable ASCII, stored with the links (default command:USER@HOST)")
	return revoke
}

// revocationOf returns the revocation that the arguments of a command ask for. An empty actor is who runs the command,
// unless it was given.
func revocationOf(cmd *cobra.Command, filter bridge.LinkFilter, reason, actor string) (bridge.Revocation, error) {
	if !cmd.Flags().Changed("actor") {
		actor = commandActor()
	}
	by := bridge.Revocation{Reason: bridge.Reason(reason), Actor: bridge.Actor(actor), At: time.Now()}
	return by, errors.Join(checkGrant(filter.Grant), checkNamed(cmd, filter), checkReason(reason), checkActor(actor))
}

// checkNamed rejects arguments that would revoke links by accident.
func checkNamed(cmd *cobra.Command, filter bridge.LinkFilter) error {
	byFlags := false
	for _, name := range []string{"skill", "subject", "email", "provider", "grant"} {
		value, _ := cmd.Flags().GetString(name)
		byFlags = byFlags || value != ""
		if cmd.Flags().Changed(name) && value == "" {
			return misused("--"+name+" is empty", "set a value; an empty one would match every link")
		}
	}
	switch {
	case !byFlags && len(filter.IDs) == 0:
		return misused("no links are named", "give link ids, or --skill, --subject, --email, --provider or --grant")
	case byFlags && len(filter.IDs) > 0:
		return misused("link ids and flags are given", "give link ids or flags, not both")
	case slices.Contains(filter.IDs, ""):
		return misused("an empty link id is given", "see links list for the ids")
	}
	return nil
}

// checkOneProvider rejects a filter whose subject may be several people.
func checkOneProvider(ctx context.Context, store *sqlstore.Store, filter bridge.LinkFilter) error {
	err := operator.CheckSubject(ctx, store, filter)
	if several, ok := errors.AsType[*operator.SubjectError](err); ok {
		return misused(several.Error(), "nothing was ended: add --provider, or give the ids of links list")
	}
	return err
}

func checkReason(reason string) error {
	if !operator.IsPrintable(reason) {
		return misused("the reason cannot be kept", "use 1 to 200 printable ASCII characters")
	}
	return nil
}

// commandActor returns who runs the command, as an actor.
func commandActor() string {
	name, host := "unknown", "unknown"
	if who, err := user.Current(); err == nil {
		name = who.Username
	}
	if known, err := os.Hostname(); err == nil {
		host = known
	}
	actor := upstream.LogText("command:" + name + "@" + host)
	return actor[:min(len(actor), bridge.MaxActor)]
}

var reservedActor = regexp.MustCompile(`(?i)^\s*(system|person|skill|backend|provider|api)\b`)

// checkActor rejects an actor that cannot be stored, and one that would be taken for somebody else than an operator.
func checkActor(actor string) error {
	if !operator.IsPrintable(actor) {
		return misused("the actor cannot be kept", "use 1 to 200 printable ASCII characters")
	}
	if reservedActor.MatchString(actor) {
		return misused("the actor is not an operator", "use a name that does not begin with system, person, skill, backend, provider or api")
	}
	return nil
}

// reportRevoked reports how many links were revoked by flags, or which ids were already revoked or are unknown.
func reportRevoked(cmd *cobra.Command, filter bridge.LinkFilter, revoked, matching []bridge.Link) error {
	ids := filter.IDs
	if len(ids) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "links revoked:", len(revoked))
		return reportNone(cmd, filter, matching)
	}
	unknown := 0
	for _, id := range ids {
		switch {
		case hasLink(revoked, id):
		case hasLink(matching, id):
			fmt.Fprintln(cmd.OutOrStdout(), "already revoked", upstream.LogText(id))
		default:
			unknown++
			fmt.Fprintln(cmd.ErrOrStderr(), "unknown", upstream.LogText(id))
		}
	}
	return failedIfUnknown(unknown, len(ids))
}

func hasLink(links []bridge.Link, id string) bool {
	return slices.ContainsFunc(links, func(link bridge.Link) bool { return link.ID == id })
}

// reportNone fails if no link matches. Also then, sign-ins of a subject were revoked.
func reportNone(cmd *cobra.Command, filter bridge.LinkFilter, matching []bridge.Link) error {
	if len(matching) > 0 {
		return nil
	}
	if filter.Subject != "" {
		fmt.Fprintln(cmd.OutOrStdout(), "open sign-ins of the subject were revoked: to link, they must sign in again")
	}
	return failed(errors.New("no link matches, live or revoked"),
		"see links list; --email finds only links whose skill keeps the email claim")
}

func failedIfUnknown(unknown, given int) error {
	if unknown == 0 {
		return nil
	}
	return failed(fmt.Errorf("%d of %d links are unknown", unknown, given),
		"see links list for the ids, and check that storage.dsn is the right database")
}
