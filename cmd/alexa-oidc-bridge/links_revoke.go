package main

import (
	"context"
	"errors"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/operator"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstream"
)

func linksRevokeCommand() *cobra.Command {
	e := &ending{done: "revoked", prefix: "revoked", onlyLive: true, end: (*sqlstore.Store).Revoke}
	revoke := &cobra.Command{
		Use:   "revoke [link_id ...]",
		Short: "Revoke links by id, or all that match the flags",
		Long: `revoke revokes the links with the given ids, or all live links that match every given flag. Every server that
reaches this database treats their tokens as inactive within a second. If some ids are unknown, the other links are
revoked and the exit code is 1. It is also 1 if no link matches the flags, live or revoked.

With --subject it also revokes what the person has signed in to and not answered yet, also if no link matches: to
link, they must sign in again. Without --provider it refuses a subject that links of several providers have.

Links are revoked a few at a time. What was printed when the command was interrupted is revoked, and nothing else. At
a terminal it asks before it revokes links by flags, unless --yes or --expect is given; without a terminal it never
asks.`,
		Example: `  alexa-oidc-bridge links revoke lnk_4ghm3yq7d2c5v6x7y2aaaaaaaa
  alexa-oidc-bridge links revoke --provider corp --subject 8a7f5c31 --reason "left the company"
  alexa-oidc-bridge links revoke --skill pizza --unused-for 180d --dry-run
  alexa-oidc-bridge links revoke --skill pizza --unused-for 180d --expect 12`,
		RunE: e.run,
	}
	e.addFlags(revoke, "the `reason`, stored with the links",
		"who revokes, a `name` in printable ASCII, stored with the links")
	return revoke
}

// revocationOf returns the revocation that the arguments of a command ask for. An empty actor is who runs the command,
// unless it was given.
func revocationOf(cmd *cobra.Command, reason, actor string, now time.Time) (bridge.Revocation, error) {
	if !cmd.Flags().Changed("actor") {
		actor = commandActor()
	}
	by := bridge.Revocation{Reason: bridge.Reason(reason), Actor: bridge.Actor(actor), At: now}
	return by, errors.Join(checkReason(reason), checkActor(actor))
}

// checkNamed rejects arguments that would revoke links by accident.
func checkNamed(cmd *cobra.Command, filter bridge.LinkFilter) error {
	byFlags := false
	for _, name := range linkFlagNames {
		value := cmd.Flag(name).Value.String()
		byFlags = byFlags || value != ""
		if cmd.Flags().Changed(name) && value == "" {
			return misused("--"+name+" is empty", "set a value; an empty one would match every link")
		}
	}
	switch {
	case !byFlags && len(filter.IDs) == 0:
		return misused("no links are named", "give link ids, or --"+strings.Join(linkFlagNames, ", --"))
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
	if bridge.Reason(reason).IsOwn() {
		return misused("the reason is a word that the bridge itself uses for a reason", "say it in other words")
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

var reservedActor = regexp.MustCompile(`(?i)^\s*(system|person|skill|backend|provider|api|alexa)\b`)

// checkActor rejects an actor that cannot be stored, and one that would be taken for somebody else than an operator.
func checkActor(actor string) error {
	if !operator.IsPrintable(actor) {
		return misused("the actor cannot be kept", "use 1 to 200 printable ASCII characters")
	}
	if reservedActor.MatchString(actor) {
		return misused("the actor is not an operator",
			"use a name that does not begin with system, person, skill, backend, provider, api or alexa")
	}
	return nil
}
