package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstream"
)

func linksCommand() *cobra.Command {
	links := &cobra.Command{
		Use:   "links",
		Short: "List, end and move links",
		Long: `links works on the database directly, also while servers run. It needs only storage of the configuration, so that a
link can be ended in an emergency whatever else is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	links.AddCommand(linksListCommand(), linksRevokeCommand(), linksExportCommand(), linksImportCommand())
	return links
}

func linksListCommand() *cobra.Command {
	list := &cobra.Command{
		Use:   "list",
		Short: "List links, the oldest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkGrant(cmd); err != nil {
				return err
			}
			links, err := onStore(cmd, func(store *sqlstore.Store) ([]bridge.Link, error) {
				return store.Links(cmd.Context(), linkFilter(cmd))
			})
			if err != nil {
				return err
			}
			if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
				return printLinksJSON(cmd.OutOrStdout(), links)
			}
			return printLinks(cmd.OutOrStdout(), links)
		},
	}
	addLinkFilter(list)
	list.Flags().Bool("json", false, "print an array of objects")
	return list
}

func linksRevokeCommand() *cobra.Command {
	revoke := &cobra.Command{
		Use:   "revoke [link_id ...]",
		Short: "End links at once, by their ids or by what they have in common",
		Long: `revoke ends the links named, or all live links that every flag given matches. Their tokens read inactive within a second in
every server that reaches this database. Of several ids those that are known are ended, and the exit code is 1 if any is not.`,
		Example: `  alexa-oidc-bridge links revoke lnk_4ghm3yq7d2c5v6x7y2aaaaaaaa
  alexa-oidc-bridge links revoke --provider corp --subject 8a7f5c31 --reason "left the company"`,
		RunE: func(cmd *cobra.Command, ids []string) error {
			filter := linkFilter(cmd)
			filter.IDs = ids
			reason, _ := cmd.Flags().GetString("reason")
			if err := errors.Join(checkGrant(cmd), checkRevoke(cmd, filter, reason)); err != nil {
				return err
			}
			return revokeLinks(cmd, filter, bridge.Reason(reason))
		},
	}
	addLinkFilter(revoke)
	revoke.Flags().String("reason", string(bridge.ReasonOperator), "`why`, kept with the links")
	return revoke
}

var reasonForm = regexp.MustCompile(`^[ -~]{1,200}$`)

// checkRevoke refuses what would end links that nobody named.
func checkRevoke(cmd *cobra.Command, filter bridge.LinkFilter, reason string) error {
	byFlags := false
	for _, name := range []string{"skill", "subject", "email", "provider", "grant"} {
		value, _ := cmd.Flags().GetString(name)
		byFlags = byFlags || value != ""
		if cmd.Flags().Changed(name) && value == "" {
			return &failure{exitUsage, fmt.Errorf("--%s is empty", name), "give it a value; an empty one would select everything"}
		}
	}
	switch {
	case !byFlags && len(filter.IDs) == 0:
		return &failure{exitUsage, errors.New("no links are named"), "name link ids, or select by --skill, --subject, --email, --provider or --grant"}
	case byFlags && len(filter.IDs) > 0:
		return &failure{exitUsage, errors.New("link ids and flags are given"), "name link ids or select by flags, not both"}
	case slices.Contains(filter.IDs, ""):
		return &failure{exitUsage, errors.New("an empty link id is given"), "see links list"}
	case !reasonForm.MatchString(reason):
		return &failure{exitUsage, errors.New("the reason cannot be kept"), "write 1 to 200 printable ASCII characters"}
	}
	return nil
}

func revokeLinks(cmd *cobra.Command, filter bridge.LinkFilter, reason bridge.Reason) error {
	var known []bridge.Link
	revoked, err := onStore(cmd, func(store *sqlstore.Store) (revoked []bridge.Link, err error) {
		if revoked, err = store.Revoke(cmd.Context(), filter, reason, time.Now()); err == nil {
			known, err = store.Links(cmd.Context(), filter)
		}
		return revoked, err
	})
	for _, link := range revoked {
		fmt.Fprintln(cmd.OutOrStdout(), "revoked", link.ID)
	}
	if err != nil {
		return err
	}
	if len(filter.IDs) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "links revoked:", len(revoked))
		if len(known) == 0 {
			return failed(errors.New("no link matches, live or ended"),
				"see links list; only links whose skill keeps the e-mail claim are found by --email")
		}
		return nil
	}
	return reportOthers(cmd, filter.IDs, revoked, known)
}

// reportOthers says what became of the ids that were not revoked just now.
func reportOthers(cmd *cobra.Command, ids []string, revoked, known []bridge.Link) error {
	has := func(links []bridge.Link, id string) bool {
		return slices.ContainsFunc(links, func(link bridge.Link) bool { return link.ID == id })
	}
	unknown := 0
	for _, id := range ids {
		switch {
		case has(revoked, id):
		case has(known, id):
			fmt.Fprintln(cmd.OutOrStdout(), "had ended before", id)
		default:
			unknown++
			fmt.Fprintln(cmd.ErrOrStderr(), "unknown", upstream.LogText(id))
		}
	}
	if unknown > 0 {
		return failed(fmt.Errorf("%d of %d links are unknown", unknown, len(ids)), "see links list for the ids; is this the right database?")
	}
	return nil
}

func addLinkFilter(cmd *cobra.Command) {
	cmd.Flags().String("skill", "", "only links of this skill, by its `client_id`")
	cmd.Flags().String("subject", "", "only links of this `subject` at its provider")
	cmd.Flags().String("email", "", "only links of this e-mail `address`, if their skill keeps the claim")
	cmd.Flags().String("provider", "", "only links made at this provider, by its `id`")
	cmd.Flags().String("grant", "", "only links by this `grant`: implicit or authorization_code")
}

// checkGrant refuses a name that no grant has, which would select nothing without a word.
func checkGrant(cmd *cobra.Command) error {
	switch grant, _ := cmd.Flags().GetString("grant"); bridge.Grant(grant) {
	case "", bridge.GrantImplicit, bridge.GrantAuthorizationCode:
		return nil
	}
	return &failure{exitUsage, errors.New("--grant is not the name of a grant"), "write implicit or authorization_code"}
}

func linkFilter(cmd *cobra.Command) bridge.LinkFilter {
	text := func(name string) string {
		value, _ := cmd.Flags().GetString(name)
		return value
	}
	return bridge.LinkFilter{ClientID: text("skill"), Subject: text("subject"), Email: text("email"),
		Provider: text("provider"), Grant: bridge.Grant(text("grant"))}
}

// onStore does something on the database of the configuration.
func onStore(cmd *cobra.Command, do func(*sqlstore.Store) ([]bridge.Link, error)) ([]bridge.Link, error) {
	store, err := openConfigured(cmd)
	if err != nil {
		return nil, err
	}
	links, err := do(store)
	if err = errors.Join(err, store.Close()); err != nil {
		return links, failed(err, "check that the database can be written and is not locked by another program")
	}
	return links, nil
}

// linkJSON is one link in the output of links list --json.
type linkJSON struct {
	LinkID     string     `json:"link_id"`
	ClientID   string     `json:"client_id"`
	Provider   string     `json:"provider"`
	Subject    string     `json:"sub"`
	Scope      string     `json:"scope"`
	CreatedAt  *time.Time `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"` // null: never
	RevokedAt  *time.Time `json:"revoked_at"`   // null: live
	Reason     string     `json:"reason"`
}

func printLinksJSON(w io.Writer, links []bridge.Link) error {
	list := make([]linkJSON, len(links))
	for i, link := range links {
		list[i] = linkJSON{link.ID, link.ClientID, link.Provider.ID, link.Subject, link.Scope,
			orNull(link.CreatedAt), orNull(link.LastUsedAt), orNull(link.RevokedAt), string(link.Reason)}
	}
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, asciiJSON(string(text)))
	return err
}

// asciiJSON writes the same JSON without a character that a terminal could take for a command.
func asciiJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r <= '~':
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		}
	}
	return b.String()
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func printLinks(w io.Writer, links []bridge.Link) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LINK\tSKILL\tPROVIDER\tSUBJECT\tCREATED\tLAST USED\tENDED")
	for _, link := range links {
		ended := day(link.RevokedAt)
		if link.Revoked() {
			ended += ", " + string(link.Reason)
		}
		// A subject is a stranger's text, which must not reach the terminal as it is.
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", link.ID, link.ClientID, link.Provider.ID,
			upstream.LogText(link.Subject), day(link.CreatedAt), day(link.LastUsedAt), ended)
	}
	return table.Flush()
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}
