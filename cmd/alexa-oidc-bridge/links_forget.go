package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstream"
)

func linksForgetCommand() *cobra.Command {
	var filter bridge.LinkFilter
	var reason, actor string
	forget := &cobra.Command{
		Use:   "forget [link_id ...]",
		Short: "Erase links by id, or all that match the flags",
		Long: `forget erases the links with the given ids, or all links that match every given flag, live or revoked, with their claims,
tokens and codes. It revokes those that are live first, which every server that reaches this database logs, with reason and
actor. The id of each link and the time when it ended remain, so that importing an old export does not bring it back, and its
records in the audit log, without the subject.

With --subject it also revokes what the person has signed in to and not answered yet, also if no link matches. Without
--provider it refuses a subject that links of several providers have.

This cannot be undone. What it does not reach are logs, backups and earlier exports: see docs/lifecycle.md. If some ids are
unknown, such as those of links that were erased before, the other links are erased and the exit code is 1.`,
		Example: `  alexa-oidc-bridge links forget lnk_4ghm3yq7d2c5v6x7y2aaaaaaaa
  alexa-oidc-bridge links forget --provider corp --subject 8a7f5c31 --reason "asked to be erased"`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			filter.IDs = ids
			by, err := revocationOf(cmd, filter, reason, actor)
			if err != nil {
				return err
			}
			var forgotten []bridge.Link
			err = withStore(cmd, func(store *sqlstore.Store) (err error) {
				if err := checkOneProvider(cmd.Context(), store, filter); err != nil {
					return err
				}
				forgotten, err = store.Forget(cmd.Context(), filter, by)
				return err
			})
			for _, link := range forgotten { // also after an error
				fmt.Fprintln(cmd.OutOrStdout(), "forgot", upstream.LogText(link.ID))
			}
			if err != nil {
				return err
			}
			return reportForgotten(cmd, filter, forgotten)
		},
	}
	addLinkFilter(forget, &filter)
	forget.Flags().StringVar(&reason, "reason", string(bridge.ReasonOperator), "the `reason` for which live links are revoked, for the logs")
	forget.Flags().StringVar(&actor, "actor", "", "who erases, a `name` in printable ASCII, for the logs (default command:USER@HOST)")
	return forget
}

// reportForgotten reports how many links were erased by flags, or which ids are unknown.
func reportForgotten(cmd *cobra.Command, filter bridge.LinkFilter, forgotten []bridge.Link) error {
	ids := filter.IDs
	if len(ids) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "links forgotten:", len(forgotten))
		return reportNone(cmd, filter, forgotten)
	}
	unknown := 0
	for _, id := range ids {
		if !hasLink(forgotten, id) {
			unknown++
			fmt.Fprintln(cmd.ErrOrStderr(), "unknown", upstream.LogText(id))
		}
	}
	return failedIfUnknown(unknown, len(ids))
}
