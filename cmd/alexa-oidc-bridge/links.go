package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/operator"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstream"
)

func linksCommand() *cobra.Command {
	links := &cobra.Command{
		Use:   "links",
		Short: "List, revoke, forget, move and check links, and make test links",
		Long: `links works on the database directly, also while servers run. Except for mint and check-policy, it reads only the
storage section of the configuration, so that links can be revoked in an emergency whatever else is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	links.AddCommand(linksListCommand(), linksRevokeCommand(), linksForgetCommand(), linksExportCommand(),
		linksImportCommand(), linksMintCommand(), linksCheckPolicyCommand())
	return links
}

func linksListCommand() *cobra.Command {
	var filter bridge.LinkFilter
	var asJSON bool
	list := &cobra.Command{
		Use:   "list",
		Short: "List links, oldest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkGrant(filter.Grant); err != nil {
				return err
			}
			var links []bridge.Link
			err := withStore(cmd, func(store *sqlstore.Store) (err error) {
				links, err = store.Links(cmd.Context(), filter)
				return err
			})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), operator.Links(links))
			}
			return printLinks(cmd.OutOrStdout(), links)
		},
	}
	addLinkFilter(list, &filter)
	list.Flags().BoolVar(&filter.Live, "live", false, "leave out links that were revoked")
	list.Flags().BoolVar(&asJSON, "json", false, "print an array of objects")
	return list
}

func addLinkFilter(cmd *cobra.Command, filter *bridge.LinkFilter) {
	flags := cmd.Flags()
	flags.StringVar(&filter.ClientID, "skill", "", "only links of the skill with this `client_id`")
	flags.StringVar(&filter.Subject, "subject", "", "only links of this `subject` at the provider")
	flags.StringVar(&filter.Email, "email", "",
		"only links with this e-mail `address`, if the skill keeps the email claim")
	flags.StringVar(&filter.Provider, "provider", "", "only links of the provider with this `id`")
	flags.StringVar((*string)(&filter.Grant), "grant", "", "only links of this `grant`: implicit or authorization_code")
}

// checkGrant rejects an unknown grant, which would silently match no link.
func checkGrant(grant bridge.Grant) error {
	switch grant {
	case "", bridge.GrantImplicit, bridge.GrantAuthorizationCode:
		return nil
	}
	return misused("--grant is not the name of a grant", "use implicit or authorization_code")
}

// withStore calls a function with the database of the configuration.
func withStore(cmd *cobra.Command, do func(*sqlstore.Store) error) error {
	store, err := openConfigured(cmd)
	if err != nil {
		return err
	}
	err = errors.Join(do(store), store.Close())
	if _, known := errors.AsType[*failure](err); known {
		return err
	}
	if err != nil {
		return failed(err, "check that the database can be written and is not locked by another program")
	}
	return nil
}

func printJSON(w io.Writer, list any) error {
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, string(operator.ASCII(text)))
	return err
}

func printLinks(w io.Writer, links []bridge.Link) error {
	table := newTable(w)
	fmt.Fprintln(table, "LINK\tSKILL\tGRANT\tPROVIDER\tSUBJECT\tPERSON\tCREATED\tLAST USED\tREVOKED")
	for _, link := range links {
		revoked := minute(link.RevokedAt)
		if link.Revoked() {
			revoked += ", " + string(link.Reason)
			if link.Actor != "" {
				revoked += ", by " + string(link.Actor)
			}
		}
		grant := string(link.Grant)
		if link.IsTest() {
			grant = "test link"
		}
		columns := []string{link.ID, link.ClientID, grant, link.Provider.ID, link.Subject,
			shortened(cmp.Or(link.Claims.String(bridge.ClaimEmail), link.Claims.DisplayName(), "-")),
			minute(link.CreatedAt), minute(link.LastUsedAt), revoked}
		printRow(table, columns)
	}
	return table.Flush()
}

// printRow prints a row of a table, with - for what is empty. Any text of a database could control the terminal.
func printRow(table io.Writer, columns []string) {
	for i, column := range columns {
		columns[i] = cmp.Or(upstream.LogText(column), "-")
	}
	fmt.Fprintln(table, strings.Join(columns, "\t"))
}

// shortened keeps the beginning of a text that would make a row of the table too long.
func shortened(text string) string {
	const longest = 40
	if len(text) > longest {
		return text[:longest-3] + "..."
	}
	return text
}

func minute(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}
