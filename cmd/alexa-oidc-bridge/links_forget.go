package main

import (
	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge/sqlstore"
)

func linksForgetCommand() *cobra.Command {
	e := &ending{done: "forgotten", prefix: "forgot", end: (*sqlstore.Store).Forget}
	forget := &cobra.Command{
		Use:   "forget [link_id ...]",
		Short: "Erase links by id, or all that match the flags",
		Long: `forget erases the links with the given ids, or all links that match every given flag, live or revoked, with
their claims, tokens and codes. It revokes those that are live first, which every server that reaches this database
logs, with reason and actor. The id of each link and the time when it ended remain, so that importing an old export
does not bring it back, and its records in the audit log, without the subject.

With --subject it also revokes what the person has signed in to and not answered yet, also if no link matches. Without
--provider it refuses a subject that links of several providers have.

At a terminal it asks before it erases links by flags, unless --yes or --expect is given; without a terminal it never
asks.

This cannot be undone. What it does not reach are logs, backups and earlier exports: see docs/lifecycle.md. If some
ids are unknown, such as those of links that were erased before, the other links are erased and the exit code is 1. It
is also 1 if no link matches the flags.`,
		Example: `  alexa-oidc-bridge links forget lnk_4ghm3yq7d2c5v6x7y2aaaaaaaa
  alexa-oidc-bridge links forget --provider corp --subject 8a7f5c31 --reason "asked to be erased"`,
		RunE: e.run,
	}
	e.addFlags(forget, "the `reason` for which live links are revoked, for the logs",
		"who erases, a `name` in printable ASCII, for the logs")
	return forget
}
